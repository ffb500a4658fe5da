"""A target whose traffic is drawn from stated rates, seeded."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from penstock.domain.traffic import LATENCY_BOUNDS, Counters, TargetStatus, TrafficTable


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a version answers.

    Attributes:
        error_rate: share of requests that fail.
        latency: median in seconds of a log-normal distribution.
        spread: standard deviation of the log of the latency.
        slow_share, slow_factor: share of requests that take this many times longer.
        classes: probability of each predicted class, in order.
        means: metric -> probability of a 1 (a conversion).
        starts: None for a version that starts, else why it cannot.
        start_seconds: time until it is ready.
    """

    error_rate: float = 0.0
    latency: float = 0.002
    spread: float = 0.4
    slow_share: float = 0.0
    slow_factor: float = 1.0
    classes: tuple[float, ...] = (0.8, 0.2)
    means: dict[str, float] = field(default_factory=dict)
    starts: str | None = None
    start_seconds: float = 0.5


class FakeTarget:
    """Keeps the contract of a target: durable table, generations, counters that only rise.

    Args:
        behaviours: version -> how it answers; a default for those not named.
        rate: requests per second.
        seed: of the random numbers.
        drift: multiplies the error rate of *every* version by this function of the time passed.
    """

    def __init__(
        self,
        behaviours: dict[str, Behaviour] | None = None,
        *,
        rate: float = 200.0,
        seed: int = 0,
        drift: Callable[[float], float] | None = None,
    ) -> None:
        self.behaviours = behaviours or {}
        self.rate = rate
        self.random = np.random.default_rng(seed)
        self.table = TrafficTable(generation=-1)
        self.running = False
        self.elapsed = 0.0
        self.history: list[TrafficTable] = []
        self._drift = drift or (lambda _elapsed: 1.0)
        self._epoch = 0
        self._up: dict[str, float] = {}
        self._counters: dict[tuple[str, str], Counters] = {}
        self._owed: dict[tuple[str, str], float] = {}

    def start(self) -> None:
        """Start a new process: the table is found again, counters begin anew."""
        if not self.running:
            self.running = True
            self._epoch += 1
            self._counters = {}
            self._up = {bundle.version: self.elapsed for bundle in self.table.bundles}

    def apply(self, table: TrafficTable) -> None:
        """Take a table unless it is older than the present one."""
        if not self.running or table.generation <= self.table.generation:
            return
        self.table = table
        self.history.append(table)
        self._up = {
            bundle.version: self._up.get(bundle.version, self.elapsed) for bundle in table.bundles
        }

    def observe(self) -> TargetStatus:
        """Return what is true now."""
        if not self.running:
            return TargetStatus(running=False)
        reasons = {version: self.behaviour(version).starts for version in self._up}
        return TargetStatus(
            running=True,
            generation=self.table.generation,
            ready=frozenset(version for version in self._up if self.ready(version)),
            failed={version: why for version, why in reasons.items() if why is not None},
            counters=tuple(self._counters.values()),
            url="http://fake",
        )

    def stop(self) -> None:
        """End; the table stays on disk, so to speak."""
        self.running = False

    def behaviour(self, version: str) -> Behaviour:
        """Return how a version answers."""
        return self.behaviours.get(version, Behaviour())

    def ready(self, version: str) -> bool:
        """Return whether a version answers now."""
        own = self.behaviour(version)
        begun = self._up.get(version)
        if begun is None or own.starts is not None:
            return False
        return self.elapsed - begun >= own.start_seconds - 1e-9

    def pass_time(self, seconds: float) -> None:
        """Serve requests for a time."""
        self.elapsed += seconds
        table = self.table
        if not self.running or table.champion is None:
            return
        amount = self.rate * seconds
        weight = table.weight / 100.0
        if table.challenger is not None and weight > 0:
            self._serve(table.challenger, "challenger", amount * weight)
        self._serve(table.champion, "champion", amount * (1.0 - weight))
        if table.challenger is not None and table.shadow:
            self._serve(table.challenger, "shadow", amount * table.shadow_percent / 100.0)

    def _serve(self, version: str, role: str, amount: float) -> None:
        if not self.ready(version):
            return
        key = (version, role)
        self._owed[key] = self._owed.get(key, 0.0) + amount
        count = int(self._owed[key])
        self._owed[key] -= count
        if count == 0:
            return
        old = self._counters.get(key, Counters(version, role, epoch=f"e{self._epoch}"))
        own = self.behaviour(version)
        latency = self.random.multinomial(count, buckets(own))
        classes = dict(old.predictions)
        for label, seen in enumerate(self.random.multinomial(count, own.classes)):
            classes[str(label)] = classes.get(str(label), 0) + int(seen)
        means = dict(old.means)
        for name, chance in own.means.items():
            n, total = means.get(name, (0, 0.0))
            means[name] = (n + count, total + float(self.random.binomial(count, chance)))
        chance = min(own.error_rate * self._drift(self.elapsed), 1.0)
        self._counters[key] = replace(
            old,
            requests=old.requests + count,
            errors=old.errors + int(self.random.binomial(count, chance)),
            latency=tuple(int(a + b) for a, b in zip(old.latency, latency, strict=True)),
            predictions=classes,
            means=means,
        )


@functools.lru_cache(maxsize=256)
def _buckets(latency: float, spread: float, share: float, factor: float) -> tuple[float, ...]:
    def below(bound: float, median: float) -> float:
        return 0.5 * math.erfc(-math.log(bound / median) / (spread * math.sqrt(2.0)))

    levels = [
        (1.0 - share) * below(bound, latency) + share * below(bound, latency * factor)
        for bound in LATENCY_BOUNDS
    ]
    edges = [0.0, *levels, 1.0]
    return tuple(high - low for low, high in itertools.pairwise(edges))


def buckets(behaviour: Behaviour) -> tuple[float, ...]:
    """Return the probability of each latency bucket."""
    return _buckets(
        behaviour.latency, behaviour.spread, behaviour.slow_share, behaviour.slow_factor
    )
