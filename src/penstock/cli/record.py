"""What each command did, as a line of the project's log; see `penstock.logs`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from penstock.cli import output
from penstock.errors import ExitCode, PenstockError
from penstock.logs import ERROR, INFO, Log

FILE = "penstock.ndjson"
_FINE = (ExitCode.DONE, ExitCode.NO, ExitCode.INTERRUPTED)


def log_of(project: Path, component: str) -> Log:
    """Return the log of a project; of nothing where it has no state yet."""
    state = project / ".penstock"
    return Log(state / "logs" / FILE if state.is_dir() else None, component)


def record(arguments: list[str], meta: dict[str, Any], code: int, began: float) -> None:
    """Write down how a command ended.

    Args:
        arguments: of the command line; only the words of the command itself are kept.
        meta: what the command's context knew: the project, and ``error``.
        code: its exit code.
        began: monotonic time in seconds.
    """
    project = meta.get(output.PROJECT)
    if project is None:
        return
    words = [one for one in arguments[:2] if one.isalpha()]
    command = " ".join(words)
    error = meta.get("error")
    fields: dict[str, Any] = {
        "event.kind": "event",
        "event.category": ["process"],
        "event.type": ["end"],
        "event.action": "-".join(["penstock", *words]),
        "event.outcome": "success" if code in _FINE else "failure",
        "event.duration": int((time.monotonic() - began) * 1e9),
        "process.exit_code": code,
    }
    if error is not None:
        fields |= {"error.type": type(error).__name__, "error.message": str(error)}
        fields["error.code"] = error.code if isinstance(error, PenstockError) else None
    level = INFO if code in _FINE else ERROR
    log_of(project, "cli").write(f"penstock {command} ended with {code}", fields, level=level)
