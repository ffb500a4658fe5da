"""The pipeline: commit -> run -> candidate. DVC's files, run in parallel and durably."""

from __future__ import annotations

from typing import Any

from penstock.pipeline.git import revision
from penstock.pipeline.loading import load
from penstock.pipeline.planning import Plan, StagePlan, plan
from penstock.pipeline.progress import Listener, Progress
from penstock.pipeline.runner import execute, new_run_id
from penstock.pipeline.values import metrics, params
from penstock.pipeline.work import StageHooks

__all__ = [
    "Explanation",
    "Listener",
    "Plan",
    "Progress",
    "ReplayReport",
    "StageHooks",
    "StagePlan",
    "execute",
    "load",
    "metrics",
    "new_run_id",
    "params",
    "plan",
    "replay",
    "revision",
    "revision_of",
    "run_commit",
    "why",
]

_RARE = {
    "Explanation": "explain",
    "why": "explain",
    "ReplayReport": "replaying",
    "replay": "replaying",
    "revision_of": "worktree",
    "run_commit": "worktree",
}


def __getattr__(name: str) -> Any:
    """Load what a run with nothing to do does not need."""
    if name not in _RARE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_RARE[name]}"), name)
