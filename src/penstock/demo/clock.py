"""A clock that may jump, for all processes of a demo that replays months in minutes.

The time is the machine's plus an offset that stands in a file of eight bytes. Python processes
that are started with `environment` read it from there: what they take from ``time.time()``, and
how long ``time.sleep()`` takes, goes by that clock. Everything else (monotonic clocks, files'
times, other programs) stays as it is, and no part of penstock knows of it.

Between two jumps the clock goes as fast as any, so whatever takes a second takes a second.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from pathlib import Path
from typing import SupportsIndex

VARIABLE = "PENSTOCK_SIMULATED_CLOCK"
_OFFSET = struct.Struct("=d")
_SLICE = 0.02
_HOOK = f'''\
"""Lets a process go by the clock of the demo that started it."""

import os

if os.environ.get("{VARIABLE}"):
    try:
        from penstock.demo.clock import install
    except ImportError:  # the environment of a model need not have penstock
        pass
    else:
        install()
'''


class Clock:
    """Sets the time of a demo.

    Args:
        folder: where the clock is kept; made if missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._file = folder / "offset"
        self._offset = 0.0
        self._write()
        (folder / "sitecustomize.py").write_text(_HOOK)

    def now(self) -> float:
        """Return the simulated time, in seconds since the epoch."""
        return time.time() + self._offset

    def set(self, moment: float) -> None:
        """Jump forward to a moment; a clock that is past it already stays as it is."""
        if moment > self.now():
            self._offset = moment - time.time()
            self._write()

    def begin(self, moment: float) -> None:
        """Set the clock to any moment, also an earlier one."""
        self._offset = moment - time.time()
        self._write()

    def environment(self) -> dict[str, str]:
        """Return the variables that let a process go by this clock."""
        path = [str(self.folder), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {VARIABLE: str(self._file), "PYTHONPATH": os.pathsep.join(path)}

    def _write(self) -> None:
        # Written in place: readers have the file mapped.
        with self._file.open("r+b" if self._file.exists() else "w+b") as file:
            file.write(_OFFSET.pack(self._offset))


def install() -> None:
    """Let this process go by the clock that its environment names."""
    with Path(os.environ[VARIABLE]).open("rb") as file:
        kept = mmap.mmap(file.fileno(), _OFFSET.size, access=mmap.ACCESS_READ)
    real, wait = time.time, time.sleep

    def now() -> float:
        return float(real() + _OFFSET.unpack_from(kept)[0])

    def sleep(seconds: float | SupportsIndex) -> None:
        end = now() + float(seconds)
        while (left := end - now()) > 0:
            wait(min(left, _SLICE))

    time.time, time.sleep = now, sleep
