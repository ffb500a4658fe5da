"""What a run tells whoever watches it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock.domain.run import StageRun


@dataclass(frozen=True, slots=True)
class Progress:
    """One thing that happened in a run.

    Attributes:
        kind: ``plan`` (once, at the start), ``stage-started``, ``stage-output`` (one line of
            `text`), ``stage-finished`` (with `stage_run`), ``waiting`` (for another process,
            see `text`) or ``run-finished``.
        stage: the address, "" where it is about the run.
        text: for people.
        stage_run: how the stage ended.
        waiting_for: stages that wait, each with those it waits for; told a few times a second.
        eta: seconds until the run will be done, by the durations of earlier runs; None means
            that the last one told still holds.
        data: plain values that go with the kind.
    """

    kind: str
    stage: str = ""
    text: str = ""
    stage_run: StageRun | None = None
    waiting_for: tuple[tuple[str, tuple[str, ...]], ...] = ()
    eta: float | None = None
    data: dict[str, Any] | None = None


Listener = Callable[[Progress], None]
"""Called from the thread that called `execute`, never from two at a time; it must not block."""
