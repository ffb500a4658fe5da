"""Counting, per version and role; the numbers that an analysis and `/metrics` are made from."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter

from penstock.domain.traffic import LATENCY_BOUNDS, Counters

_LAST = len(LATENCY_BOUNDS)
MAX_LABELS = 200
"""Most labels of predictions kept apart; the rest is counted as ``other``."""


def bucket(seconds: float) -> int:
    """Return the index of the latency bucket that `seconds` falls into.

    Example:
        >>> bucket(0.0001), bucket(0.00011), bucket(1.0), bucket(1000.0)
        (0, 1, 40, 61)
    """
    return bisect_left(LATENCY_BOUNDS, seconds)


class Tally:
    """What was counted of one version in one role.

    Attributes:
        requests, errors: as in `Counters`.
        refused: requests that the model was not to blame for (status 400 to 499).
        codes: requests by HTTP status.
        seconds: sum of latencies.
    """

    __slots__ = (
        "codes", "compared", "differed", "errors", "labels", "latency", "means", "refused",
        "requests", "role", "seconds", "version",
    )  # fmt: skip

    def __init__(self, version: str, role: str) -> None:
        self.version = version
        self.role = role
        self.requests = 0
        self.errors = 0
        self.refused = 0
        self.compared = 0
        self.differed = 0
        self.seconds = 0.0
        self.codes: Counter[int] = Counter()
        self.latency = [0] * (_LAST + 1)
        self.labels: dict[bytes, int] = {}
        self.means: dict[str, list[float]] = {}

    def add(self, status: int, seconds: float, label: bytes) -> None:
        """Count one answered request."""
        self.requests += 1
        self.codes[status] += 1
        self.latency[bucket(seconds)] += 1
        self.seconds += seconds
        if status >= 500:
            self.errors += 1
        elif status >= 400:
            self.refused += 1
        if label:
            labels = self.labels
            if label not in labels and len(labels) >= MAX_LABELS:
                label = b"other"
            labels[label] = labels.get(label, 0) + 1

    def counters(self, epoch: str) -> Counters:
        """Return the tally as the noun that others read."""
        return Counters(
            version=self.version,
            role=self.role,
            epoch=epoch,
            requests=self.requests,
            errors=self.errors,
            latency=tuple(self.latency),
            predictions={key.decode("utf-8", "replace"): n for key, n in self.labels.items()},
            compared=self.compared,
            differed=self.differed,
            means={name: (int(pair[0]), pair[1]) for name, pair in self.means.items()},
        )


class Book:
    """All tallies of one gateway process.

    Attributes:
        epoch: names this process's life; another one starts at zero.
    """

    def __init__(self, epoch: str) -> None:
        self.epoch = epoch
        self._tallies: dict[tuple[str, str], Tally] = {}

    def tally(self, version: str, role: str) -> Tally:
        """Return the tally of a version in a role, made on first use."""
        key = (version, role)
        found = self._tallies.get(key)
        if found is None:
            found = self._tallies[key] = Tally(version, role)
        return found

    def tallies(self) -> list[Tally]:
        """Return all tallies."""
        return list(self._tallies.values())

    def counters(self) -> tuple[Counters, ...]:
        """Return all tallies as nouns."""
        return tuple(one.counters(self.epoch) for one in self._tallies.values())
