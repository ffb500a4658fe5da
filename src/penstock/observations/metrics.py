"""Business metrics of earlier requests, as `/feedback` tells them: one row per request and name.

They lie beside the labels, in files of the same kind: ``DIR/metrics/2026-11-24/21/...``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from penstock.observations import files
from penstock.observations.records import Feedback

METRICS = "metrics"


def append(directory: Path, items: Iterable[Feedback]) -> int:
    """Write the metrics among feedback; return how many.

    Raises:
        OSError: the disk refused.
    """
    told = sorted((one for one in items if one.metrics), key=lambda one: one.time)
    for part in files.by_hour(told):
        files.write(directory, METRICS, _table(part), part[0].time, part[-1].time)
    return sum(len(one.metrics) for one in told)


def read(directory: Path, since: float = 0.0, until: float = math.inf) -> Any | None:
    """Return metrics that became known in a window, the first of each request and name.

    Returns:
        Columns ``request_id``, ``row``, ``name``, ``value`` and ``metric_time``; None without any.
    """
    import pyarrow.compute as pc

    from penstock.observations.table import unified

    keep = (pc.field("metric_time") >= since) & (pc.field("metric_time") < until)
    tables = []
    for path in files.listed(directory, METRICS, since, until):
        try:
            tables.append(files.read(path).filter(keep))
        except FileNotFoundError:  # merged or expired a moment ago
            continue
    some = [one for one in tables if one.num_rows]
    if not some:
        return None
    keys, names = ["request_id", "row", "name"], ["value", "metric_time"]
    table = unified(some).sort_by("metric_time").group_by(keys, use_threads=False)
    first = table.aggregate([(name, "first") for name in names])
    return first.rename_columns([*keys, *names])


def _table(items: list[Feedback]) -> Any:
    import pyarrow as pa

    rows = [(one, name, value) for one in items for name, value in one.metrics.items()]
    return pa.table(
        {
            "request_id": pa.array([one.id for one, _, _ in rows], pa.string()),
            "row": pa.array([one.row for one, _, _ in rows], pa.int32()),
            "name": pa.array([name for _, name, _ in rows], pa.string()),
            "value": pa.array([value for _, _, value in rows], pa.float64()),
            "metric_time": pa.array([one.time for one, _, _ in rows], pa.float64()),
        }
    )
