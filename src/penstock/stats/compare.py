"""Two models on the same rows: exact tests and bounds on the difference of two proportions.

With `b` rows that only the new model gets right, `c` that only the old one does, and n rows, the
difference is ``(b - c) / n``. Its null hypothesis "the difference is at most `margin`" leaves the
share of disagreeing rows open; the exact p-value is its largest over that share.

>>> round(tango_z(30, 30, 1000, -0.02), 6)
2.474589
>>> paired_p_value(30, 30, 1000, -0.02) < 0.01
True
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from penstock.stats import proportions

Floats = NDArray[np.float64]

_LEFT_OUT = 1e-3
_SHARES = 17
_NO_MARGIN = 1e-100
"""A margin below this is none: its square would be, and the score would have no variance."""


def mcnemar(b: int, c: int) -> float:
    """Return the exact two-sided p-value of "both models are equally often right" (McNemar 1947).

    >>> round(mcnemar(25, 10), 9)
    0.016673848
    """
    if b == c:
        return 1.0
    return min(1.0, 2 * proportions.at_least(max(b, c), b + c, 0.5))


def tango_z(b: float, c: float, n: float, margin: float) -> float:
    """Return Tango's score statistic (1998) for the paired difference against `margin`.

    Args:
        b, c: rows that only the new, only the old model gets right.
        n: all rows.
        margin: in (-1, 1).
    """
    return float(_tango(np.float64(b), np.float64(c), float(n), margin))


def _tango(b: Floats | np.float64, c: Floats | np.float64, n: float, margin: float) -> Floats:
    if abs(margin) < _NO_MARGIN:
        margin = 0.0
    first = -b - c + (2 * n - b + c) * margin
    root = np.sqrt(np.maximum(first * first + 8 * n * c * margin * (1 - margin), 0.0))
    q = (root - first) / (4 * n)
    variance = n * (2 * q + margin * (1 - margin))
    gap = b - c - n * margin
    with np.errstate(divide="ignore", invalid="ignore"):
        z = gap / np.sqrt(variance)
    certain = np.where(gap > 0, np.inf, np.where(gap < 0, -np.inf, 0.0))
    return np.asarray(np.where(variance > 0, z, certain))


def paired_p_value(b: int, c: int, n: int, margin: float, *, nuisance: float = 1e-4) -> float:
    """Return the exact p-value of "the difference is at most `margin`".

    Outcomes are ordered by Tango's score; the share of disagreeing rows runs over its exact
    confidence interval at level ``1 - nuisance``, and `nuisance` is added (Berger and Boos 1994).

    Args:
        b, c: rows that only the new, only the old model gets right.
        n: all rows.
        margin: in (-1, 1).
        nuisance: small against the level that the p-value is held against.

    >>> round(paired_p_value(25, 10, 1000, 0.0), 4)
    0.0056
    """
    if n <= 0 or (b - c) / n <= margin:
        return 1.0
    z = tango_z(b, c, n, margin)
    smallest = abs(margin)
    low = max(proportions.lower(b + c, n, nuisance / 2), smallest)
    high = max(proportions.upper(b + c, n, nuisance / 2), low)
    chances = _Chances(n, margin, z, low, high, nuisance)
    return min(1.0, _largest(chances, low, high) + nuisance * (1 + _LEFT_OUT))


class _Chances:
    """Chance of an outcome at least as extreme, as a function of the share that disagrees."""

    def __init__(
        self, n: int, margin: float, z: float, low: float, high: float, nuisance: float
    ) -> None:
        self._n = n
        self._log_left_out = math.log(2 / (_LEFT_OUT * nuisance))
        first = max(0, math.floor(n * low - self._spread(low)))
        last = min(n, math.ceil(n * high + self._spread(high)))
        self._margin = margin
        self._k = np.arange(first, last + 1, dtype=np.float64)
        self._needed = _needed(self._k, n, margin, z)

    def _spread(self, share: float) -> float:
        """Return how far counts may be from their mean, but for a chance left out (Bernstein)."""
        log = self._log_left_out
        return log / 3 + math.sqrt(log**2 / 9 + 2 * log * self._n * share * (1 - share))

    def __call__(self, share: float) -> float:
        from scipy.special import betainc, gammaln

        if share <= 0:
            return float(self._needed[self._k == 0].min(initial=1) <= 0)
        k, needed, n = self._k, self._needed, self._n
        near = np.abs(k - n * share) <= self._spread(share)
        k, needed = k[near], needed[near]
        logs = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        logs = logs + k * math.log(share) + (n - k) * math.log1p(-share) if share < 1 else logs * 0
        win = min(1.0, max(0.0, (share + self._margin) / (2 * share)))
        tail = betainc(np.maximum(needed, 1e-300), np.maximum(k - needed + 1, 1e-300), win)
        tail = np.where(needed <= 0, 1.0, np.where(needed > k, 0.0, tail))
        return float(np.exp(logs) @ tail)


def _needed(k: Floats, n: int, margin: float, z: float) -> Floats:
    """Return, for each number of disagreeing rows, the fewest wins that are as extreme as `z`."""
    low, high = np.zeros_like(k), k + 1  # as extreme at `high`, not below `low`
    target = z - 1e-12 * max(1.0, abs(z))
    for _ in range(max(1, math.ceil(math.log2(float(k[-1]) + 2))) + 1):
        middle = np.floor((low + high) / 2)
        extreme = _tango(middle, k - middle, float(n), margin) >= target
        high = np.where(extreme & (low < high), middle, high)
        low = np.where(~extreme & (low < high), middle + 1, low)
    return high


def _largest(chances: Callable[[float], float], low: float, high: float) -> float:
    """Return the maximum over an interval: a grid, then two finer ones around its best point."""
    best = 0.0
    for _ in range(3):
        grid = np.linspace(low, high, _SHARES)
        values = [chances(float(share)) for share in grid]
        at = int(np.argmax(values))
        best = max(best, values[at])
        low, high = float(grid[max(at - 1, 0)]), float(grid[min(at + 1, len(grid) - 1)])
        if high <= low:
            break
    return best


def paired_lower(b: int, c: int, n: int, alpha: float) -> float:
    """Return an exact lower confidence bound on the difference, by inverting `paired_p_value`.

    Args:
        b, c: rows that only the new, only the old model gets right.
        n: all rows.
        alpha: probability that the bound is above the true difference, at most.

    >>> round(paired_lower(30, 30, 1000, 0.025), 4)
    -0.0157
    """
    if n <= 0:
        return -1.0
    nuisance = alpha / 20

    def kept(margin: float) -> float:
        """Positive where the margin is not refuted; on the scale of z, to be nearly linear."""
        p = paired_p_value(b, c, n, margin, nuisance=nuisance)
        return _quantile(alpha) + _quantile_of(p)

    return _root(kept, -1.0 + 1e-9, (b - c) / n, _score_guess(b, c, n, alpha))


def paired_upper(b: int, c: int, n: int, alpha: float) -> float:
    """Return an exact upper confidence bound on the difference; the mirror of `paired_lower`.

    >>> round(paired_upper(30, 30, 1000, 0.025), 4)
    0.0157
    """
    return -paired_lower(c, b, n, alpha)


def _quantile(alpha: float) -> float:
    from scipy.special import ndtri

    return -float(ndtri(alpha))


def _quantile_of(p: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(min(max(p, 1e-300), 1 - 1e-16)))


def _score_guess(b: int, c: int, n: int, alpha: float) -> float:
    z = _quantile(alpha)
    low, high = -1.0 + 1e-9, (b - c) / n
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if tango_z(b, c, n, middle) >= z else (low, middle)
    return low


def _root(kept: Callable[[float], float], low: float, high: float, guess: float) -> float:
    """Return the largest margin known to be refuted, to 1% of the distance to the estimate."""
    fine = max((high - guess) * 0.005, 1e-9)
    step = fine
    below, above = low, high
    at = guess
    for _ in range(60):
        value = kept(at)
        if value <= 0:
            below = at
            at = at + step if above == high else (below + above) / 2
        else:
            above = at
            at = max(at - step, low) if below == low else (below + above) / 2
        step *= 2
        if above - below <= fine or at <= low or at >= high:
            break
    return below
