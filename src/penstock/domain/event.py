"""Events: each arrow of the loop is one type, appended to the journal with its cause."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


class EventType(enum.StrEnum):
    """Everything that can happen, in the order of the loop. As CloudEvents: `dev.penstock.X.v1`."""

    TRIGGER_FIRED = "trigger.fired"
    RUN_STARTED = "run.started"
    STAGE_FINISHED = "stage.finished"
    RUN_FINISHED = "run.finished"
    CANDIDATE_MADE = "candidate.made"
    GATE_JUDGED = "gate.judged"
    CANDIDATE_PASSED = "candidate.passed"
    CANDIDATE_REFUSED = "candidate.refused"
    VERSION_REGISTERED = "version.registered"
    ROLLOUT_STARTED = "rollout.started"
    ROLLOUT_STEPPED = "rollout.stepped"
    ROLLOUT_HELD = "rollout.held"
    ROLLOUT_PROMOTED = "rollout.promoted"
    ROLLOUT_ROLLED_BACK = "rollout.rolledback"
    ROLLOUT_ABORTED = "rollout.aborted"
    CHAMPION_CHANGED = "champion.changed"
    MONITOR_JUDGED = "monitor.judged"
    DRIFT_DETECTED = "drift.detected"
    QUALITY_DECLINED = "quality.declined"
    ALERT_RAISED = "alert.raised"
    ALERT_RESOLVED = "alert.resolved"
    RETRAINING_REQUESTED = "retraining.requested"
    RETRAINING_DECLINED = "retraining.declined"
    RETRAINING_STARTED = "retraining.started"
    RETRAINING_FINISHED = "retraining.finished"
    TESTSET_USED = "testset.used"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        type: which arrow of the loop.
        subject: what it happened to: a run id, ``model/3``, a rollout id.
        data: plain values.
        cause: id of the event that caused it, None for the first of a chain.
        id: given by the journal, rising.
        time: seconds since the epoch, given by the journal when 0.
        actor: who did it: a user name, ``penstock`` for what nobody asked for by hand.
    """

    type: EventType
    subject: str
    data: dict[str, Any] = field(default_factory=dict)
    cause: int | None = None
    id: int = 0
    time: float = 0.0
    actor: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["type"] = self.type.value
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Event:
        """Read what `to_dict` wrote."""
        return cls(**{**item, "type": EventType(item["type"])})
