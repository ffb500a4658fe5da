"""Triggers: what asks for a retraining, what came of earlier ones, and what is decided."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


class TriggerKind(enum.StrEnum):
    """Who asks for a retraining."""

    COMMIT = "commit"
    """The code changed."""
    DATA = "data"
    """The data changed, by content."""
    SCHEDULE = "schedule"
    """It is time."""
    DRIFT = "drift"
    """Live data is no longer like the training data."""
    QUALITY = "quality"
    """The model got worse on labelled traffic."""
    WEBHOOK = "webhook"
    """Another system asked: Alertmanager, MLflow, a Git server."""
    PERSON = "person"
    """Somebody asked by hand."""


@dataclass(frozen=True, slots=True)
class Request:
    """One wish for a retraining.

    Attributes:
        key: what makes two requests the same one: ``data:<digest>``, ``commit:<id>``,
            ``alert:<fingerprint>@<startsAt>``. A key is answered at most once.
        kind: who asks.
        reason: why, in words, for people.
        time: when it was asked, seconds since the epoch.
        rows: new labelled rows that are known of, None where they cannot be counted.
        event: id of the journal's event that it came from, None for none.
        data: whatever else is known: a commit, a digest, ``since`` (when the world changed).
    """

    key: str
    kind: TriggerKind
    reason: str
    time: float
    rows: int | None = None
    event: int | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["kind"] = self.kind.value
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Request:
        """Read what `to_dict` wrote."""
        known = {name: item[name] for name in cls.__slots__ if name in item}
        return cls(**{**known, "kind": TriggerKind(item["kind"])})


@dataclass(frozen=True, slots=True)
class Past:
    """One retraining, as the policy sees it.

    Attributes:
        id: of the retraining.
        keys: of the requests that it answers.
        started, finished: seconds since the epoch; `finished` is None while it is under way.
        asked: whether a person asked for it.
        gained: whether it brought anything: True, False, or None when that is not known (yet).
    """

    id: str
    keys: tuple[str, ...]
    started: float
    finished: float | None = None
    asked: bool = False
    gained: bool | None = None


class Choice(enum.StrEnum):
    """What is decided about the requests at hand."""

    START = "start"
    WAIT = "wait"
    DECLINE = "decline"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now, and why.

    Attributes:
        choice: start one retraining for all `keys`, wait, or decline `keys` for good.
        reason: in words.
        keys: of the requests that it is about.
        due: when to look again, seconds since the epoch; None: when something else happens.
    """

    choice: Choice
    reason: str
    keys: tuple[str, ...] = ()
    due: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "choice": self.choice.value,
            "reason": self.reason,
            "keys": list(self.keys),
            "due": self.due,
        }
