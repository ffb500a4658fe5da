"""The local target: a gateway process on this machine.

It is handed a client of the gateway and a function that starts one, because stations do not import
each other; the loop knows both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.errors import UnavailableError


class Client(Protocol):
    """What a local target needs of a gateway's control socket."""

    def status(self) -> TargetStatus:
        """Return what the gateway reports of itself."""

    def apply(self, table: TrafficTable) -> None:
        """Hand over the wanted table; returns once it is recorded durably."""

    def stop(self) -> None:
        """End the gateway."""


class LocalTarget:
    """Serves through a gateway process of this machine.

    Args:
        client: speaks to the gateway's control socket.
        starter: starts a gateway that is not running, and returns when it answers; called again
            after a crash of the gateway.
    """

    def __init__(self, client: Client, starter: Callable[[], object]) -> None:
        self._client = client
        self._starter = starter

    def start(self) -> None:
        """Start the gateway unless it answers."""
        if not self.observe().running:
            self._starter()

    def apply(self, table: TrafficTable) -> None:
        """Hand over a table."""
        try:
            self._client.apply(table)
        except OSError as error:
            raise UnavailableError(
                f"the gateway does not take the new split: {error}", code="gateway.unavailable"
            ) from error

    def observe(self) -> TargetStatus:
        """Return what the gateway reports; ``running=False`` when it does not answer."""
        try:
            return self._client.status()
        except (UnavailableError, OSError):
            return TargetStatus(running=False)

    def stop(self) -> None:
        """End the gateway."""
        self._client.stop()
