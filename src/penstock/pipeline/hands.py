"""Threads that do what they are given, as many as it takes; one that has ended goes on."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

Work = Callable[[], None]


class Hands:
    """Starts threads when all are busy. To be used by one thread.

    To start a thread takes a while, in which both the old one and the new one wait. A pool of the
    standard library would do, but takes longer to import than a run with nothing to do may last.
    """

    def __init__(self) -> None:
        self._given: SimpleQueue[Work | None] = SimpleQueue()
        self._free = threading.Semaphore(0)
        self._count = 0

    def do(self, work: Work) -> None:
        """Have a piece of work done soon; it must not raise."""
        if not self._free.acquire(blocking=False):
            self._count += 1
            threading.Thread(target=self._go, daemon=True).start()
        self._given.put(work)

    def close(self) -> None:
        """Let the threads end, once they have done what they were given."""
        for _ in range(self._count):
            self._given.put(None)
        self._count = 0

    def _go(self) -> None:
        while (work := self._given.get()) is not None:
            work()
            self._free.release()
