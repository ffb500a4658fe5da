"""Files of the store: by hour, found by the times in their names, each there whole or not at all.

    DIR/log/2026-11-24/21/1764018000123-1764018001999-<random>.parquet     traffic
    DIR/labels/2026-11-24/21/...                                           labels

Merging is safe against being killed: what a merged file was made of stands in its own metadata, so
that sources which survived a kill are removed at the next merge and no row is there twice.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

LOG = "log"
LABELS = "labels"
FULL = 500_000
"""Rows of a merged file, about; so much is in memory while files are merged."""
_SOURCES = b"penstock.sources"


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


def write(directory: Path, kind: str, table: Any, first: float, last: float) -> Path:
    """Write a table as one file, durably; return its path.

    Raises:
        OSError: the disk refused; nothing of the file is left behind.
    """
    import pyarrow.parquet as pq

    hour = time.strftime("%Y-%m-%d/%H", time.gmtime(first))
    folder = directory / kind / hour
    folder.mkdir(parents=True, exist_ok=True)
    # Spans are rounded outwards, so that no row is missed by its file's name.
    name = f"{math.floor(first * 1000):013d}-{math.ceil(last * 1000):013d}"
    path = folder / f"{name}-{secrets.token_hex(4)}.parquet"
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
        if len(files) < 2 or max(span(one)[1] for one in files) >= before:
            continue
        left = _without_sources(files)
        merged = sum(_merge(directory, kind, group) for group in _groups(left))
        changed += bool(merged) or len(left) < len(files)
    return changed


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
