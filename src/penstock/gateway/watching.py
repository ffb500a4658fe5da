"""Looks at the counts of violations: turns the breaker, if there is one, and writes them down."""

from __future__ import annotations

import time
from collections import Counter

from penstock.gateway.breaker import Breaker, Circuit, State
from penstock.gateway.options import GatewayOptions
from penstock.gateway.plane import Plane
from penstock.gateway.violations import Violations
from penstock.logs import ERROR, INFO, WARN, Log

EVERY = 60.0
"""Seconds between two accounts of what was counted."""
MOST = 20
"""Most lines of one account: the pairs of field and kind with the most values."""


class BreakerWatch:
    """Holds the breaker of a gateway against what was counted.

    Args:
        plane: whose requests it stops; untouched while the breaker is closed.
        options: with the breaker's settings.
        log: told of every change.
    """

    def __init__(self, plane: Plane, options: GatewayOptions, log: Log) -> None:
        self._plane = plane
        self._log = log
        self._gone: dict[str, int] = {}
        self.circuit = Circuit(
            Breaker(
                options.breaker_share,
                window=options.breaker_window,
                least=options.breaker_least,
                pause=options.breaker_pause,
            ),
            time.monotonic,
        )
        plane.breaker = self.circuit

    def look(self, now: float) -> None:
        """Take note of the counts; stop or admit requests from now on."""
        requests = sum(one.requests for one in self._plane.book.tallies() if one.role != "shadow")
        if not self.circuit.breaker.look(now, requests, self._violating()):
            return
        breaker = self.circuit.breaker
        self._plane.circuit = None if breaker.state is State.CLOSED else self.circuit
        share = f"{breaker.observed:.0%} of the last requests"
        words = {
            State.OPEN: f"the circuit breaker opened: {share} had values outside the limits"
            f" ({self._worst()}); requests get 503",
            State.HALF_OPEN: "the circuit breaker lets a few requests through",
            State.CLOSED: f"the circuit breaker closed: {share} had values outside the limits",
        }[breaker.state]
        opened = breaker.state is State.OPEN
        fields = {
            "event.kind": "alert" if opened else "event",
            "event.action": f"breaker-{breaker.state.value}",
            "penstock.model": self._plane.model(),
        }
        self._log.write(words, fields, level=ERROR if opened else INFO)

    def _violating(self) -> int:
        """Return requests with a violation, of all versions that ever were."""
        for version, group in self._plane.fleet.groups.items():
            self._gone[version] = max(self._gone.get(version, 0), group.violations.requests)
        return sum(self._gone.values())

    def _worst(self) -> str:
        counts: dict[tuple[str, str], int] = {}
        for group in self._plane.fleet.groups.values():
            for key, count in group.violations.counts.items():
                counts[key] = counts.get(key, 0) + count
        most = sorted(counts, key=lambda key: -counts[key])[:3]
        return ", ".join(f"{field} {kind}" for field, kind in most)


class Account:
    """Writes the counts of violations to the log now and then, one line per field and kind.

    Args:
        plane: whose requests are counted.
        log: gets the lines.
        now: monotonic time in seconds.
    """

    def __init__(self, plane: Plane, log: Log, now: float) -> None:
        self._plane = plane
        self._log = log
        self._last = now
        self._known: list[tuple[str, Violations, Counter[tuple[str, str]]]] = []

    def look(self, now: float) -> None:
        """Note who counts; write what came since the last account when that is long ago."""
        for version, group in self._plane.fleet.groups.items():
            if all(group.violations is not one for _, one, _ in self._known):
                self._known.append((version, group.violations, Counter()))
        if now - self._last >= EVERY:
            self._last = now
            self.tell()

    def tell(self) -> None:
        """Write what came since the last account, also of versions that are gone by now."""
        fresh: Counter[tuple[str, str, str]] = Counter()
        for version, violations, told in self._known:
            for (field, kind), count in (violations.counts - told).items():
                fresh[version, field, kind] += count
        for key, count in fresh.most_common(MOST):
            self._write(*key, count)
        self._known = [
            (version, group.violations, Counter(group.violations.counts))
            for version, group in self._plane.fleet.groups.items()
        ]

    def _write(self, version: str, field: str, kind: str, values: int) -> None:
        word = "value" if values == 1 else "values"
        self._log.write(
            f"{values:,} {word} of {field} unlike the training data: {kind}",
            {
                "event.action": "inputs-violated",
                "penstock.model": self._plane.model(),
                "penstock.version": version,
                "penstock.input.field": field,
                "penstock.input.kind": kind,
                "penstock.input.values": values,
            },
            level=WARN,
        )
