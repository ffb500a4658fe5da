"""Labels that are on disk but not yet in the store, so that none that was accepted is ever lost.

Each writer has a file of its own, ``labels-<random>.spool``, and holds its lock for as long as it
lives. What a killed writer left behind is found by the next one: its lock is free.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from penstock.observations.records import FEEDBACK, Feedback, MessageReader, encode

_NAMES = "labels-*.spool"


class Spool:
    """Keeps labels until they are in the store.

    Args:
        directory: of the store.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / f"labels-{secrets.token_hex(4)}.spool"
        self._descriptor = -1

    def keep(self, items: Sequence[Feedback]) -> None:
        """Put labels on disk; when this returns they survive a crash.

        Raises:
            OSError: the disk refused; none of them is kept.
        """
        if self._descriptor < 0:
            self._open()
        end = os.fstat(self._descriptor).st_size
        try:
            _write(self._descriptor, encode(FEEDBACK, items))
            os.fdatasync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, end)
            raise

    def clear(self) -> None:
        """Forget what was kept: it is in the store."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)

    def close(self) -> None:
        """Remove the file; what was kept is in the store."""
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(self._path, flags, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def orphans(directory: Path) -> Iterator[tuple[Path, list[Feedback]]]:
    """Yield what killed writers left; a file is removed once its labels were taken over.

    A message that was cut short was never acknowledged, and is left out.
    """
    for path in sorted(directory.glob(_NAMES)):
        try:
            file = path.open("rb")
        except FileNotFoundError:
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # its writer is alive
            found: list[Feedback] = []
            for items in MessageReader().feed(file.read()):
                found += [one for one in items if isinstance(one, Feedback)]
            yield path, found
            path.unlink(missing_ok=True)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
