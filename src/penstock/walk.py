"""A walk through the loop: what was asked, and what has come of it so far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.domain.rollout import RolloutPhase
from penstock.domain.run import Candidate, Run, RunOutcome
from penstock.domain.verdict import Verdict
from penstock.domain.version import ModelVersion


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person, or a trigger, asks of one walk through the loop.

    Attributes:
        targets: stages to run, with what they depend on; none is all.
        jobs: stages at a time, None for the number of cores.
        force: run stages even if nothing changed.
        keep_going: finish what does not depend on a failed stage.
        executor: where the commands of stages run, by name; None for this machine.
        pull, push: fetch missing inputs from the remote; send outputs to it.
        commit: run this revision in a worktree of its own, None for the work tree in hand.
        allow_dirty: register a model made from changes that no commit holds.
        deploy: roll out what was registered.
        wait: stay until the rollout has ended, or waits for a person.
        reason: why, for the journal.
        cause: id of the event that asked, None for a person.
        listener: is told the state of a rollout after every look at it.
    """

    targets: tuple[str, ...] = ()
    jobs: int | None = None
    force: bool = False
    keep_going: bool = False
    executor: str | None = None
    pull: bool = False
    push: bool = False
    commit: str | None = None
    allow_dirty: bool = False
    deploy: bool = False
    wait: bool = True
    reason: str = "asked for"
    cause: int | None = None
    listener: Callable[[Any], None] | None = None


@dataclass(slots=True)
class Walk:
    """What one walk through the loop has come to.

    Attributes:
        base: directory that the pipeline ran in: the project, or the worktree of a commit.
        new: whether anything was done that had not been done before.
        note: why the walk ended before its end, in words.
        returning: whether going back was what was asked for.
    """

    wishes: Wishes
    base: Path
    run: Run | None = None
    candidate: Candidate | None = None
    verdicts: tuple[Verdict, ...] = ()
    version: ModelVersion | None = None
    rollout: dict[str, Any] | None = None
    new: bool = False
    note: str = ""
    returning: bool = False

    @property
    def failed(self) -> bool:
        """Whether the pipeline itself did not get through."""
        return self.run is not None and self.run.outcome is not RunOutcome.SUCCEEDED

    @property
    def cancelled(self) -> bool:
        """Whether somebody stopped the run."""
        return self.run is not None and self.run.outcome is RunOutcome.CANCELLED

    @property
    def refused(self) -> bool:
        """Whether the answer is no: a gate stopped the candidate, or the rollout went back."""
        phase = (self.rollout or {}).get("phase")
        back = phase in (RolloutPhase.ROLLED_BACK, RolloutPhase.ABORTED)
        return (back and not self.returning) or any(one.stops for one in self.verdicts)

    @property
    def held_back(self) -> bool:
        """Whether a deployment was asked for, and there was nothing that may be deployed."""
        return self.wishes.deploy and self.version is None and not self.failed

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        ended = {"failed": self.failed, "refused": self.refused, "held-back": self.held_back}
        return {
            "outcome": next((name for name, so in ended.items() if so), "done"),
            "new": self.new,
            "note": self.note,
            "run": self.run.to_dict() if self.run else None,
            "candidate": self.candidate.to_dict() if self.candidate else None,
            "verdicts": [one.to_dict() for one in self.verdicts],
            "version": self.version.to_dict() if self.version else None,
            "rollout": self.rollout,
        }
