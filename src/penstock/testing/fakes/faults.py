"""A world in which everything that may fail does: for trying what survives it."""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.errors import UnavailableError
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
    """

    random: random.Random
    crash: float = 0.0
    lost: float = 0.0
    stale: float = 0.0
    down: float = 0.0

    def hit(self, chance: float) -> bool:
        """Throw the dice."""
        return chance > 0 and self.random.random() < chance

    def maybe_crash(self) -> None:
        """Die, or not.

        Raises:
            Crash: it died.
        """
        if self.hit(self.crash):
            raise Crash

    def stop(self) -> None:
        """Let everything work from now on."""
        self.crash = self.lost = self.stale = self.down = 0.0


class FaultyTarget(FakeTarget):
    """A target whose messages get lost or late, and which dies now and then."""

    def __init__(
        self, behaviours: dict[str, Behaviour], faults: Faults, *, rate: float, seed: int
    ) -> None:
        super().__init__(behaviours, rate=rate, seed=seed)
        self._faults = faults
        self._late: list[TargetStatus] = []

    def start(self) -> None:
        """Start, perhaps."""
        self._faults.maybe_crash()
        if self._faults.hit(self._faults.lost):
            raise UnavailableError("it did not come up", code="fake.lost")
        super().start()
        self._faults.maybe_crash()

    def apply(self, table: TrafficTable) -> None:
        """Take a table; the request or its answer may be lost."""
        self._faults.maybe_crash()
        if self._faults.hit(self._faults.lost):
            raise UnavailableError("the request was lost", code="fake.lost")
        super().apply(table)
        if self._faults.hit(self._faults.lost):
            raise UnavailableError("the answer was lost", code="fake.lost")
        self._faults.maybe_crash()

    def observe(self) -> TargetStatus:
        """Return what is true, or was true a while ago, or nothing."""
        if self._faults.hit(self._faults.down):
            self._die()
        if self._faults.hit(self._faults.lost):
            return TargetStatus(running=False)
        status = super().observe()
        self._late = [*self._late[-4:], status]
        if self._faults.hit(self._faults.stale):
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
        if self._faults.hit(self._faults.lost):
            raise UnavailableError("the registry is away", code="fake.lost")
        super().promote(version, rollout_id, reason)
        if self._faults.hit(self._faults.lost):
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
