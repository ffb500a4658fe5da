"""The pipeline: commit -> run -> candidate. DVC's files, run in parallel and durably."""

from penstock.pipeline.explain import Explanation, why
from penstock.pipeline.git import revision
from penstock.pipeline.loading import load
from penstock.pipeline.planning import Plan, StagePlan, plan
from penstock.pipeline.progress import Listener, Progress
from penstock.pipeline.replaying import ReplayReport, replay
from penstock.pipeline.runner import execute, new_run_id
from penstock.pipeline.values import metrics, params
from penstock.pipeline.work import StageHooks
from penstock.pipeline.worktree import run_commit

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
    "run_commit",
    "why",
]
