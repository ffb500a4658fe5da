"""Gates: a candidate in, verdicts out.

Start at `judge` for decisions on metrics, at `evaluate` for predictions, at `StageTests` for the
tests around the stages of a pipeline. Names are loaded when first used: a run with nothing to do
pays for none of them.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    # tests, evaluation and scans
    "Predictions": "predictions",
    "evaluate": "evaluation",
    "StageTest": "stage_tests",
    "StageTests": "stage_tests",
    "scan": "scan",
    # language, judge and ledger
}


def __getattr__(name: str) -> Any:
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(_NAMES)
