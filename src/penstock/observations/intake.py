"""What the writer has to put into the store: read from spools, stored once, whoever is killed when.

A file of the store names the stretches of spools that it covers (see `files`), and gets that name
when it is whole. So a record is in the store if and only if a file of its hour covers its offset;
this is asked for every record which another writer may have stored before it was killed.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from penstock.observations import files, ownership, segment
from penstock.observations.files import LOG, LOG_SPOOL, Origin
from penstock.observations.records import Record, Stretch
from penstock.observations.segment import Head, Parsed
from penstock.observations.store import Observations

MAX_RECORDS = 20_000
"""Records in memory after which a file is written at once."""
MAX_BYTES = 64 << 20
"""Bytes of records in memory after which a file is written at once."""
CHUNK = 4 << 20
"""Bytes that are read at once; no record is longer."""

Trouble = Callable[[str, Exception], None]
"""Is told in words what could not be done, and why."""


class Covered:
    """Which records of a spool are in the store.

    Args:
        store: with the files.
        id: of the spool.
    """

    def __init__(self, store: Observations, id: str) -> None:
        self._directory = store.directory
        self._id = id
        self._folders: dict[Path, list[Origin]] = {}

    def missing(self, found: Parsed) -> list[Record]:
        """Return the records that are not in the store."""
        pairs = zip(found.offsets, found.records, strict=True)
        return [record for offset, record in pairs if not self._has(offset, record)]

    def _has(self, offset: int, record: Record) -> bool:
        folder = files.folder_of(self._directory, LOG, record.time)
        known = self._folders.get(folder)
        if known is None:
            names = folder.glob(f"*-*-*{self._id}_*.parquet")
            found = [one for path in names for one in files.origins(path)]
            known = [one for one in found if one.id == self._id]
            self._folders[folder] = known
        return any(one.start <= offset < one.end for one in known)


@dataclass
class _Source:
    """A spool of a living gateway."""

    descriptor: int
    head: Head
    covered: Covered | None
    """What another writer may have stored before."""


@dataclass
class _Batch:
    """Records of one spool that wait to be stored, and the stretch that they are all of."""

    source: _Source
    start: int
    end: int
    records: list[Record] = field(default_factory=list)


class Intake:
    """Reads spools and stores what is in them.

    Args:
        store: where to.
        exclude: features that must not be kept, beside those that a spool itself names.
        trouble: is told what could not be done.
    """

    def __init__(self, store: Observations, exclude: frozenset[str], trouble: Trouble) -> None:
        self._store = store
        self._exclude = exclude
        self._trouble = trouble
        self._queue: deque[Stretch] = deque()
        self._sources: dict[str, _Source] = {}
        self._batches: dict[str, _Batch] = {}
        self._gone: list[str] = []
        self._count = 0
        self._bytes = 0
        self._known = 0

    @property
    def waiting(self) -> bool:
        """Whether there is something to store."""
        return bool(self._batches or self._queue or self._gone)

    @property
    def full(self) -> bool:
        """Whether so much is in memory that it must be stored before more is read."""
        return (
            self._count >= MAX_RECORDS
            or self._bytes >= MAX_BYTES
            or len(self._batches) >= files.MAX_ORIGINS
        )

    def add(self, stretches: Iterable[Stretch]) -> None:
        """Note where records stand; read them as far as memory allows."""
        self._queue.extend(stretches)
        self.read()

    def read(self) -> None:
        """Read what was told, until memory is full."""
        while self._queue and not self.full:
            stretch = self._queue.popleft()
            source = self._source(stretch)
            if source is None:
                self._gone.append(stretch.name)
                continue
            end = self._read(stretch, source)
            if end < stretch.end:
                self._queue.appendleft(msgspec.structs.replace(stretch, start=end))

    def _source(self, stretch: Stretch) -> _Source | None:
        """Open a spool; None when it is gone, or somebody else finishes it."""
        known = self._sources.get(stretch.name)
        if known is not None:
            return known
        descriptor = None
        try:
            descriptor = segment.share(stretch.name)
            head = None if descriptor is None else segment.read_head(descriptor)
        except (OSError, ValueError) as error:
            self._trouble("predictions cannot be read", error)
            head = None
        if descriptor is None or head is None:
            if descriptor is not None:
                os.close(descriptor)
            return None
        covered = Covered(self._store, head.id) if stretch.resumed else None
        source = self._sources[stretch.name] = _Source(descriptor, head, covered)
        return source

    def _read(self, stretch: Stretch, source: _Source) -> int:
        """Read a piece of a stretch; return the offset that was reached."""
        length = min(stretch.end - stretch.start, CHUNK)
        data = os.pread(source.descriptor, length, stretch.start)
        # What a living process has put there is as it was put; there is no need to look twice.
        found = segment.parse(data, stretch.start, verify=False)
        end = found.end
        if end == stretch.start:
            self._trouble("a spool is damaged", ValueError(f"{stretch.name} at {end}"))
            end = stretch.end
        batch = self._batches.get(stretch.name)
        if batch is None:
            batch = self._batches[stretch.name] = _Batch(source, stretch.start, end)
        batch.end = end
        fresh = found.records
        if source.covered is not None:
            fresh = source.covered.missing(found)
            self._known += len(found.records) - len(fresh)
        batch.records += fresh
        self._count += len(fresh)
        self._bytes += end - stretch.start
        return end

    def store(self) -> dict[str, Any]:
        """Store what was read; return what became of it, in words for the gateway."""
        batches, self._batches = self._batches, {}
        gone, self._gone = self._gone, []
        known, self._known = self._known, 0
        self._count = self._bytes = 0
        said: dict[str, Any] = {"written": known, "dropped": 0, "error": "", "gone": gone}
        said["stored"] = [[name, batch.end] for name, batch in batches.items()]
        alike: dict[tuple[str, tuple[str, ...]], list[_Batch]] = {}
        for batch in batches.values():
            head = batch.source.head
            alike.setdefault((head.model, head.exclude), []).append(batch)
        for (model, exclude), some in alike.items():
            records = [record for batch in some for record in batch.records]
            covers = [Origin(one.source.head.id, one.start, one.end) for one in some]
            try:
                self._append(records, model, exclude, covers)
                said["written"] += len(records)
            except OSError as error:
                # A full disk must not stop the traffic: what could not be written is counted.
                said["dropped"] += len(records)
                said["error"] = str(error)
                self._trouble(f"the prediction log lost {len(records)} records", error)
        self.close()
        return said

    def _append(
        self,
        records: list[Record],
        model: str,
        exclude: tuple[str, ...],
        covers: Sequence[Origin],
    ) -> None:
        """Store records; of those whose bodies make no table, only the numbers.

        Raises:
            OSError: the disk refused.
        """
        if not records:
            return
        records.sort(key=lambda one: one.time)
        both = self._exclude.union(exclude)
        for kept in (_whole, _readable, _bare):
            try:
                self._store.append_batch(
                    [kept(one) for one in records], model=model, exclude=both, covers=covers
                )
            except OSError:
                raise
            except Exception as error:
                # Clients choose what is in bodies, and no body may end the writer: the next one
                # would meet it again.
                self._trouble("the prediction log leaves out bodies that make no table", error)
            else:
                return

    def close(self) -> None:
        """Leave spools that nothing is known of any more to whoever looks for them."""
        for source in self._sources.values():
            os.close(source.descriptor)
        self._sources.clear()

    def recover(self) -> Iterator[int]:
        """Store what gateways that were killed left behind; yield how many records, per spool.

        What the disk refuses is left where it is, for the next time.
        """
        for path in sorted(self._store.directory.glob(f"{LOG_SPOOL}-*.spool")):
            descriptor = None
            try:
                descriptor = ownership.take(path, ownership.OWN)
                if descriptor is not None:
                    yield self._recover(path, descriptor)
            except (OSError, ValueError) as error:
                self._trouble(f"{path.name} cannot be taken over yet", error)
            finally:
                if descriptor is not None:
                    os.close(descriptor)

    def _recover(self, path: Path, descriptor: int) -> int:
        head = segment.read_head(descriptor)
        records: list[Record] = []
        if head is not None:
            size = os.fstat(descriptor).st_size
            data = os.pread(descriptor, size - head.start, head.start)
            found = segment.parse(data, head.start)
            records = Covered(self._store, head.id).missing(found)
            covers = [Origin(head.id, head.start, found.end)]
            self._append(records, head.model, head.exclude, covers)
        path.unlink(missing_ok=True)
        return len(records)


def _whole(record: Record) -> Record:
    return record


def _readable(record: Record) -> Record:
    """Return a record, without its bodies if they make no table."""
    from penstock.observations.table import traffic_table

    try:
        traffic_table([record], model="")
    except Exception:  # whatever a body does, that is the answer
        return _bare(record)
    return record


def _bare(record: Record) -> Record:
    return msgspec.structs.replace(record, body=b"", answer=b"")
