"""The circuit breaker: a model that is asked about what it never learnt does not answer at all.

When the share of requests that violate the limits passes a bound, something upstream is broken
(a unit, a join, a sensor), and no single request can tell. The breaker *opens*: requests get 503
with `Retry-After`, so that callers take their own way out. After a pause it lets a few requests
through (*half-open*); when these are clean, it closes.

While it is closed it costs a request nothing: it looks at counts ten times a second.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from enum import StrEnum

from penstock.gateway.exchange import Exchange
from penstock.gateway.refusals import refuse

PROBES = 10
"""Requests that are let through when it is half-open."""


class State(StrEnum):
    """Whether requests pass."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Decides from counts alone; all times are monotonic seconds.

    Args:
        share: of violating requests, 0 to 1, above which it opens.
        window: seconds over which the share is taken.
        least: requests in the window below which no share is taken.
        pause: seconds for which it stays open.

    Example:
        >>> breaker = Breaker(0.5, window=60.0, least=10, pause=30.0)
        >>> breaker.look(0.0, 0, 0), breaker.look(1.0, 10, 9), breaker.state.value
        (False, True, 'open')
        >>> breaker.look(31.0, 10, 9), breaker.admits(), breaker.state.value
        (True, True, 'half-open')
        >>> breaker.look(32.0, 20, 9), breaker.state.value
        (True, 'closed')
    """

    def __init__(self, share: float, *, window: float, least: int, pause: float) -> None:
        self.state = State.CLOSED
        self.opened = 0
        self.observed = 0.0
        self._share = share
        self._window = window
        self._least = least
        self._pause = pause
        self._seen: deque[tuple[float, int, int]] = deque()
        self._since = 0.0
        self._tokens = 0

    def look(self, now: float, requests: int, violating: int) -> bool:
        """Take note of counts, which only rise; return whether the state has changed.

        Args:
            now: monotonic time.
            requests: answered so far.
            violating: those of them that violated a limit.
        """
        before = self.state
        if before is State.OPEN:
            if now - self._since >= self._pause:
                self._half_open(now, requests, violating)
            return self.state is not before
        seen = self._seen
        if not seen or (requests, violating) != seen[-1][1:]:
            seen.append((now, requests, violating))
        # One sample before the window stays: the counts at its beginning.
        while before is State.CLOSED and len(seen) > 1 and seen[1][0] <= now - self._window:
            seen.popleft()
        asked = requests - seen[0][1]
        wrong = max(violating - seen[0][2], 0)
        if before is State.CLOSED:
            if asked >= self._least and wrong > self._share * asked:
                self.observed = wrong / asked
                self._open(now)
        elif asked >= PROBES:
            self.observed = wrong / asked
            if wrong > self._share * asked:
                self._open(now)
            else:
                self.state = State.CLOSED
                self._start(now, requests, violating)
        elif not self._tokens and now - self._since >= self._pause:
            self._half_open(now, requests, violating)  # the probes were never answered
        return self.state is not before

    def admits(self) -> bool:
        """Return whether a request may pass now; asked only while it is not closed."""
        if self.state is State.CLOSED:
            return True
        if self._tokens <= 0:
            return False
        self._tokens -= 1
        return True

    def wait(self, now: float) -> int:
        """Return whole seconds after which a caller may try again."""
        return max(1, math.ceil(self._since + self._pause - now))

    def _open(self, now: float) -> None:
        self.state = State.OPEN
        self.opened += 1
        self._since = now
        self._tokens = 0

    def _half_open(self, now: float, requests: int, violating: int) -> None:
        self.state = State.HALF_OPEN
        self._since = now
        self._tokens = PROBES
        self._start(now, requests, violating)

    def _start(self, now: float, requests: int, violating: int) -> None:
        self._seen = deque([(now, requests, violating)])


class Circuit:
    """A breaker in the way of requests.

    Args:
        breaker: that decides.
        clock: monotonic time.

    Attributes:
        refused: requests that were not let through.
    """

    def __init__(self, breaker: Breaker, clock: Callable[[], float]) -> None:
        self.breaker = breaker
        self.refused = 0
        self._clock = clock

    def stops(self, exchange: Exchange) -> bool:
        """Answer a request with 503, unless it may pass."""
        if self.breaker.admits():
            return False
        self.refused += 1
        exchange.retry_after = self.breaker.wait(self._clock())
        share = self.breaker.observed
        message = (
            f"{share:.0%} of the last requests had values that the model was not trained on, so"
            " it does not answer for now"
        )
        refuse(exchange, 503, "TEMPORARILY_UNAVAILABLE", message)
        return True
