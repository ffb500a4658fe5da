"""Cells of a feature: the bins that training data and live data are both counted in.

A number goes to one of about twenty bins that hold equal shares of the training data; a value that
is met often (zero, say) has a bin of its own, and so have values below and above all that was ever
seen. A text goes to the cell of its category; rare categories share one, and what was never seen
has its own. The last cell of both is for missing values. Counts in fixed cells are exact, take
a few hundred bytes per feature, and are merged by adding them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.stats.distance import LEAST_EXPECTED

Counts = NDArray[np.int64]
BINS = 20
MOST_KNOWN = 1000
"""Categories of a text feature that are kept by name."""
CHUNK = 65_536
"""Rows that are binned at once: they stay in the processor's cache."""


@dataclass(frozen=True)
class NumberCells:
    """Bins of a number.

    Attributes:
        edges: upper ends of the cells but the last, rising. The first cell is below everything in
            the reference, the last above.
    """

    edges: NDArray[np.float64]
    kind = "number"

    @property
    def size(self) -> int:
        """Number of cells, with the one for missing values."""
        return len(self.edges) + 2

    @property
    def labels(self) -> list[str]:
        """What each cell holds, in words."""
        # An edge just before another closes the cell before a single value: it is shown as that.
        beyond = np.nextafter(self.edges, np.inf) + 0.0  # not "-0"
        alone = np.append(beyond[:-1] == self.edges[1:], False)
        alone[0] = True
        shown = [f"{b if single else a:.4g}" for a, b, single in
                 zip(self.edges, beyond, alone, strict=True)]  # fmt: skip
        between = [f"{a} to {b}" if a != b else b for a, b in pairwise(shown)]
        return [f"below {shown[0]}", *between, f"above {shown[-1]}", "missing"]

    def place(self, values: Any) -> Counts:
        """Return the cell of each value, shape (rows,)."""
        floats, _ = as_floats(values)
        cells = np.searchsorted(self.edges, floats, side="left")
        cells[np.isnan(floats)] = self.size - 1
        return cells.astype(np.int64, copy=False)

    def count(self, values: Any) -> tuple[Counts, int]:
        """Return how many values fall into each cell, and how many were no numbers at all."""
        floats, wrong = as_floats(values)
        # Rows up to each edge, then all numbers: a comparison with one value is done by the
        # processor for many rows at once, which a search for the right bin is not.
        upto = np.zeros(self.size - 1, np.int64)
        is_so = np.empty(min(len(floats), CHUNK), bool)
        for start in range(0, len(floats), CHUNK):
            part = floats[start : start + CHUNK]
            found = is_so[: len(part)]
            for index, edge in enumerate(self.edges):
                upto[index] += np.count_nonzero(np.less_equal(part, edge, out=found))
            upto[-1] += np.count_nonzero(np.equal(part, part, out=found))  # NaN alone is not
        missing = len(floats) - int(upto[-1])
        return np.append(np.diff(upto, prepend=0), missing), wrong

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "number", "edges": self.edges.tolist()}


@dataclass(frozen=True)
class TextCells:
    """Cells of a text.

    Attributes:
        values: categories, the most frequent first.
        cells: of each of them; several rare ones share a cell.
        complete: whether `values` are all that the reference has; if not, what is not among them
            cannot be told from what was never seen.
    """

    values: tuple[str, ...]
    cells: tuple[int, ...]
    complete: bool
    kind = "text"

    @property
    def size(self) -> int:
        """Number of cells: of categories, one for all others, one for missing values."""
        return (max(self.cells) + 1 if self.cells else 0) + 2

    @property
    def labels(self) -> list[str]:
        """What each cell holds, in words."""
        names: list[list[str]] = [[] for _ in range(self.size - 2)]
        for value, cell in zip(self.values, self.cells, strict=True):
            names[cell].append(value)
        shown = [one[0] if len(one) == 1 else f"{one[0]} and {len(one) - 1} more" for one in names]
        return [*shown, "never seen before" if self.complete else "all others", "missing"]

    @cached_property
    def _cell_of(self) -> dict[str, int]:
        return dict(zip(self.values, self.cells, strict=True))

    def place(self, values: Any) -> Counts:
        """Return the cell of each value, shape (rows,)."""
        codes, names = _encoded(values)
        other = self.size - 2
        lookup = [self._cell_of.get(name, other) for name in names]
        return np.array([*lookup, self.size - 1], np.int64)[codes]

    def count(self, values: Any) -> tuple[Counts, int]:
        """Return how many values fall into each cell; nothing is a wrong text, so 0 were."""
        return np.bincount(self.place(values), minlength=self.size).astype(np.int64), 0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "kind": "text",
            "values": list(self.values),
            "cells": list(self.cells),
            "complete": self.complete,
        }


Cells = NumberCells | TextCells


def cells_from_dict(item: dict[str, Any]) -> Cells:
    """Read what `to_dict` of either kind wrote."""
    if item["kind"] == "number":
        return NumberCells(np.asarray(item["edges"], np.float64))
    return TextCells(tuple(item["values"]), tuple(item["cells"]), bool(item["complete"]))


def fit(values: Any, window: int) -> Cells | None:
    """Return cells for a column of the reference; None when it has no value at all.

    Args:
        values: an array, a pandas Series or an arrow array.
        window: rows of a live window: categories that it is not expected to have five times
            share a cell.
    """
    if is_number(values):
        floats, _ = as_floats(values)
        known = floats[np.isfinite(floats)]
        return NumberCells(_edges(known)) if known.size else None
    return _fit_text(values, window)


def _edges(known: NDArray[np.float64]) -> NDArray[np.float64]:
    distinct, counts = np.unique(known, return_counts=True)
    if len(distinct) <= BINS:
        often = distinct
        cuts = distinct
    else:
        often = distinct[counts >= len(known) / BINS]  # atoms: zero-inflated, whole numbers
        places = np.cumsum(counts)
        wanted = np.arange(1, BINS) * len(known) / BINS
        cuts = distinct[np.searchsorted(places, wanted)]
    lowest, highest = distinct[0], distinct[-1]
    before = np.nextafter(np.append(often, lowest), -np.inf)
    return np.unique(np.concatenate([before, cuts, often, [highest]]))


def _fit_text(values: Any, window: int) -> TextCells | None:
    codes, names = _encoded(values)
    counts = np.bincount(codes, minlength=len(names) + 1)[: len(names)]
    total = int(counts.sum())
    if total == 0:
        return None
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    kept = order[:MOST_KNOWN]
    cells, cell, mass = [], 0, 0.0
    for index in kept:
        cells.append(cell)
        mass += float(counts[index]) * min(window, total) / total
        if mass >= LEAST_EXPECTED:
            cell, mass = cell + 1, 0.0
    if mass and cell:  # too few are left for a cell of their own
        cells = [min(one, cell - 1) for one in cells]
    return TextCells(tuple(names[k] for k in kept), tuple(cells), len(kept) == len(order))


def is_number(values: Any) -> bool:
    """Tell whether a column is of numbers, truth values or times, not of names."""
    dtype = getattr(values, "dtype", None)
    if dtype is None and hasattr(values, "type"):  # arrow
        return not _arrow_text(values)
    if dtype is None:
        values = np.asarray(values)
        dtype = values.dtype
    return getattr(dtype, "kind", "O") in "iufbM" and not hasattr(dtype, "categories")


def _arrow_text(values: Any) -> bool:
    import pyarrow as pa

    kind = values.type
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)
    )


def as_floats(values: Any) -> tuple[NDArray[np.float64], int]:
    """Return a column as floats with NaN for what is missing, and how many were no numbers."""
    if not is_number(values):
        return _parsed(values)
    if hasattr(values, "type"):
        values = values.to_numpy() if hasattr(values, "num_chunks") else values.to_numpy(False)
    dtype = getattr(values, "dtype", None)
    if dtype is not None and getattr(dtype, "kind", "") == "M":
        array = np.asarray(values).astype("datetime64[ns]")
        floats = array.astype(np.int64) / 1e9
        floats[np.isnat(array)] = np.nan
        return floats, 0
    if hasattr(values, "to_numpy") and not isinstance(values, np.ndarray):
        return np.asarray(values.to_numpy(dtype=np.float64, na_value=np.nan)), 0
    return np.asarray(values, np.float64), 0


def _parsed(values: Any) -> tuple[NDArray[np.float64], int]:
    codes, names = _encoded(values)
    found = np.full(len(names) + 1, np.nan)
    wrong = np.zeros(len(names) + 1, np.int64)
    for index, name in enumerate(names):
        try:
            found[index] = float(name)
        except ValueError:
            wrong[index] = 1
    return found[codes], int(wrong[codes].sum())


def _encoded(values: Any) -> tuple[Counts, Sequence[str]]:
    """Return codes and names of a column of texts; the code of what is missing is the last."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = values if hasattr(values, "type") else _arrow(values)
    if hasattr(array, "combine_chunks"):
        array = array.combine_chunks()
    if not pa.types.is_dictionary(array.type):
        array = array.dictionary_encode()
    names = [_name(one) for one in array.dictionary.to_pylist()]
    codes = pc.fill_null(array.indices.cast(pa.int64()), len(names))
    return codes.to_numpy(zero_copy_only=False), names


def _arrow(values: Any) -> Any:
    import pyarrow as pa

    if is_number(values) or hasattr(getattr(values, "dtype", None), "categories"):
        return pa.array(values, from_pandas=True)
    try:
        return pa.array(values, pa.string(), from_pandas=True)
    except (pa.ArrowTypeError, pa.ArrowInvalid):  # texts and numbers in one column
        plain = [None if v is None or v != v else _name(v) for v in values]  # noqa: PLR0124
        return pa.array(plain, pa.string())


def _name(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # JSON writes 7 where a table of floats has 7.0
    return str(value)
