"""One rollout as a value: where it stands, what was asked of it, what is to be done next."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from penstock.domain.event import EventType
from penstock.domain.rollout import Look, RolloutPhase, Strategy, known
from penstock.domain.traffic import TrafficTable
from penstock.domain.verdict import Evidence, Verdict
from penstock.domain.version import Bundle

FORMAT = 2
"""Of the record. A release reads older ones, and newer ones as far as it knows their entries."""


class CommandKind(enum.StrEnum):
    """What a person may ask of a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    PROMOTE = "promote"
    ABORT = "abort"
    ROLLBACK = "rollback"
    """Abort in all but name: the challenger was found bad by somebody or something else."""


@dataclass(frozen=True, slots=True)
class Command:
    """A wish, with the reason that will stand in the journal."""

    kind: CommandKind
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StartTarget:
    """Make the target run."""


@dataclass(frozen=True, slots=True)
class ApplyTable:
    """Make a table the wanted one."""

    table: TrafficTable


@dataclass(frozen=True, slots=True)
class Promote:
    """Point alias and release tag at a version.

    Attributes:
        version: the champion to be.
        key: of this change, for idempotence.
        reason: in words.
    """

    version: str
    key: str
    reason: str


@dataclass(frozen=True, slots=True)
class Record:
    """Append an event, in the transaction that writes the state."""

    type: EventType
    data: dict[str, Any] = field(default_factory=dict)
    subject: str = ""
    """Empty for the rollout itself."""


Effect = StartTarget | ApplyTable | Promote | Record


@dataclass(frozen=True, slots=True)
class RolloutState:
    """Where one rollout stands; everything that is needed to carry on after a crash.

    Attributes:
        id: of the rollout.
        model: name of the model.
        replicas: worker processes per version.
        operation: ``rollout``, or ``rollback`` for a return to an earlier version.
        strategy: as declared.
        champion: holds the traffic when the rollout starts, None before the first deployment.
        challenger: wants it.
        phase: see `RolloutPhase`.
        step: index into the strategy's steps, -1 before the first.
        weight: percent of real traffic for the challenger that the present table gives.
        generation: of the wanted table.
        shadow, closing: whether the wanted table mirrors; is the last one after probation.
        sent: whether the target may have got a table of this rollout.
        started, updated: seconds since the epoch, of the start and of the last look.
        watched: seconds under observation; downtime and jumps of the clock do not count.
        held: the same, in the present step or phase since its table is in force.
        real: the same, with real traffic for the challenger.
        warm: seconds since the challenger first answered, or answered again after a restart.
        step_requests: of the challenger in the present step.
        requests, errors: of the challenger since the start.
        control_requests: of the champion since the start.
        compared, differed: copies whose answer was compared with the champion's; those unequal.
        told: up to when labels and metrics that came in later are counted, in seconds since the
            epoch.
        touched: whether alias and tag may have been moved to the challenger.
        said: whether it has been said that the present step is held for want of evidence.
        pending: the phase that ``ROLLING_BACK`` to the champion ends in, "" outside of it.
        reason: why it went where it is, in words.
        words: what it is doing or waiting for, in words.
        needs: how many more requests of the challenger it waits for, None when for none.
        verdicts: of the last look.
        analysis: sums of the analysis, plain values.
        looks: timeline.
        trouble: what could not be done at the last step and is tried again, "" when all is well.
        cause: id of the event that caused the rollout.
        event: id of its last event.
    """

    id: str
    model: str
    strategy: Strategy
    champion: Bundle | None
    challenger: Bundle
    replicas: int = 1
    operation: str = "rollout"
    phase: RolloutPhase = RolloutPhase.STARTING
    step: int = -1
    weight: float = 0.0
    shadow: bool = False
    closing: bool = False
    generation: int = 0
    sent: bool = False
    started: float = 0.0
    updated: float = 0.0
    watched: float = 0.0
    held: float = 0.0
    real: float = 0.0
    warm: float = 0.0
    step_requests: int = 0
    requests: int = 0
    errors: int = 0
    control_requests: int = 0
    compared: int = 0
    differed: int = 0
    told: float = 0.0
    touched: bool = False
    said: bool = False
    pending: str = ""
    reason: str = ""
    words: str = ""
    needs: int | None = None
    verdicts: tuple[Verdict, ...] = ()
    analysis: dict[str, Any] = field(default_factory=dict)
    looks: tuple[Look, ...] = ()
    trouble: str = ""
    cause: int | None = None
    event: int | None = None

    @property
    def is_rollback(self) -> bool:
        """Whether this is a return to an earlier version, asked for by a person."""
        return self.operation == "rollback"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["format"] = FORMAT
        item["strategy"] = self.strategy.to_dict()
        item["champion"] = self.champion.to_dict() if self.champion else None
        item["challenger"] = self.challenger.to_dict()
        item["phase"] = self.phase.value
        item["verdicts"] = [one.to_dict() for one in self.verdicts]
        item["looks"] = [{name: getattr(one, name) for name in one.__slots__} for one in self.looks]
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> RolloutState:
        """Read what `to_dict` wrote, also another release's.

        What that release did not write is as at the beginning of a rollout, and what only it knows
        is left out.
        """
        champion = item.get("champion")
        return cls(
            **{
                **known(cls, item),
                "strategy": Strategy.from_dict(item["strategy"]),
                "champion": Bundle.from_dict(known(Bundle, champion)) if champion else None,
                "challenger": Bundle.from_dict(known(Bundle, item["challenger"])),
                "phase": RolloutPhase(item["phase"]),
                "verdicts": tuple(_verdict(one) for one in item.get("verdicts", ())),
                "looks": tuple(Look(**known(Look, one)) for one in item.get("looks", ())),
            }
        )


def _verdict(item: dict[str, Any]) -> Verdict:
    evidence = [known(Evidence, one) for one in item.get("evidence", ())]
    return Verdict.from_dict({**known(Verdict, item), "evidence": evidence})
