"""The standard error of anything that can be computed from rows, without randomness.

Approximate: good for many rows and smooth metrics, without a finite-sample guarantee.

>>> values = np.sin(np.arange(1000.0))
>>> means = lambda sets: [float(values[rows].mean()) for rows in sets]
>>> value, error, freedom = grouped_error(means, np.arange(1000))
>>> round(error, 4), round(float(values.std(ddof=1)) / 1000 ** 0.5, 4), freedom
(0.0212, 0.0224, 49)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

_GROUPS = 50
_JACKKNIFE_ROWS = 50_000


def groups_of(rows: Rows) -> list[Rows]:
    """Deal rows into up to 50 groups that spread over the whole file.

    The deal is by a fixed hash of the position (the finalizer of splitmix64), so it is the same
    every time and in step with no period that the file may have.

    >>> [len(one) for one in groups_of(np.arange(100))][:3]
    [2, 2, 2]
    """
    count = min(_GROUPS, rows.size)
    order = shuffled(rows.size, 0)
    return [np.sort(rows[part]) for part in np.array_split(order, count)]


def shuffled(n: int, number: int) -> NDArray[np.int64]:
    """Return the numbers below n in the order of a fixed hash, another for each `number`.

    >>> shuffled(5, 0).tolist(), shuffled(5, 1).tolist()
    ([4, 2, 1, 3, 0], [2, 0, 3, 4, 1])
    """
    start = np.uint64((0x632BE59BD9B4E019 * (number + 1)) & 0xFFFFFFFFFFFFFFFF)
    mixed = (np.arange(1, n + 1, dtype=np.uint64) + start) * np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    return np.argsort(mixed ^ (mixed >> np.uint64(31)), kind="stable")


def grouped_error(
    score: Callable[[Sequence[Rows]], Sequence[float]], rows: Rows
) -> tuple[float, float, int]:
    """Return the value of a metric, its standard error and the degrees of freedom.

    Up to 50,000 rows by the jackknife that leaves out one group at a time (Quenouille 1956), above
    that by the spread of the metric over the groups.

    Args:
        score: computes the metric on each of several sets of row numbers.
        rows: shape (n,), all row numbers.
    """
    parts = groups_of(rows) if rows.size else []
    jackknife = rows.size <= _JACKKNIFE_ROWS
    sets = [np.setdiff1d(rows, part, assume_unique=True) for part in parts] if jackknife else parts
    if len(parts) < 3:
        return score([rows])[0], math.inf, 0
    value, *others = score([rows, *sets])
    return value, spread_of(others, jackknife=jackknife), len(parts) - 1


def spread_of(values: Sequence[float], *, jackknife: bool) -> float:
    """Return the standard error from the values of leave-one-out sets, or of disjoint groups."""
    found = np.asarray(values)
    if not np.isfinite(found).all():
        return math.inf
    squares = float(((found - found.mean()) ** 2).sum())
    count = len(values)
    return math.sqrt(squares * (count - 1) / count if jackknife else squares / (count - 1) / count)


def nadeau_bengio(scores: Sequence[float], test_share: float) -> float:
    """Return the corrected t statistic of scores from k folds (Nadeau and Bengio 2003).

    Args:
        scores: differences per fold.
        test_share: rows of a test fold over rows that it was trained on.

    >>> round(nadeau_bengio([0.01, 0.02, 0.015, 0.005, 0.02], 0.25), 4)
    3.2013
    """
    found = np.asarray(scores, dtype=np.float64)
    factor = 1 / found.size + test_share
    return float(found.mean() / math.sqrt(factor * float(found.var(ddof=1))))


def order_bounds(n: int, share: float, alpha: float) -> tuple[int, int]:
    """Return which order statistics bound a quantile, exactly: (lower, upper) ranks from 1.

    Rank 0 and n + 1 stand for "no bound".

    >>> order_bounds(100, 0.5, 0.025)
    (40, 61)
    """
    from scipy.special import bdtr

    below = np.arange(n + 1)
    at_most = bdtr(below, n, share)
    lower = int(np.searchsorted(at_most, alpha, side="right"))
    upper = int(np.searchsorted(at_most, 1 - alpha, side="left")) + 1
    return lower, min(upper, n) + (1 if upper > n else 0)
