"""From the terms of a clause to one estimate, by the sharpest method that fits.

Terms that are numbers on the same rows are combined row by row, so that what both models get right
or wrong cancels out: two shares are compared by the exact paired test, other bounded numbers by
betting on their weighted sum, areas under the ROC curve by one kernel for both models. Terms that
rest on different rows are combined by interval arithmetic, which costs each its part of the level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.gates.composed import Bent, Studentised, Sum
from penstock.gates.estimates import Area, BoundedMean, Estimate, PairedDifference, Proportion
from penstock.gates.metrics import PerQuery, PerRow, Quantity, Scores, Whole, unbent
from penstock.gates.scored import Scored
from penstock.stats.ranks import AreaSample
from penstock.stats.resampling import grouped_error

Rows = NDArray[np.int64]
Weighted = Sequence[tuple[float, Quantity]]


def combine(parts: Weighted, rows: Rows | None, *, quick: bool = False) -> Estimate:
    """Return the estimate of a weighted sum of quantities on chosen rows.

    Args:
        parts: (weight, quantity) of each term.
        rows: row numbers; None is all.
        quick: use betting instead of the exact paired test, for very many slices.
    """
    groups: dict[str, list[tuple[float, Quantity]]] = {}
    for index, (weight, quantity) in enumerate(parts):
        groups.setdefault(_group(index, quantity), []).append((weight, quantity))
    done = [_together(group, rows, quick=quick) for group in groups.values()]
    if len(done) == 1:
        return done[0]
    return Sum(tuple((1.0, one) for one in done))


def _group(index: int, quantity: Quantity) -> str:
    """Name the terms that are measured on the same rows in the same way."""
    if isinstance(quantity, Scores):
        return "scores"
    if isinstance(quantity, Scored):
        return "scored"
    if isinstance(quantity, PerQuery):
        return f"queries of {quantity.column}"
    if isinstance(quantity, PerRow) and not quantity.bent:
        return quantity.about
    return f"alone {index}"


def _together(parts: Weighted, rows: Rows | None, *, quick: bool) -> Estimate:
    areas = [(weight, one) for weight, one in parts if isinstance(one, Scores)]
    if areas:
        positive = _take(areas[0][1].positive, rows)
        scores = [(weight, _take(one.scores, rows)) for weight, one in areas]
        return Area(AreaSample.of(positive, scores))
    per_row = [(weight, one) for weight, one in parts if isinstance(one, PerRow)]
    if per_row:
        return _means(per_row, rows, quick=quick)
    queries = [(weight, one) for weight, one in parts if isinstance(one, PerQuery)]
    if queries:
        return _queries(queries, rows)
    scored = [(weight, one) for weight, one in parts if isinstance(one, Scored)]
    if scored:
        return _scored(scored, rows)
    weight, whole = parts[0]
    assert isinstance(whole, Whole)
    return _weighted(weight, whole.make(rows))


def _weighted(weight: float, estimate: Estimate) -> Estimate:
    return estimate if weight == 1 else Sum(((weight, estimate),))


def _means(parts: Sequence[tuple[float, PerRow]], rows: Rows | None, *, quick: bool) -> Estimate:
    among = parts[0][1].among
    if among is not None:
        chosen = np.flatnonzero(among if rows is None else among[rows])
        rows = chosen if rows is None else rows[chosen]
    if len(parts) == 1 and parts[0][1].bent and not parts[0][1].is_share:
        weight, one = parts[0]
        inner = _means([(1.0, replace(one, finish=unbent))], rows, quick=quick)
        return _weighted(weight, Bent(inner, one.finish))
    weights = [weight for weight, _ in parts]
    columns = [_take(one.values, rows) for _, one in parts]
    shares = all(one.is_share for _, one in parts)
    if shares and len(parts) == 1:
        one = parts[0][1]
        count = Proportion(float(columns[0].sum()), float(columns[0].size), finish=one.finish)
        return _weighted(weights[0], count)
    if shares and len(parts) == 2 and weights[0] == -weights[1] and not quick:
        first, second = columns if weights[0] > 0 else columns[::-1]
        wins, losses = int((first & ~second).sum()), int((second & ~first).sum())
        return PairedDifference(wins, losses, int(first.size), abs(weights[0]))
    values = np.zeros(columns[0].size)
    for weight, column in zip(weights, columns, strict=True):
        values += weight * column
    low = sum(min(w * one.low, w * one.high) for w, one in parts)
    high = sum(max(w * one.low, w * one.high) for w, one in parts)
    clips = {one.clipped for _, one in parts if one.clipped is not None}
    details = {"clipped_at": max(clips)} if clips else {}
    finite = math.isfinite(low) and math.isfinite(high)
    return BoundedMean.of(values, low, high, **details) if finite else _studentised(values)


def _queries(parts: Sequence[tuple[float, PerQuery]], rows: Rows | None) -> Estimate:
    values = sum(weight * one.compute(rows) for weight, one in parts)
    assert isinstance(values, np.ndarray)
    low = sum(min(weight, 0.0) for weight, _ in parts)
    high = sum(max(weight, 0.0) for weight, _ in parts)
    return BoundedMean.of(values, low, high, unit_of_n=f"queries ({parts[0][1].column})")


def _scored(parts: Sequence[tuple[float, Scored]], rows: Rows | None) -> Estimate:
    """Compute all terms on the same sets of rows, so that what they share cancels out."""
    chosen = np.arange(parts[0][1].n) if rows is None else rows

    def together(sets: Sequence[Rows]) -> list[float]:
        columns = [one.score(sets) for _, one in parts]
        weights = [weight for weight, _ in parts]
        return [
            sum(weight * value for weight, value in zip(weights, row, strict=True))
            for row in zip(*columns, strict=True)
        ]

    value, error, freedom = grouped_error(together, chosen)
    return Studentised(value, error, int(chosen.size), freedom, method="grouped jackknife, t")


def _studentised(values: NDArray[np.float64]) -> Estimate:
    n = int(values.size)
    if n < 2:
        return Studentised(float(values.mean()) if n else math.nan, math.inf, n, 0)
    return Studentised(float(values.mean()), float(values.std(ddof=1)) / math.sqrt(n), n, n - 1)


def _take(values: NDArray[Any], rows: Rows | None) -> NDArray[Any]:
    return values if rows is None else values[rows]
