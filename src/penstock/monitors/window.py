"""A window of live traffic, as counts in the reference's cells; windows add up.

>>> from penstock.monitors import build_reference
>>> reference = build_reference({"age": [20.0, 30.0, 40.0, 50.0] * 25})
>>> first = count_rows(reference, {"age": [20.0, 30.0, None, 60.0]}, since=0.0, until=60.0)
>>> second = count_rows(reference, {"age": [20.0, 20.0]}, since=60.0, until=120.0)
>>> both = first + second
>>> both.rows, dict(zip(reference.features["age"].cells.labels, both.counts["age"].tolist()))["20"]
(6, 3)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penstock.monitors.cells import Counts, as_floats
from penstock.monitors.reference import Joint, Reference, columns_of, matrix

JOINT_CHUNK = 4096
MOST_JOINT = 50_000
"""Rows of a window that how features go together is measured on."""


@dataclass(frozen=True)
class Window:
    """Counts of live rows.

    Attributes:
        rows: counted.
        counts: per feature, in the cells of the reference.
        wrong: per feature, values of the wrong type (texts where numbers belong).
        outside: per feature, the least and the greatest number seen.
        absent: features of the reference that no row had.
        unknown: columns that the reference does not know.
        joint: number of rows and sum of their squared distances from the principal components.
        since, until: seconds since the epoch.
    """

    rows: int = 0
    counts: dict[str, Counts] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    outside: dict[str, tuple[float, float]] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    joint: tuple[int, float] = (0, 0.0)
    since: float = 0.0
    until: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain values, without what is told of single values."""
        counts = {name: one.tolist() for name, one in self.counts.items()}
        names = ("rows", "absent", "since", "until")
        return {"counts": counts, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Window:
        """Read what `to_dict` wrote."""
        counts = {name: np.asarray(one, np.int64) for name, one in item["counts"].items()}
        return cls(**{**item, "counts": counts, "absent": tuple(item["absent"])})

    def __add__(self, other: Window) -> Window:
        """Return both windows as one; the order does not matter."""
        if not self.rows or not other.rows:
            return other if other.rows else self
        names = {*self.counts, *other.counts}
        counts: dict[str, Counts] = {}
        for name in names:
            # Rows of a window without the column count as missing.
            size = len((self.counts if name in self.counts else other.counts)[name])
            counts[name] = sum(
                (one.counts.get(name, _missing(size, one.rows)) for one in (self, other)),
                np.zeros(size, np.int64),
            )
        ends = {name: _ends(self.outside, other.outside, name)
                for name in {*self.outside, *other.outside}}  # fmt: skip
        return Window(
            self.rows + other.rows,
            counts,
            {name: self.wrong.get(name, 0) + other.wrong.get(name, 0) for name in names},
            ends,
            tuple(one for one in self.absent if one in other.absent),
            tuple(sorted({*self.unknown, *other.unknown})),
            (self.joint[0] + other.joint[0], self.joint[1] + other.joint[1]),
            min(self.since, other.since),
            max(self.until, other.until),
        )


def _missing(size: int, rows: int) -> Counts:
    found = np.zeros(size, np.int64)
    found[-1] = rows
    return found


def _ends(
    a: dict[str, tuple[float, float]], b: dict[str, tuple[float, float]], name: str
) -> tuple[float, float]:
    known = [one[name] for one in (a, b) if name in one]
    return min(one[0] for one in known), max(one[1] for one in known)


def count_rows(
    reference: Reference, table: Any, *, since: float = 0.0, until: float = 0.0
) -> Window:
    """Count rows in the cells of a reference.

    Args:
        reference: with the cells.
        table: a DataFrame, an arrow table or columns by name.
        since, until: of the window, in seconds since the epoch.
    """
    counts: dict[str, Counts] = {}
    wrong: dict[str, int] = {}
    outside: dict[str, tuple[float, float]] = {}
    unknown = []
    rows = 0
    for name, column in columns_of(table):
        rows = max(rows, len(column))
        feature = reference.features.get(name)
        if feature is None:
            unknown.append(name)
            continue
        found, bad = feature.cells.count(column)
        if int(found[-1]) == len(column) - bad and bad == 0:
            continue  # all are missing: as good as no column
        counts[name] = found
        if bad:
            wrong[name] = bad
        if feature.cells.kind == "number" and (found[0] or found[-2]):
            outside[name] = _range(column)
    absent = tuple(name for name in reference.features if name not in counts)
    counts |= {name: _missing(reference.features[name].cells.size, rows) for name in absent}
    joint = (0, 0.0)
    if reference.joint is not None and rows:
        joint = _distances(reference.joint, table, rows)
    return Window(rows, counts, wrong, outside, absent, tuple(unknown), joint, since, until)


def _range(column: Any) -> tuple[float, float]:
    floats, _ = as_floats(column)
    return float(np.nanmin(floats)), float(np.nanmax(floats))


def _distances(joint: Joint, table: Any, rows: int) -> tuple[int, float]:
    """Sum the distances of rows, a chunk at a time, so that no copy of the window is made.

    Of a long window every so-many-th row is taken: the mean of fifty thousand is precise enough.
    """
    names = set(joint.names)
    step = max(rows // MOST_JOINT, 1)
    columns = {name: as_floats(one[::step])[0] for name, one in _sliced(table, names, step)}
    count = len(range(0, rows, step))
    total = 0.0
    for start in range(0, count, JOINT_CHUNK):
        part = {name: one[start : start + JOINT_CHUNK] for name, one in columns.items()}
        total += float(joint.components.errors(matrix(part, joint.names)).sum())
    return count, total


def _sliced(table: Any, names: set[str], step: int) -> Iterator[tuple[str, Any]]:
    for name, column in columns_of(table):
        if name in names:
            # Arrow cuts ranges only, and shares its memory with numpy.
            arrow = step > 1 and hasattr(column, "num_chunks")
            yield name, column.to_numpy() if arrow else column


def add_up(windows: Iterable[Window]) -> Window:
    """Return the sum of windows, such as those of several workers."""
    return sum(windows, Window())
