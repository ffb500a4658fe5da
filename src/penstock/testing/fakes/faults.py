"""A world in which everything that may fail does: for trying what survives it."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.errors import StateError, UnavailableError
from penstock.journal import Journal, Transaction
from penstock.testing.fakes.registrar import FakeRegistrar
from penstock.testing.fakes.target import Behaviour, FakeTarget


class Crash(BaseException):
    """The process that was running is no more; nothing may catch this but the world."""


@dataclass(slots=True)
class Faults:
    """How often what fails, and the dice.

    Attributes:
        random: the dice.
        crash: chance that the process dies at any call to the world, before or after it.
        lost: chance that a message, or its answer, is lost.
        stale: chance that a status is a late one.
        down: chance that the target, or one of its workers, dies at a look.
        doubled: chance that a message arrives twice, at once or much later.
        refused: chance that the target will not start before a person has changed something.
        hit_by: how often each of them has really happened, by its name.
    """

    random: random.Random
    crash: float = 0.0
    lost: float = 0.0
    stale: float = 0.0
    down: float = 0.0
    doubled: float = 0.0
    refused: float = 0.0
    hit_by: Counter[str] = field(default_factory=Counter)

    def hit(self, name: str) -> bool:
        """Throw the dice for one of the chances."""
        chance: float = getattr(self, name)
        happened = chance > 0 and self.random.random() < chance
        self.hit_by[name] += happened
        return happened

    def maybe_crash(self) -> None:
        """Die, or not.

        Raises:
            Crash: it died.
        """
        if self.hit("crash"):
            raise Crash

    def stop(self) -> None:
        """Let everything work from now on."""
        self.crash = self.lost = self.stale = self.down = self.doubled = self.refused = 0.0


class FaultyTarget(FakeTarget):
    """A target whose messages get lost, late or doubled, and which dies now and then."""

    def __init__(
        self, behaviours: dict[str, Behaviour], faults: Faults, *, rate: float, seed: int
    ) -> None:
        super().__init__(behaviours, rate=rate, seed=seed)
        self._faults = faults
        self._late: list[TargetStatus] = []
        self._sent: list[TrafficTable] = []

    def start(self) -> None:
        """Start, perhaps."""
        self._faults.maybe_crash()
        if self._faults.hit("lost"):
            raise UnavailableError("it did not come up", code="fake.lost")
        if not self.running and self._faults.hit("refused"):
            raise StateError("its port is taken", code="fake.refused")
        super().start()
        self._faults.maybe_crash()

    def apply(self, table: TrafficTable) -> None:
        """Take a table; the request or its answer may be lost."""
        self._faults.maybe_crash()
        if self._faults.hit("lost"):
            raise UnavailableError("the request was lost", code="fake.lost")
        super().apply(table)
        self._sent.append(table)
        if self._faults.hit("doubled"):
            super().apply(table)
        if self._faults.hit("lost"):
            raise UnavailableError("the answer was lost", code="fake.lost")
        self._faults.maybe_crash()

    def observe(self) -> TargetStatus:
        """Return what is true, or was true a while ago, or nothing."""
        if self._faults.hit("down"):
            self._die()
        if self._sent and self._faults.hit("doubled"):
            super().apply(self._faults.random.choice(self._sent))
        if self._faults.hit("lost"):
            return TargetStatus(running=False)
        status = super().observe()
        self._late = [*self._late[-4:], status]
        if self._faults.hit("stale"):
            return self._faults.random.choice(self._late)
        return status

    def _die(self) -> None:
        if self._faults.random.random() < 0.3:
            self.running = False
        elif self._up:
            self._up[self._faults.random.choice(sorted(self._up))] = self.elapsed


class FaultyRegistrar(FakeRegistrar):
    """A registrar that is away at times, or does its work and fails to say so."""

    def __init__(self, champion: str | None, faults: Faults) -> None:
        super().__init__(champion)
        self._faults = faults

    def promote(self, version: str, rollout_id: str, reason: str) -> None:
        """Point the alias, perhaps."""
        self._faults.maybe_crash()
        if self._faults.hit("lost"):
            raise UnavailableError("the registry is away", code="fake.lost")
        super().promote(version, rollout_id, reason)
        if self._faults.hit("doubled"):
            super().promote(version, rollout_id, reason)
        if self._faults.hit("lost"):
            raise UnavailableError("the registry's answer was lost", code="fake.lost")
        self._faults.maybe_crash()


class FaultyJournal(Journal):
    """A real journal whose process dies just before or just after a transaction is kept."""

    def __init__(
        self, path: Path, faults: Faults, *, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(path, clock=clock)
        self._faults = faults

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction that may be the process's last."""
        with super().transaction() as tx:
            yield tx
            self._faults.maybe_crash()
        self._faults.maybe_crash()
