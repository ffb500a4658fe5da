"""A clock that stands still until it is told."""

from __future__ import annotations

from collections.abc import Callable


class FakeClock:
    """Time that passes only by `sleep` and `advance`.

    Args:
        now: seconds since the epoch to begin with.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now
        self._watchers: list[Callable[[float], None]] = []

    def time(self) -> float:
        """Return the present time in seconds since the epoch."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass, and everybody who watches know."""
        self.now += seconds
        for watcher in self._watchers:
            watcher(seconds)

    def jump(self, seconds: float) -> None:
        """Set the clock forward or back without time passing: nobody is told."""
        self.now += seconds

    def watch(self, watcher: Callable[[float], None]) -> None:
        """Call a function with the seconds of every `sleep`."""
        self._watchers.append(watcher)
