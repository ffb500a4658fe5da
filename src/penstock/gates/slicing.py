"""Slices: the rows that a clause is about, by the values of columns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penstock.errors import ConfigError
from penstock.gates.conditions import GateSpec, Slice
from penstock.gates.testset import TestSet
from penstock.gates.tokens import suggest

Rows = NDArray[np.int64]


def slices_of(tests: TestSet, wanted: Slice, spec: GateSpec) -> list[tuple[str, Rows]]:
    """Return the slices that a description stands for: (words, row numbers), in order.

    ``carrier=*, origin=JFK`` is one slice for each carrier, of its flights from JFK. Values with
    fewer than `spec.min_rows` rows are put together as ``other``.

    Raises:
        ConfigError: ``gates.unknown-slice`` for a value that is not in the column, or
            ``gates.too-many-slices``.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"y": [0, 1, 1], "origin": ["JFK", "LGA", "JFK"]})
    >>> tests = TestSet.read(frame, "y", ["origin"])
    >>> slices = slices_of(tests, Slice((("origin", None),)), GateSpec(()))
    >>> [(words, rows.tolist()) for words, rows in slices]
    [('origin=JFK', [0, 2]), ('origin=LGA', [1])]
    """
    found: list[tuple[list[str], Rows]] = [([], np.arange(tests.n))]
    for column, value in wanted.parts:
        groups = tests.groups(column)
        if value is not None:
            code = _code(groups.names, column, value)
            found = [
                ([*words, f"{column}={value}"], rows[groups.codes[rows] == code])
                for words, rows in found
            ]
            continue
        found = [
            ([*words, f"{column}={name}"], part)
            for words, rows in found
            for name, part in _split(groups.names, groups.codes, rows)
        ]
        if len(found) > spec.max_slices:
            raise ConfigError(
                f"{wanted.words} makes {len(found)} slices, more than {spec.max_slices}",
                code="gates.too-many-slices",
                hint="name fewer columns, or put values together in the test data",
            )
    return _pooled([(", ".join(words), rows) for words, rows in found], wanted, spec.min_rows)


def _code(names: tuple[str, ...], column: str, value: str) -> int:
    if value in names:
        return names.index(value)
    hint = suggest(value, names) or f"values are {', '.join(names[:20])}"
    raise ConfigError(
        f"no row of the test data has {column}={value}", code="gates.unknown-slice", hint=hint
    )


def _split(names: tuple[str, ...], codes: NDArray[np.int64], rows: Rows) -> list[tuple[str, Rows]]:
    here = codes[rows]
    order = np.argsort(here, kind="stable")
    counts = np.bincount(here, minlength=len(names))
    parts = np.split(rows[order], np.cumsum(counts)[:-1])
    return [(name, part) for name, part in zip(names, parts, strict=True) if part.size]


def _pooled(found: list[tuple[str, Rows]], wanted: Slice, least: int) -> list[tuple[str, Rows]]:
    small = [rows for _, rows in found if rows.size < least]
    if len(small) < 2:
        return found
    kept = [(words, rows) for words, rows in found if rows.size >= least]
    columns = ", ".join(f"{name}=other" for name, _ in wanted.parts)
    return [*kept, (columns, np.sort(np.concatenate(small)))]
