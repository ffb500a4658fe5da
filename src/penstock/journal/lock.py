"""One process at a time."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def exclusive(file: Path) -> Iterator[None]:
    """Do something that no other process does meanwhile; wait for it to end.

    The lock is the system's: it is gone when its holder is killed.
    """
    with file.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
