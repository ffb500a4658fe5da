"""The pipeline: commit -> run -> candidate. DVC's files, run in parallel and durably."""

from penstock.pipeline.git import revision
from penstock.pipeline.loading import load
from penstock.pipeline.planning import Plan, StagePlan, plan
from penstock.pipeline.progress import Listener, Progress
from penstock.pipeline.runner import execute, new_run_id
from penstock.pipeline.values import metrics, params
from penstock.pipeline.work import StageHooks

__all__ = [
    "Listener",
    "Plan",
    "Progress",
    "StageHooks",
    "StagePlan",
    "execute",
    "load",
    "metrics",
    "new_run_id",
    "params",
    "plan",
    "revision",
]
