"""The project's own code that a judgement rests on, and the interpreter that it runs in."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from penstock.config.settings import GateSettings

_FUNCTION = re.compile(r"([A-Za-z_][\w.]*):[A-Za-z_]\w*")
_MODELS = re.compile(r"^(candidate|champion|new|old)\.")


def judged_code(settings: GateSettings, base: Path) -> list[str]:
    """Return digests of the modules behind ``module:function`` and of a schema's Python file.

    What they import from the project counts as well. Nothing is loaded for a project without such
    code.

    Args:
        settings: with the conditions and the schema.
        base: the project, or the worktree of a commit.
    """
    texts = " ".join(one.text for one in settings.conditions)
    modules = {_MODELS.sub("", found) for found in _FUNCTION.findall(texts)}
    file = (settings.data.schema or "").partition(":")[0]
    if file.endswith(".py"):
        modules.add(file)
    if not modules:
        return []
    from penstock.gates.inputs import own_code

    return own_code(base, sorted(modules))


def own_python(settings: GateSettings, base: Path) -> str:
    """Return the interpreter for the project's own tests and metrics.

    A path is meant from the project's root on, a bare name from PATH.
    """
    if settings.python is None:
        return sys.executable
    return str(base / settings.python) if "/" in settings.python else settings.python
