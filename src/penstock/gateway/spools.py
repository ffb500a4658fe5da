"""The spools of a gateway: every answered request is in one before its answer goes out.

Records are appended to the current segment. It is changed when it is full, or after a while, so
that no body stays on disk for long after the store has what may be kept of it; the next one is made
in a thread beforehand. A segment is removed when the store has all of it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import monotonic

from penstock.observations.records import Stretch
from penstock.observations.segment import Segment

SMALLEST, LARGEST = 1 << 20, 16 << 20
"""Bytes of a segment: twice of what the last one was filled with, between these."""
REFUSED = 0.05
"""Seconds for which records are dropped at once after there was no room for one."""
MAX_DISK = 256 << 20
"""Bytes of segments that may wait for the writer; further records are dropped."""
MAX_MEMORY = 64 << 20
"""Bytes of segments in memory, where the disk refuses, that may wait for the writer."""


class Spools:
    """Keeps records until the store has them.

    Args:
        directory: of the store.
        exclude: features that must not be kept in the store.
        age: seconds after which a segment is changed although there is room in it.
        disk, memory: bytes of segments there that may wait for the writer.

    Attributes:
        error: why records are not on disk, "" while they are.
    """

    def __init__(
        self,
        directory: Path,
        exclude: tuple[str, ...],
        age: float,
        *,
        disk: int = MAX_DISK,
        memory: int = MAX_MEMORY,
    ) -> None:
        self.error = ""
        self._directory = directory
        self._exclude = exclude
        self._age = age
        self._most_disk = disk
        self._most_memory = memory
        self._model = ""
        self._loop = asyncio.get_running_loop()
        self._current: Segment | None = None
        self._spare: Segment | None = None
        self._making: asyncio.Future[Segment | None] | None = None
        self._kept: dict[str, Segment] = {}
        self._size = SMALLEST
        self._began = 0.0
        self._refused = 0.0
        self._closed = False

    @property
    def waiting(self) -> bool:
        """Whether there are records that the store does not have."""
        return any(one.end > one.stored for one in self._kept.values())

    def serve(self, model: str) -> None:
        """Name the model that answers from now on."""
        if model != self._model:
            self._model = model
            self._seal()

    def append(self, payload: bytes) -> bool:
        """Keep a record; when this returns true, it survives the end of this process.

        Where the disk refuses, records are kept in memory, and survive the end of the writer only.
        """
        current = self._current
        if current is not None and current.append(payload):
            return True
        return self._append_to_another(payload)

    def _append_to_another(self, payload: bytes) -> bool:
        self._seal()
        now = monotonic()
        if self._closed or now - self._refused < REFUSED:
            return False
        fresh = self._another(2 * len(payload) + 4096)
        if fresh is None:
            self._refused = now
            return False
        self._current = self._kept[fresh.name] = fresh
        self._began = now
        if self._making is None:
            self._making = self._loop.run_in_executor(None, self._make, self._size)
            self._making.add_done_callback(self._made)
        return fresh.append(payload)

    def _another(self, least: int) -> Segment | None:
        """Return a segment of at least so many bytes, None when there is no room for one."""
        spare, self._spare = self._spare, None
        if spare is not None and (spare.size < least or spare.model != self._model):
            spare.remove()
            spare = None
        fresh = spare or self._make(max(self._size, least))
        if fresh is None:
            return None
        alike = sum(one.size for one in self._kept.values() if one.on_disk == fresh.on_disk)
        if alike + fresh.size > (self._most_disk if fresh.on_disk else self._most_memory):
            self._spare = fresh
            return None
        return fresh

    def _make(self, size: int) -> Segment | None:
        """Return a new segment, on disk if that can be; None when there is no memory either."""
        try:
            made = Segment.create(self._directory, size, self._model, self._exclude)
        except OSError as error:
            self.error = f"predictions wait in memory: {error}"
        else:
            self.error = ""
            return made
        try:
            return Segment.in_memory(size, self._model, self._exclude)
        except OSError as error:
            self.error = f"predictions cannot be kept: {error}"
            return None

    def _made(self, making: asyncio.Future[Segment | None]) -> None:
        """Have the next segment ready, which was made while nobody waited for it."""
        self._making = None
        made = making.result()
        if made is None:
            return
        if self._spare is None and not self._closed:
            self._spare = made
        else:
            made.remove()

    def _seal(self) -> None:
        """Append no more to the current segment."""
        current, self._current = self._current, None
        if current is not None:
            wanted = 1 << (2 * current.end - 1).bit_length()
            self._size = min(max(wanted, SMALLEST), LARGEST)

    def untold(self) -> list[Stretch]:
        """Return where the records stand that the writer was not told of yet."""
        if monotonic() - self._began > self._age:
            self._seal()
        return [self._told(one, one.told) for one in self._kept.values() if one.end > one.told]

    def unstored(self) -> list[Stretch]:
        """Return the same for another writer: of all that the store may not have."""
        return [
            self._told(one, one.stored, resumed=True)
            for one in self._kept.values()
            if one.end > one.stored
        ]

    @staticmethod
    def _told(one: Segment, start: int, *, resumed: bool = False) -> Stretch:
        one.told = one.end
        return Stretch(one.name, start, one.end, resumed)

    def stored(self, name: str, end: int) -> None:
        """Let go of what the store has, up to an offset in a segment."""
        one = self._kept.get(name)
        if one is not None:
            one.stored = max(one.stored, end)
            if one.stored >= one.end:
                self._remove(one)

    def lost(self, name: str) -> int:
        """Let go of a segment that cannot be read any more; return how many records are lost."""
        one = self._kept.get(name)
        if one is None:
            return 0
        count = one.count(one.stored)
        self._remove(one)
        return count

    def _remove(self, one: Segment) -> None:
        """Remove a segment; its pages go in a thread, because they may be many."""
        if one is self._current:
            self._seal()
        del self._kept[one.name]
        self._loop.run_in_executor(None, one.remove)

    async def release(self) -> None:
        """Take no more records, and leave what is on disk to whoever looks for it."""
        self._closed = True
        self._seal()
        if self._making is not None:
            await asyncio.wait([self._making])
        if self._spare is not None:
            self._spare.remove()
        for one in self._kept.values():
            if one.on_disk:
                one.release()
