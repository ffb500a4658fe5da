"""Exact bounds on proportions.

Clopper and Pearson (1934): the bound is the proportion at which what was seen, or more, still has
probability `alpha`. No approximation, for any n; one-sided, so a two-sided interval at `alpha` is
made of both bounds at ``alpha / 2``.

>>> round(lower(90, 100, 0.05), 6), round(upper(90, 100, 0.05), 6)
(0.836282, 0.944737)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def lower(successes: float, n: float, alpha: float) -> float:
    """Return the exact lower confidence bound on a proportion.

    Args:
        successes: how many of `n`.
        n: how many trials; without any the bound is 0.
        alpha: probability that the bound is above the true proportion, at most.

    >>> round(lower(10, 10, 0.05), 6)
    0.741134
    """
    return float(lower_many(successes, n, alpha))


def upper(successes: float, n: float, alpha: float) -> float:
    """Return the exact upper confidence bound on a proportion; without trials it is 1.

    >>> round(upper(0, 10, 0.05), 6)
    0.258866
    """
    return float(upper_many(successes, n, alpha))


def lower_many(successes: ArrayLike, n: ArrayLike, alpha: ArrayLike) -> Floats:
    """Return `lower` for arrays, which are broadcast against each other.

    >>> lower_many([0, 10], 10, 0.05).round(4).tolist()
    [0.0, 0.7411]
    """
    from scipy.special import betaincinv

    k = np.asarray(successes, dtype=np.float64)
    rest = np.asarray(n, dtype=np.float64) - k + 1
    level = np.asarray(alpha, dtype=np.float64)
    bound = betaincinv(np.maximum(k, 1e-300), rest, level)
    return np.asarray(np.where(k > 0, bound, 0.0), dtype=np.float64)


def upper_many(successes: ArrayLike, n: ArrayLike, alpha: ArrayLike) -> Floats:
    """Return `upper` for arrays, which are broadcast against each other.

    >>> upper_many([0, 10], 10, 0.05).round(4).tolist()
    [0.2589, 1.0]
    """
    n = np.asarray(n, dtype=np.float64)
    return 1.0 - lower_many(n - np.asarray(successes, dtype=np.float64), n, alpha)


def at_least(successes: int, n: int, proportion: float) -> float:
    """Return P(X >= successes) for X ~ Binomial(n, proportion): the exact one-sided p-value.

    >>> round(at_least(9, 10, 0.5), 6)
    0.010742
    """
    from scipy.special import betainc

    if successes <= 0:
        return 1.0
    if successes > n:
        return 0.0
    return float(betainc(successes, n - successes + 1, proportion))
