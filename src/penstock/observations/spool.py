"""Labels that are on disk but not yet in the store, so that none that was accepted is ever lost.

Each writer has a file of its own, ``labels-<random>.spool``, and holds its lock for as long as it
lives. What a killed writer left behind is found by the next one: its lock is free.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from penstock.observations import ownership
from penstock.observations.records import FEEDBACK, Feedback, MessageReader, encode

_PREFIX = "labels"


class Spool:
    """Keeps labels until they are in the store.

    Args:
        directory: of the store.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = Path()
        self._descriptor = -1

    def keep(self, items: Sequence[Feedback]) -> None:
        """Put labels on disk; when this returns they survive a crash.

        Raises:
            OSError: the disk refused; none of them is kept.
        """
        if self._descriptor < 0:
            _, self._path, self._descriptor = ownership.create(
                self._directory, _PREFIX, ownership.OWN
            )
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


def orphans(directory: Path) -> Iterator[tuple[Path, list[Feedback]]]:
    """Yield what killed writers left; a file is removed once its labels were taken over.

    A message that was cut short, or is none at all, was never acknowledged, and is left out.
    """
    for path in sorted(directory.glob(f"{_PREFIX}-*.spool")):
        descriptor = ownership.take(path, ownership.OWN)
        if descriptor is None:
            continue  # its writer is alive
        with open(descriptor, "rb") as file:  # noqa: PTH123 - it is open already
            found: list[Feedback] = []
            with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError):
                for items in MessageReader().feed(file.read()):
                    found += [one for one in items if isinstance(one, Feedback)]
            yield path, found
            path.unlink(missing_ok=True)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
