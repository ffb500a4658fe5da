"""Executors: where the commands of a stage run. One small interface; local processes for now."""

from penstock.pipeline.executors.interface import Ended, Executor, Job
from penstock.pipeline.executors.local import LocalExecutor

__all__ = ["Ended", "Executor", "Job", "LocalExecutor"]
