"""Expected calibration error on fixed bins, with bounds that hold for any sample size.

The error is ``sum_b |E[(y - p) 1(p in b)]|`` over bins b: the largest, over all choices of a sign
per bin, of the mean of ``sign(b) (y - p)``. The choice that is largest in truth is one fixed
choice, so the upper bound is that of a single mean; the lower bound has to hold for the choice that
the data made, which is one of ``2 ** bins``. Means are bounded by Bernstein's inequality, whose
variance is at most the Brier score, itself bounded by betting.

>>> rng = np.random.default_rng(5)
>>> p = rng.random(5000)
>>> y = rng.random(5000) < p
>>> found = Calibration.of(y, p)
>>> round(found.value, 4), round(found.upper(0.001), 4), round(found.lower(0.001), 4)
(0.0108, 0.034, 0.0)
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penstock.stats import bounded

Floats = NDArray[np.float64]

_NUISANCE = 0.1


@dataclass(frozen=True, slots=True)
class Calibration:
    """The calibration error that was seen, and what its bounds need.

    Attributes:
        value: the error on the rows seen; above the true one on average.
        n: rows.
        bins: how many bins of equal width.
        squares, counts: distinct values of ``(y - p)^2`` and how often each was seen.
    """

    value: float
    n: int
    bins: int
    squares: Floats
    counts: Floats

    @classmethod
    def of(cls, truth: NDArray[np.bool_], chance: Floats, bins: int = 10) -> Calibration:
        """Measure predicted probabilities.

        Args:
            truth: shape (n,), what happened.
            chance: shape (n,), predicted probability of it, in [0, 1].
            bins: number of bins of equal width.
        """
        n = int(chance.size)
        place = np.minimum((chance * bins).astype(np.int64), bins - 1)
        gaps = np.bincount(place, weights=truth - chance, minlength=bins)
        value = float(np.abs(gaps).sum()) / n if n else math.nan
        squares, counts = bounded.compress((truth - chance) ** 2, 0.0, 1.0)
        return cls(value, n, bins, squares, counts)

    def upper(self, alpha: float) -> float:
        """Return an upper confidence bound on the true error."""
        return min(1.0, self.value + self._radius(alpha, 0.0)) if self.n else 1.0

    def lower(self, alpha: float) -> float:
        """Return a lower confidence bound on the true error."""
        signs = self.bins * math.log(2)
        return max(0.0, self.value - self._radius(alpha, signs)) if self.n else 0.0

    def _radius(self, alpha: float, choices: float) -> float:
        """Return the radius of a mean of numbers in [-1, 1], for ``exp(choices)`` means at once."""
        spent = alpha * _NUISANCE
        variance = bounded.upper_mean(self.squares, 0.0, 1.0, spent, self.counts)
        level = math.log(1 / (alpha - spent)) + choices
        linear = 2 * level / (3 * self.n)
        return math.sqrt(2 * variance * level / self.n + linear**2 / 4) + linear / 2

    def scaled(self, factor: float) -> Calibration:
        """Return the same error on more rows."""
        return replace(self, n=round(self.n * factor), counts=self.counts * factor)
