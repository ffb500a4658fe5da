"""One step at a time per environment, also between processes; a killed holder lets go."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Self

from penstock.errors import UnavailableError

_PATIENCE = 60.0


class Lock:
    """An advisory lock on a file, to be used with `with`; not for threads of one process.

    Args:
        path: of the lock file; its content means nothing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle = -1
        self._depth = 0

    def __enter__(self) -> Self:
        if self._depth == 0:
            self._take()
        self._depth += 1
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            os.close(self._handle)

    def _take(self) -> None:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(handle)
                    raise UnavailableError(
                        f"another penstock process has held {self._path.name} for a minute",
                        code="rollout.busy",
                        hint="is one hanging? the lock is free as soon as it ends",
                    ) from None
                time.sleep(0.01)
            else:
                self._handle = handle
                return
