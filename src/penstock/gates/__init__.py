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
    "scan": "model_scan",
    "signature_gate": "signature",
    "Subjects": "subjects",
    "data_tests": "data_gates",
    "data_verdicts": "project_tests",
    "infer_schema": "pandera_schema",
    "read_schema": "data_schema",
    "schema_gate": "pandera_schema",
    "rehearse": "rehearsal",
    "training_test": "training_gate",
    "training_verdicts": "project_tests",
    # one candidate, all gates
    "Contender": "judgement",
    "Judgement": "judgement",
    "own_python": "project_code",
    "judged_code": "project_code",
    "judge_candidate": "judgement",
    "check_conditions": "reading",
    # language, judge and ledger
    "Clause": "conditions",
    "Condition": "conditions",
    "ConditionSpec": "conditions",
    "GateSpec": "conditions",
    "Ledger": "ledger",
    "curves": "pictures",
    "judge": "judging",
    "parse": "language",
    "size": "sizing",
}


def __getattr__(name: str) -> Any:
    module = _NAMES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = found  # a module of the same name would stand here otherwise
    return found


def __dir__() -> list[str]:
    return sorted(_NAMES)
