"""What a rollout needs of the world: a target that serves, a registrar, a clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.rollouts.state import RolloutState
from penstock.stats.twosample import Told


class Target(Protocol):
    """Something that serves model versions by a traffic table.

    All four methods may be called again after a crash at any place and then do what is still
    missing. They are called by one thread of one process at a time.
    """

    def start(self) -> None:
        """Make the target run and answer `observe`; nothing if it does.

        Raises:
            UnavailableError: it cannot be started now; the rollout waits and tries again.
            StateError: it will not start before a person has changed something.
        """

    def apply(self, table: TrafficTable) -> None:
        """Record the wanted table durably, and return; `observe` tells when it is in force.

        A table of an older generation than the target's is refused silently or with a
        `StateError`; one of the same generation is accepted and changes nothing.

        Raises:
            UnavailableError: the target does not answer; the rollout tries again.
        """

    def observe(self) -> TargetStatus:
        """Return what is true now; ``running=False`` when nothing answers, never an error."""

    def stop(self) -> None:
        """End serving; nothing if nothing runs."""


class Registrar(Protocol):
    """Makes a version the champion in the registry and in Git. Called again after a crash."""

    def promote(self, version: str, rollout_id: str, reason: str) -> None:
        """Point the alias `champion` to a version and tag the release; idempotent.

        Args:
            version: as in `Bundle.version`.
            rollout_id: key of this change; the same key never makes a second tag.
            reason: in words, for the tag's message.

        Raises:
            UnavailableError: the registry cannot be reached; the rollout tries again.
        """


class Truth(Protocol):
    """Knows what becomes known later of requests: labels, business metrics."""

    def fresh(self, state: RolloutState, now: float) -> tuple[float, Mapping[str, Told]]:
        """Return what became known since `state.told`, each thing once.

        Args:
            state: of the rollout that asks.
            now: seconds since the epoch.

        Returns:
            The next `state.told`, and the sums per rule. It is asked with the same `state.told`
            again when the process dies before the answer is written down.
        """


class Clock(Protocol):
    """Time, and waiting for it."""

    def time(self) -> float:
        """Return seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait."""
