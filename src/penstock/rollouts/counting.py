"""From counters that only rise to what happened between two looks.

Counters are cumulative, so a status may be lost, repeated or late without harm: the next one makes
up for it. A counting process that was restarted says so by a new epoch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from penstock.domain.traffic import LATENCY_BOUNDS, Counters

_BUCKETS = len(LATENCY_BOUNDS) + 1
_EPOCHS = 50


@dataclass(slots=True)
class Tally:
    """What was counted of one version between two looks, over all its roles.

    Attributes:
        requests, errors: as in `Counters`.
        real, real_errors: the same of requests whose answers reached a client.
        latency: requests per bucket of `LATENCY_BOUNDS`, copies not counted.
        copies: the same of copies.
        predictions: requests per bin of the prediction.
        compared, differed: pairs of answers to the same request; those unequal.
        means: sums of bounded metrics: name -> (count, sum).
    """

    requests: int = 0
    errors: int = 0
    real: int = 0
    real_errors: int = 0
    latency: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    copies: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    predictions: dict[str, int] = field(default_factory=dict)
    compared: int = 0
    differed: int = 0
    means: dict[str, tuple[int, float]] = field(default_factory=dict)

    def add(self, new: Counters, old: Counters | None) -> None:
        """Add the difference of two cumulative counters; `old` is None for "from zero"."""
        requests = new.requests - (old.requests if old else 0)
        errors = new.errors - (old.errors if old else 0)
        self.requests += requests
        copy = new.role == "shadow"
        self.real += 0 if copy else requests
        self.real_errors += 0 if copy else errors
        buckets = self.copies if copy else self.latency
        self.errors += errors
        self.compared += new.compared - (old.compared if old else 0)
        self.differed += new.differed - (old.differed if old else 0)
        for index, count in enumerate(new.latency):
            buckets[index] += count - (old.latency[index] if old else 0)
        for label, count in new.predictions.items():
            more = count - (old.predictions.get(label, 0) if old else 0)
            self.predictions[label] = self.predictions.get(label, 0) + max(more, 0)
        for name, (count, total) in new.means.items():
            count_0, total_0 = old.means.get(name, (0, 0.0)) if old else (0, 0.0)
            had, summed = self.means.get(name, (0, 0.0))
            self.means[name] = (had + count - count_0, summed + total - total_0)


class Counting:
    """Remembers the last counters of each version and role, and returns what is new.

    Args:
        item: what `to_dict` wrote, None for a beginning.
    """

    def __init__(self, item: dict[str, Any] | None = None) -> None:
        item = item or {}
        self._seen = {key: Counters.from_dict(one) for key, one in item.get("seen", {}).items()}
        self._epochs: list[str] = list(item.get("epochs", ()))
        self._begun: bool = bool(item.get("begun", False))
        self.restarted = False
        """Whether the last call saw a counting process that was not there before."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        seen = {key: one.to_dict() for key, one in self._seen.items()}
        return {"seen": seen, "epochs": self._epochs, "begun": self._begun}

    def take(self, counters: Iterable[Counters]) -> dict[str, Tally]:
        """Return what is new since the last call, by version.

        The first call only takes the level. Counters of an epoch that has passed, and counters
        lower than those already seen in the same epoch, are late messages: they are ignored.
        """
        fresh: dict[str, Tally] = {}
        for new in counters:
            key = f"{new.version}|{new.role}"
            old = self._seen.get(key)
            if old is not None and not _follows(new, old, self._epochs):
                continue
            self._seen[key] = new
            if not self._begun:
                continue
            same = old if old is not None and old.epoch == new.epoch else None
            fresh.setdefault(new.version, Tally()).add(new, same)
        new_ones = {one.epoch for one in self._seen.values()} - set(self._epochs)
        self.restarted = bool(new_ones)
        self._epochs = [*self._epochs, *sorted(new_ones)][-_EPOCHS:]
        self._begun = True
        return fresh


def _follows(new: Counters, old: Counters, epochs: list[str]) -> bool:
    if new.epoch != old.epoch:
        return new.epoch not in epochs or epochs.index(new.epoch) > epochs.index(old.epoch)
    return new.requests >= old.requests and new.errors >= old.errors
