"""The store: parquet files by hour; labels are joined when traffic is read, the last one wins."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from penstock.observations import files, metrics
from penstock.observations.files import LABELS, LOG
from penstock.observations.records import Feedback, Record

_KINDS = (LOG, LABELS, metrics.METRICS)
_KEYS = {LOG: ["request_id", "row", "time"], LABELS: ["request_id", "row", "label_time"]}


class Observations:
    """The traffic of one project.

    Args:
        directory: where the files are; made when something is written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory)

    def append_batch(
        self,
        records: Sequence[Record],
        *,
        model: str = "",
        exclude: Collection[str] = (),
        covers: Sequence[files.Origin] = (),
    ) -> int:
        """Write records as one file per hour that they fall into.

        Args:
            records: answered requests.
            model: name of the model.
            exclude: features that must not be kept.
            covers: stretches of spools that the records are all of, for `files.origins`.

        Returns:
            The number of rows written.

        Raises:
            OSError: the disk refused; nothing of the refused file is left behind.
        """
        from penstock.observations.table import traffic_table

        rows = 0
        for part in files.by_hour(records):
            table = traffic_table(part, model=model, exclude=exclude)
            files.write(self.directory, LOG, table, part[0].time, part[-1].time, covers)
            rows += table.num_rows
        return rows

    def append_feedback(self, items: Iterable[Feedback]) -> int:
        """Write labels, and business metrics beside them; return how many labels.

        Raises:
            OSError: the disk refused.
        """
        from penstock.observations.table import feedback_table

        items = list(items)
        metrics.append(self.directory, items)
        known = sorted((one for one in items if one.label is not None), key=lambda one: one.time)
        for part in files.by_hour(known):
            files.write(self.directory, LABELS, feedback_table(part), part[0].time, part[-1].time)
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
        columns: Collection[str] | None = None,
    ) -> Any:
        """Return the traffic of a window as a `pyarrow.Table`, oldest first.

        Args:
            since, until: in seconds since the epoch; `since` is in the window, `until` is not.
            version: only of this version.
            role: only in this role.
            labels: whether to join what is known of the truth.
            columns: those to return; by default all.

        Returns:
            Columns ``request_id``, ``row``, ``time``, ``model``, ``version``, ``role``, ``code``,
            ``latency`` (s), ``prediction`` (float64, or text where any is), ``features.NAME`` and,
            with labels, ``label`` and ``label_time`` (null where unknown). No columns at all when
            nothing was ever written in the window.
        """
        import pyarrow.compute as pc

        wanted = None
        if columns is not None:
            wanted = [*columns, *_KEYS[LOG], "version", "role", "prediction_text"]
        keep = (pc.field("time") >= since) & (pc.field("time") < until)
        if version is not None:
            keep &= pc.field("version") == version
        if role is not None:
            keep &= pc.field("role") == role
        table = self._load(LOG, since, until, keep, wanted)
        if table is None:
            return _empty()
        if columns is None or "prediction" in columns:
            table = _merged(table, "prediction")
        if labels:
            table = self._labelled(table, since)
        table = table.sort_by([("time", "ascending"), ("row", "ascending")])
        return table if columns is None else _chosen(table, columns, labels=labels)

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

    def labels(self, since: float = 0.0, until: float = math.inf) -> Any | None:
        """Return labels that became known in a window, the last of each row; None without any.

        Returns:
            Columns ``request_id``, ``row``, ``label`` (float64, or text where any is) and
            ``label_time``.
        """
        import pyarrow.compute as pc

        keep = (pc.field("label_time") >= since) & (pc.field("label_time") < until)
        table = self._load(LABELS, since, until, keep)
        return None if table is None or not table.num_rows else _last(table)

    def first(self) -> float | None:
        """Return when the oldest traffic that is kept began; None where there is none."""
        for path in files.listed(self.directory, LOG):
            return files.span(path)[0]
        return None

    def count(self, since: float = 0.0, until: float = math.inf) -> int:
        """Return the number of rows in the window, without reading features."""
        import pyarrow.compute as pc

        total = 0
        for path in files.listed(self.directory, LOG, since, until):
            times = files.read(path, ["time"])["time"]
            inside = pc.and_(pc.greater_equal(times, since), pc.less(times, until))
            total += pc.sum(inside).as_py() or 0
        return total

    def expire(self, before: float) -> int:
        """Delete traffic and labels whose hour ended before a time; return the files deleted."""
        return sum(files.expire(self.directory, kind, before) for kind in _KINDS)

    def compact(self, before: float) -> int:
        """Merge the files of each hour that ended before a time; return the hours merged.

        It may be killed and repeated. A reader that lists the files meanwhile may for a moment see
        rows twice; `read` drops those.
        """
        return sum(files.compact(self.directory, kind, before) for kind in _KINDS)

    def _labelled(self, table: Any, since: float) -> Any:
        import pyarrow as pa
        import pyarrow.compute as pc

        # Of the labels, which may be many more than the rows, only those about them are kept.
        wanted = pc.field("request_id").isin(table["request_id"].combine_chunks())
        labels = self._load(LABELS, since, math.inf, wanted)
        if labels is None:
            nothing = pa.nulls(table.num_rows, pa.float64())
            return table.append_column("label", nothing).append_column("label_time", nothing)
        return table.join(_last(labels), ["request_id", "row"], join_type="left outer")

    def _load(
        self,
        kind: str,
        since: float,
        until: float,
        keep: Any,
        columns: Sequence[str] | None = None,
    ) -> Any | None:
        """Return the rows of a window that are wanted, file by file; None without files."""
        from penstock.observations.table import unified

        tables = []
        for path in files.listed(self.directory, kind, since, until):
            try:
                tables.append(files.read(path, columns).filter(keep))
            except FileNotFoundError:  # merged or expired a moment ago
                continue
        if not tables:
            return None
        some = [one for one in tables if one.num_rows] or tables[:1]
        return _once(unified(some), _KEYS[kind]) if len(some) > 1 else some[0]


def _last(labels: Any) -> Any:
    """Return the last label of each row."""
    labels = _merged(labels, "label").sort_by("label_time")
    names = ["label", "label_time"]
    last = labels.group_by(["request_id", "row"], use_threads=False).aggregate(
        [(name, "last") for name in names]
    )
    return last.rename_columns(["request_id", "row", *names])


def _chosen(table: Any, columns: Collection[str], *, labels: bool) -> Any:
    more = ("label", "label_time") if labels else ()
    return table.select([n for n in table.column_names if n in columns or n in more])


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
