"""Ctrl-C and SIGTERM, turned into an orderly end."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

PATIENCE_SECONDS = 5.0
"""Time that is given to what runs, before it is ended by force."""


@contextlib.contextmanager
def caught(stop: Callable[[bool], None]) -> Iterator[None]:
    """Call `stop` instead of raising when a person, or the system, wants an end.

    Args:
        stop: called with True for the first signal, and with False for a second one or when
            patience is over (then from another thread). It must not block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    timers: list[threading.Timer] = []

    def interrupt(_number: int, _frame: object) -> None:
        stop(not timers)
        if not timers:
            timers.append(threading.Timer(PATIENCE_SECONDS, stop, (False,)))
            timers[0].daemon = True
            timers[0].start()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for timer in timers:
            timer.cancel()
