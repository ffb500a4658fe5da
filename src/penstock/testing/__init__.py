"""Shipped for those who extend or embed penstock: exams for extensions, fakes, a pytest plugin.

For tests of a model, in a project's own pytest files:

    from penstock.testing import directional, invariance, minimum_functionality

together with the fixtures `candidate`, `champion`, `test_data`, `predictions` and `run`.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "Behaviour": "behaviour",
    "Model": "model",
    "Rows": "rows",
    "directional": "behaviour",
    "invariance": "behaviour",
    "minimum_functionality": "behaviour",
}


def __getattr__(name: str) -> Any:
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(_NAMES)
