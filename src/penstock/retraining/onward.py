"""What counts as progress within one step of a retraining: a trial, or a stage, that has ended.

A step that is killed again and again is begun again as long as it gets on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock import pipeline
from penstock.domain.run import StageOutcome


def after_trials(tell: Callable[[str], None], moved: Callable[[], Any]) -> Callable[[str], None]:
    """Return what a search tells of each trial, and say that it got on."""

    def told(words: str) -> None:
        moved()
        tell(words)

    return told


def after_stages(listener: pipeline.Listener | None, moved: Callable[[], Any]) -> pipeline.Listener:
    """Return a listener that says that a run got on when a stage has run."""

    def heard(progress: pipeline.Progress) -> None:
        ended = progress.stage_run
        if ended is not None and ended.outcome is StageOutcome.RAN:
            moved()
        if listener is not None:
            listener(progress)

    return heard
