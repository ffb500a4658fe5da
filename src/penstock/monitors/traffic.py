"""Windows of the champion's traffic, cut from the prediction log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from penstock.config.settings import Settings
from penstock.monitors.drift import PREDICTION
from penstock.observations import Observations

FEATURE = "features."
REPLAY = "penstock-replay-"
"""Beginning of the ids of requests that replay training rows; they are no traffic."""
FLUSH = 3.0
"""Seconds that an answered request may take into the log."""
_FIRST_SLICE = 60.0
_LONGEST_SLICE = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class Part:
    """One complete window.

    Attributes:
        table: arrow table: features under their own names, and ``prediction``.
        since, until: seconds since the epoch; `since` is in the window, `until` is not.
    """

    table: Any
    since: float
    until: float


def settling(settings: Settings) -> float:
    """Return the seconds after which a request is in the log, if it ever will be."""
    return settings.serve.timeout + FLUSH


def windows(
    observations: Observations,
    *,
    version: str,
    since: float,
    until: float,
    rows: int,
    role: str = "champion",
) -> Iterator[Part]:
    """Yield windows of at least `rows` answered rows, oldest first; what is left is not yielded.

    Rows of one moment are never parted, so a window may be a little longer.

    Args:
        observations: the prediction log.
        version, role: whose traffic.
        since: where the first window begins.
        until: no row from here on is looked at.
        rows: of a window.
    """
    import pyarrow.compute as pc

    from penstock.observations.table import unified

    cursor, length, begun = since, _FIRST_SLICE, since
    kept: list[Any] = []
    while cursor < until:
        end = min(cursor + length, until)
        table = observations.read(cursor, end, version=version, role=role, labels=False)
        if table.num_rows:
            ours = pc.starts_with(table["request_id"], REPLAY)
            table = table.filter(pc.and_not(pc.less(table["code"], 400), ours))
        if table.num_rows:
            kept.append(table)
        if table.num_rows < rows // 8:
            length = min(length * 2.0, _LONGEST_SLICE)
        cursor = end
        while sum(one.num_rows for one in kept) >= rows:
            whole = unified(kept) if len(kept) > 1 else kept[0]
            times = whole["time"].to_numpy()
            last = times[rows - 1]
            count = int((times <= last).sum())
            if count == len(times) and cursor < until and cursor <= last:
                break  # more of that moment may be in the next slice
            ended = float(_after(last))
            yield Part(named(whole.slice(0, count)), begun, ended)
            begun, kept = ended, [whole.slice(count)] if count < len(times) else []


def _after(moment: float) -> float:
    import math

    return math.nextafter(moment, math.inf)


def named(table: Any) -> Any:
    """Keep features, under their own names, and the prediction."""
    names = [n for n in table.column_names if n.startswith(FEATURE) or n == PREDICTION]
    chosen = table.select(names)
    return chosen.rename_columns([one.removeprefix(FEATURE) for one in names])
