"""Files of the store: by hour, found by the times in their names, each there whole or not at all.

    DIR/log/2026-11-24/21/1764018000123-1764018001999-<random>.parquet     traffic
    DIR/labels/2026-11-24/21/...                                           labels

Instead of the random part, a file of traffic that came out of spools names the stretches of them
that it covers, as far as their records fall into its hour. It gets its name when it is whole, so
whoever reads a spool again after a kill knows from the names what is in the store already.

Merging is safe against being killed: what a merged file was made of stands in its own metadata, so
that sources which survived a kill are removed at the next merge and no row is there twice.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from penstock.observations import ownership

LOG = "log"
LABELS = "labels"
LOG_SPOOL = "traffic"
"""How names of spools of traffic begin."""
FULL = 500_000
"""Rows of a merged file, about; so much is in memory while files are merged."""
_SOURCES = b"penstock.sources"
_ORIGIN = re.compile(r"([0-9a-f]{10})_([0-9a-f]+)_([0-9a-f]+)")
MAX_ORIGINS = 7
"""Most stretches that the name of a file has room for."""


class Origin(NamedTuple):
    """A stretch of a spool.

    Attributes:
        id: of the spool.
        start, end: offsets in it.
    """

    id: str
    start: int
    end: int


def listed(
    directory: Path, kind: str, since: float = 0.0, until: float = math.inf
) -> Iterator[Path]:
    """Yield the files that may have rows of a span of time, oldest first.

    Args:
        directory: of the store.
        kind: `LOG` or `LABELS`.
        since, until: in seconds since the epoch; `since` is in the span, `until` is not.
    """
    for path in sorted((directory / kind).glob("*/*/*.parquet")):
        first, last = span(path)
        if last >= since and first < until:
            yield path


def span(path: Path) -> tuple[float, float]:
    """Return the times that a file's rows lie between, in seconds since the epoch."""
    first, last, _ = path.name.split("-")
    return int(first) / 1000, int(last) / 1000


def read(path: Path, columns: Sequence[str] | None = None) -> Any:
    """Return a file as a `pyarrow.Table`.

    Args:
        path: of the file.
        columns: those to read, as far as the file has them; by default all.
    """
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        known = None if columns is None else [n for n in file.schema_arrow.names if n in columns]
        table = file.read(known)
    return table.replace_schema_metadata()


def folder_of(directory: Path, kind: str, moment: float) -> Path:
    """Return where the rows of a time, in seconds since the epoch, are."""
    return directory / kind / time.strftime("%Y-%m-%d/%H", time.gmtime(moment))


def origins(path: Path) -> list[Origin]:
    """Return the stretches of spools that a file of traffic covers, by its name."""
    _, _, last = path.name.split("-")
    return [Origin(id, int(start, 16), int(end, 16)) for id, start, end in _ORIGIN.findall(last)]


def write(
    directory: Path,
    kind: str,
    table: Any,
    first: float,
    last: float,
    covers: Sequence[Origin] = (),
) -> Path:
    """Write a table as one file, durably; return its path.

    Args:
        directory: of the store.
        kind: `LOG`, `LABELS` or the like.
        table: a `pyarrow.Table`.
        first, last: times that its rows lie between, in seconds since the epoch.
        covers: what the rows were made of, at most `MAX_ORIGINS`.

    Raises:
        OSError: the disk refused; nothing of the file is left behind.
    """
    import pyarrow.parquet as pq

    folder = folder_of(directory, kind, first)
    folder.mkdir(parents=True, exist_ok=True)
    own = "+".join(f"{id}_{start:x}_{end:x}" for id, start, end in covers) or secrets.token_hex(4)
    # Spans are rounded outwards, so that no row is missed by its file's name.
    name = f"{math.floor(first * 1000):013d}-{math.ceil(last * 1000):013d}"
    path = folder / f"{name}-{own}.parquet"
    fresh = path.with_name(f".{path.name}.new")
    try:
        pq.write_table(table, fresh, compression="zstd", compression_level=1)
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def by_hour(items: Sequence[Any]) -> Iterator[list[Any]]:
    """Cut items, which are in the order of their `time`, where an hour ends."""
    part: list[Any] = []
    hour = None
    for one in items:
        own = int(one.time // 3600)
        if part and own != hour:
            yield part
            part = []
        hour = own
        part.append(one)
    if part:
        yield part


def compact(directory: Path, kind: str, before: float) -> int:
    """Merge small files of each hour that ended before a time; return the hours changed.

    A reader that lists the files meanwhile sees the old ones or the new one, or for a moment both.
    """
    hours: dict[Path, list[Path]] = {}
    for path in listed(directory, kind, 0.0, before - 3600.0):
        hours.setdefault(path.parent, []).append(path)
    changed = 0
    for files in hours.values():
        files = [one for one in files if not _needed(directory, one)]
        if len(files) < 2 or max(span(one)[1] for one in files) >= before:
            continue
        left = _without_sources(files)
        merged = sum(_merge(directory, kind, group) for group in _groups(left))
        changed += bool(merged) or len(left) < len(files)
    return changed


def _needed(directory: Path, path: Path) -> bool:
    """Tell whether a file's name still says which part of a spool needs no writing."""
    spools = (ownership.path_of(directory, LOG_SPOOL, one.id) for one in origins(path))
    return any(spool.exists() for spool in spools)


def expire(directory: Path, kind: str, before: float) -> int:
    """Delete files whose rows are all older than a time; return how many."""
    gone = 0
    for path in list(listed(directory, kind, 0.0, before)):
        if span(path)[1] < before:
            path.unlink(missing_ok=True)
            gone += 1
            for folder in (path.parent, path.parent.parent):
                with contextlib.suppress(OSError):  # something else is in it
                    folder.rmdir()
    return gone


def _without_sources(files: Iterable[Path]) -> list[tuple[Path, int]]:
    """Return files with their rows; those that a merged file was made of are removed."""
    import pyarrow.parquet as pq

    rows: dict[Path, int] = {}
    merged: set[str] = set()
    for path in files:
        footer = pq.read_metadata(path)
        rows[path] = footer.num_rows
        merged |= set(json.loads((footer.metadata or {}).get(_SOURCES, b"[]")))
    for path in list(rows):
        if path.name in merged:
            path.unlink(missing_ok=True)
            del rows[path]
    return list(rows.items())


def _groups(files: Sequence[tuple[Path, int]]) -> Iterator[list[Path]]:
    """Yield neighbours that together fill a file; what is full already is left alone."""
    group: list[Path] = []
    total = 0
    for path, rows in files:
        if rows >= FULL // 2:
            continue
        if group and total + rows > FULL:
            yield group
            group, total = [], 0
        group.append(path)
        total += rows
    if group:
        yield group


def _merge(directory: Path, kind: str, group: Sequence[Path]) -> int:
    from penstock.observations.table import unified

    if len(group) < 2:
        return 0
    table = unified([read(one) for one in group])
    names = json.dumps([one.name for one in group]).encode()
    table = table.replace_schema_metadata({_SOURCES: names})
    first = min(span(one)[0] for one in group)
    write(directory, kind, table, first, max(span(one)[1] for one in group))
    for one in group:
        one.unlink(missing_ok=True)
    return 1
