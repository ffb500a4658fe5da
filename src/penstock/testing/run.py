"""The run that tests are part of, seen from within."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path


@dataclass(frozen=True)
class RunFacts:
    """What the stages have written so far.

    Attributes:
        root: where the pipeline runs: the project, or the worktree of a commit.
        id: of the run, "" when pytest was called by hand.
    """

    root: Path
    id: str = ""

    @cached_property
    def metrics(self) -> dict[str, float]:
        """All metrics of dvc.yaml, flat: ``{"eval/metrics.json:auc": 0.7}`` by DVC's names."""
        from penstock.pipeline import metrics

        return metrics(self.root)

    @cached_property
    def params(self) -> dict[str, str]:
        """All parameters of dvc.yaml, flat, as text."""
        from penstock.pipeline import params

        return params(self.root)
