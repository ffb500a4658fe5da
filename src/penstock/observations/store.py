"""The store: parquet files by hour, found by the times in their names.

    DIR/log/2026-11-24/21/1764018000123-1764018001999-<random>.parquet     traffic
    DIR/labels/2026-11-24/21/...                                           labels

A file appears whole or not at all. Labels are joined when traffic is read, the last one wins.
"""

from __future__ import annotations

import math
import os
import secrets
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from penstock.observations.records import Feedback, Record

LOG = "log"
LABELS = "labels"


class Observations:
    """The traffic of one project.

    Args:
        directory: where the files are; made when something is written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)

    def append_batch(
        self, records: Sequence[Record], *, model: str = "", exclude: Collection[str] = ()
    ) -> int:
        """Write records as one file per hour that they fall into.

        Args:
            records: answered requests.
            model: name of the model.
            exclude: features that must not be kept.

        Returns:
            The number of rows written.

        Raises:
            OSError: the disk refused; nothing of the refused file is left behind.
        """
        from penstock.observations.table import traffic_table

        rows = 0
        for part in _by_hour(records):
            table = traffic_table(part, model=model, exclude=exclude)
            self._write(LOG, table, part[0].time, part[-1].time)
            rows += table.num_rows
        return rows

    def append_feedback(self, items: Iterable[Feedback]) -> int:
        """Write labels; return how many.

        Raises:
            OSError: the disk refused.
        """
        from penstock.observations.table import feedback_table

        known = sorted((one for one in items if one.label is not None), key=lambda one: one.time)
        for part in _by_hour(known):
            self._write(LABELS, feedback_table(part), part[0].time, part[-1].time)
        return len(known)

    def label(self, request_id: str, label: Any, *, row: int = 0, now: float | None = None) -> None:
        """Tell the truth about one request, as `/feedback` does."""
        moment = time.time() if now is None else now
        self.append_feedback([Feedback(request_id, moment, row, label, {})])

    def read(
        self,
        since: float = 0.0,
        until: float = math.inf,
        *,
        version: str | None = None,
        role: str | None = None,
        labels: bool = True,
    ) -> Any:
        """Return the traffic of a window as a `pyarrow.Table`, oldest first.

        Args:
            since, until: in seconds since the epoch; `since` is in the window, `until` is not.
            version: only of this version.
            role: only in this role.
            labels: whether to join what is known of the truth.

        Returns:
            Columns ``request_id``, ``row``, ``time``, ``model``, ``version``, ``role``, ``code``,
            ``latency`` (s), ``prediction`` (float64, or text where any is), ``features.NAME`` and,
            with labels, ``label`` and ``label_time`` (null where unknown). No columns at all when
            nothing was ever written in the window.
        """
        import pyarrow.compute as pc

        table = self._load(LOG, since, until)
        if table is None:
            return _empty()
        keep = (pc.field("time") >= since) & (pc.field("time") < until)
        if version is not None:
            keep &= pc.field("version") == version
        if role is not None:
            keep &= pc.field("role") == role
        table = _merged(table.filter(keep), "prediction")
        if labels:
            table = self._labelled(table, since)
        return table.sort_by([("time", "ascending"), ("row", "ascending")])

    def features(
        self, since: float = 0.0, until: float = math.inf, *, version: str | None = None
    ) -> Any:
        """Return the features alone, under their own names, as a `pandas.DataFrame`."""
        from penstock.observations.table import FEATURE

        table = self.read(since, until, version=version, labels=False)
        names = [name for name in table.column_names if name.startswith(FEATURE)]
        frame = table.select(names).to_pandas()
        frame.columns = [name.removeprefix(FEATURE) for name in names]
        return frame

    def count(self, since: float = 0.0, until: float = math.inf) -> int:
        """Return the number of rows in the window, without reading features."""
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        total = 0
        for path in self._files(LOG, since, until):
            times = pq.read_table(path, columns=["time"], partitioning=None)["time"]
            inside = pc.and_(pc.greater_equal(times, since), pc.less(times, until))
            total += pc.sum(inside).as_py() or 0
        return total

    def expire(self, before: float) -> int:
        """Delete traffic and labels whose hour ended before a time; return the files deleted."""
        gone = 0
        for kind in (LOG, LABELS):
            for path in list(self._files(kind, 0.0, before)):
                if _span(path)[1] < before:
                    path.unlink(missing_ok=True)
                    gone += 1
        return gone

    def compact(self, before: float) -> int:
        """Merge the files of each hour that ended before a time; return the hours merged.

        A reader that lists the files meanwhile sees the old ones or the new one, or for a moment
        both; `read` drops rows that it meets twice.
        """
        from penstock.observations.table import unified

        merged = 0
        for kind in (LOG, LABELS):
            hours: dict[Path, list[Path]] = {}
            for path in self._files(kind, 0.0, before - 3600.0):
                hours.setdefault(path.parent, []).append(path)
            for files in hours.values():
                if len(files) > 1 and max(_span(one)[1] for one in files) < before:
                    table = unified([_read(one) for one in files])
                    first = min(_span(one)[0] for one in files)
                    last = max(_span(one)[1] for one in files)
                    self._write(kind, table, first, last)
                    for one in files:
                        one.unlink(missing_ok=True)
                    merged += 1
        return merged

    def _labelled(self, table: Any, since: float) -> Any:
        import pyarrow as pa

        labels = self._load(LABELS, since, math.inf)
        if labels is None:
            nothing = pa.nulls(table.num_rows, pa.float64())
            return table.append_column("label", nothing).append_column("label_time", nothing)
        labels = _merged(labels, "label").sort_by("label_time")
        names = ["label", "label_time"]
        last = labels.group_by(["request_id", "row"], use_threads=False).aggregate(
            [(name, "last") for name in names]
        )
        last = last.rename_columns(["request_id", "row", *names])
        return table.join(last, ["request_id", "row"], join_type="left outer")

    def _load(self, kind: str, since: float, until: float) -> Any | None:
        from penstock.observations.table import unified

        tables = []
        for path in self._files(kind, since, until):
            try:
                tables.append(_read(path))
            except FileNotFoundError:  # merged or expired a moment ago
                continue
        if not tables:
            return None
        table = unified(tables)
        keys = ["request_id", "row", "label_time" if kind == LABELS else "time"]
        return _once(table, keys) if len(tables) > 1 else table

    def _files(self, kind: str, since: float, until: float) -> Iterator[Path]:
        """Yield the files that may have rows in the window, oldest first."""
        for path in sorted((self.directory / kind).glob("*/*/*.parquet")):
            first, last = _span(path)
            if last >= since and first < until:
                yield path

    def _write(self, kind: str, table: Any, first: float, last: float) -> None:
        import pyarrow.parquet as pq

        hour = time.strftime("%Y-%m-%d/%H", time.gmtime(first))
        folder = self.directory / kind / hour
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


def _span(path: Path) -> tuple[float, float]:
    first, last, _ = path.name.split("-")
    return int(first) / 1000, int(last) / 1000


def _read(path: Path) -> Any:
    import pyarrow.parquet as pq

    # `partitioning` would make columns of the folders' names.
    return pq.read_table(path, partitioning=None)


def _by_hour(items: Sequence[Any]) -> Iterator[list[Any]]:
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


def _merged(table: Any, name: str) -> Any:
    """Fold the columns of numbers and of texts into one."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = table[f"{name}_text"]
    if texts.null_count < table.num_rows:
        both = pc.coalesce(texts, table[name].cast(pa.string()))
        table = table.set_column(table.column_names.index(name), name, both)
    return table.drop_columns([f"{name}_text"])


def _once(table: Any, keys: list[str]) -> Any:
    """Drop rows that occur twice, which happens while files are merged."""
    import numpy as np
    import pyarrow as pa

    numbered = table.append_column("_at", pa.array(np.arange(table.num_rows)))
    first = numbered.group_by(keys).aggregate([("_at", "min")])["_at_min"]
    return table if len(first) == table.num_rows else table.take(first.sort())


def _empty() -> Any:
    import pyarrow as pa

    return pa.table({})
