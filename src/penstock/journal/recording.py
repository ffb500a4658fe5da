"""How a run and a judgement are written down: event and record in one transaction."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from penstock.domain.event import Event, EventType
from penstock.domain.run import Candidate, Run, StageOutcome, StageRun
from penstock.domain.verdict import Verdict
from penstock.journal.journal import Journal

_TOGETHER = 1.0  # seconds
QUIET = frozenset({StageOutcome.UNCHANGED, StageOutcome.FROZEN})


class RunRecorder:
    """Writes a run down as it happens.

    Nothing is written until something happens: a run in which no stage had to do anything leaves
    no trace, unless `finish` is told to keep it.

    Args:
        journal: where to write.
        run: as it stands at its start.
        reason: why there is a run.
        cause: id of the event that asked for it, None when a person did.
    """

    def __init__(
        self, journal: Journal, run: Run, reason: str, *, cause: int | None = None
    ) -> None:
        self._journal = journal
        self._run = run
        self._reason = reason
        self._cause = cause
        self._started: Event | None = None
        self._waiting: list[StageRun] = []
        self._written = time.monotonic()

    @property
    def began(self) -> bool:
        """Whether anything was written."""
        return self._started is not None

    def begin(self) -> Event:
        """Write down the trigger and the start, once."""
        if self._started is None:
            with self._journal.transaction() as tx:
                data = {"kind": "person" if self._cause is None else "loop", "reason": self._reason}
                trigger = tx.append(
                    Event(EventType.TRIGGER_FIRED, self._run.id, data, cause=self._cause)
                )
                self._started = tx.append(
                    Event(
                        EventType.RUN_STARTED,
                        self._run.id,
                        {"commit": self._run.revision.commit, "dirty": self._run.revision.dirty},
                        cause=trigger.id,
                    )
                )
                tx.put("run", self._run.id, self._run.to_dict())
        return self._started

    def stage_finished(self, stage_run: StageRun) -> None:
        """Write down a stage that did something.

        Stages that end close together are written together: what a killed run loses of the
        journal stands in dvc.lock all the same.
        """
        self._run = replace(self._run, stages=(*self._run.stages, stage_run))
        if stage_run.outcome in QUIET:
            return
        self.begin()
        self._waiting.append(stage_run)
        if time.monotonic() - self._written >= _TOGETHER:
            self._write(self._run)

    def _write(self, run: Run, *more: Event) -> list[Event]:
        """Write the waiting stages, then more events, and the run as it stands."""
        started = self.begin()
        with self._journal.transaction() as tx:
            for one in self._waiting:
                data = {
                    "stage": one.stage,
                    "outcome": one.outcome.value,
                    "seconds": round(one.seconds, 3),
                    "reasons": list(one.reasons),
                    "error": one.error,
                }
                tx.append(Event(EventType.STAGE_FINISHED, run.id, data, cause=started.id))
            written = [tx.append(replace(one, cause=started.id)) for one in more]
            tx.put("run", run.id, run.to_dict())
        self._waiting = []
        self._written = time.monotonic()
        return written

    def finish(self, run: Run) -> Event:
        """Write down the end of the run."""
        data = {
            "outcome": run.outcome.value,
            "seconds": round((run.finished or run.started) - run.started, 3),
            "stages": {one.stage: one.outcome.value for one in run.stages},
            "error": run.error,
        }
        (event,) = self._write(run, Event(EventType.RUN_FINISHED, run.id, data))
        return event


def record_judgement(
    journal: Journal,
    candidate: Candidate,
    verdicts: Sequence[Verdict],
    *,
    key: str,
    champion: int | None,
    curves: dict[str, Any],
    cause: int | None,
) -> Event:
    """Write down what the gates said of a candidate; return `candidate.passed` or `.refused`.

    Args:
        journal: where to write.
        candidate: that was judged.
        verdicts: of all gates.
        key: digest of everything the judgement rests on; an equal key is an equal judgement.
        champion: version it was compared with, None when there was none.
        curves: what the report draws.
        cause: id of the event that asked.
    """
    stopped = [one for one in verdicts if one.stops]
    with journal.transaction() as tx:
        made = tx.append(
            Event(EventType.CANDIDATE_MADE, candidate.run_id, candidate.to_dict(), cause=cause)
        )
        for one in verdicts:
            data = {"gate": one.name, "outcome": one.outcome.value, "words": one.words}
            tx.append(Event(EventType.GATE_JUDGED, candidate.run_id, data, cause=made.id))
        ended = EventType.CANDIDATE_REFUSED if stopped else EventType.CANDIDATE_PASSED
        reasons: dict[str, Any] = {
            "model": candidate.model,
            "gates": len(verdicts),
            "stopped_by": [one.name for one in stopped],
            "words": stopped[0].words if stopped else "all gates passed",
        }
        event = tx.append(Event(ended, candidate.run_id, reasons, cause=made.id))
        judgement = {
            "key": key,
            "event": event.id,
            "candidate": candidate.to_dict(),
            "verdicts": [one.to_dict() for one in verdicts],
            "outcome": "refused" if stopped else "passed",
            "champion": champion,
            "curves": curves,
        }
        tx.put("judgement", candidate.run_id, judgement)
        tx.put("judged", key, {"run_id": candidate.run_id})
    return event
