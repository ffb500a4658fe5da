"""Estimates: a number measured on a test set, with bounds at any level one asks for.

Each kind knows its value, bounds that hold at a level, on how many rows it rests, by which method,
and what it would look like had the same been seen on `factor` times as many rows; that is how a
verdict knows how many more rows would decide.

>>> share = Proportion(8400, 10000)
>>> share.value, round(share.lower(0.001), 4), round(share.scaled(4).lower(0.001), 4)
(0.84, 0.8284, 0.8343)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.stats import bounded, compare, proportions
from penstock.stats.ranks import AreaSample

Floats = NDArray[np.float64]

EXACT = "exact"
FINITE = "finite-sample"
APPROXIMATE = "approximate"
MEASURED = "measured"


class Estimate(Protocol):
    """A number with bounds. Immutable; equal data give equal bounds.

    Attributes:
        value: the point estimate; NaN when there are no rows to measure it on.
        n: rows behind it.
        method: name of the statistical method.
        guarantee: ``exact``, ``finite-sample``, ``approximate`` or ``measured``.
        details: what else explains the number.
    """

    @property
    def value(self) -> float:
        """The point estimate."""
        ...

    @property
    def n(self) -> int:
        """Rows behind it."""
        ...

    @property
    def method(self) -> str:
        """Name of the method."""
        ...

    @property
    def guarantee(self) -> str:
        """How far the bounds can be trusted."""
        ...

    @property
    def details(self) -> dict[str, Any]:
        """What else explains it."""
        ...

    def lower(self, alpha: float) -> float:
        """Return a bound that is above the true value with probability at most `alpha`."""
        ...

    def upper(self, alpha: float) -> float:
        """Return a bound that is below the true value with probability at most `alpha`."""
        ...

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate as if the same had been seen on `factor` times the rows."""
        ...


def _unchanged(value: float) -> float:
    return value


def f_measure(share: float) -> float:
    """Turn the share of true positives among all called or being positive into F1.

    >>> round(f_measure(0.5), 4)
    0.6667
    """
    return 2 * share / (1 + share)


@dataclass(frozen=True, slots=True)
class Proportion:
    """A share of rows, with Clopper and Pearson's exact bounds.

    Attributes:
        successes, trials: counts (of `of`, the rows that the share is about).
        rows: all rows; `trials` by default.
        finish: a rising function of the share (F1 is one).
    """

    successes: float
    trials: float
    rows: float | None = None
    finish: Callable[[float], float] = _unchanged
    guarantee: str = EXACT
    method: str = "clopper-pearson"

    @property
    def value(self) -> float:
        """The share that was seen."""
        return self.finish(self.successes / self.trials) if self.trials else math.nan

    @property
    def n(self) -> int:
        """Rows behind the number."""
        return int(self.trials)

    @property
    def details(self) -> dict[str, Any]:
        """The counts."""
        return {"successes": int(self.successes), "trials": int(self.trials)}

    def lower(self, alpha: float) -> float:
        """Return the exact lower bound."""
        return self.finish(proportions.lower(self.successes, self.trials, alpha))

    def upper(self, alpha: float) -> float:
        """Return the exact upper bound."""
        return self.finish(proportions.upper(self.successes, self.trials, alpha))

    def scaled(self, factor: float) -> Proportion:
        """Return the same share of more rows."""
        return replace(self, successes=self.successes * factor, trials=self.trials * factor)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The difference of two shares on the same rows, with the exact test on Tango's score."""

    wins: int
    losses: int
    rows: int
    scale: float = 1.0
    guarantee: str = EXACT
    method: str = "exact paired test (Tango, Berger-Boos)"

    @property
    def value(self) -> float:
        """The difference that was seen."""
        return self.scale * (self.wins - self.losses) / self.rows if self.rows else math.nan

    @property
    def n(self) -> int:
        """Rows behind the number."""
        return self.rows

    @property
    def details(self) -> dict[str, Any]:
        """The counts."""
        return {"only_first": self.wins, "only_second": self.losses, "rows": self.rows}

    def lower(self, alpha: float) -> float:
        """Return the exact lower bound."""
        return self.scale * compare.paired_lower(self.wins, self.losses, self.rows, alpha)

    def upper(self, alpha: float) -> float:
        """Return the exact upper bound."""
        return self.scale * compare.paired_upper(self.wins, self.losses, self.rows, alpha)

    def scaled(self, factor: float) -> PairedDifference:
        """Return the same difference on more rows."""
        wins, losses = round(self.wins * factor), round(self.losses * factor)
        return replace(
            self,
            wins=wins,
            losses=losses,
            rows=max(round(self.rows * factor), wins + losses),
        )


@dataclass(frozen=True, slots=True)
class BoundedMean:
    """The mean of numbers within a range that was fixed beforehand, with bounds by betting.

    Attributes:
        values: distinct values, shape (k,).
        counts: how often each was seen, shape (k,).
        low, high: the range.
        what: what a row of it is, when it is not a row (a query).
    """

    values: Floats
    counts: Floats
    low: float
    high: float
    mean: float
    details: dict[str, Any] = field(default_factory=dict)
    guarantee: str = FINITE
    method: str = "betting"

    @classmethod
    def of(cls, values: Floats, low: float, high: float, **details: Any) -> BoundedMean:
        """Summarise one value per row."""
        mean = float(values.mean()) if values.size else math.nan
        distinct, counts = bounded.compress(values, low, high)
        return cls(distinct, counts, low, high, mean, details)

    @property
    def value(self) -> float:
        """The mean that was seen."""
        return self.mean

    @property
    def n(self) -> int:
        """Rows behind the number."""
        return round(float(self.counts.sum()))

    def lower(self, alpha: float) -> float:
        """Return the lower bound."""
        return bounded.lower_mean(self.values, self.low, self.high, alpha, self.counts)

    def upper(self, alpha: float) -> float:
        """Return the upper bound."""
        return bounded.upper_mean(self.values, self.low, self.high, alpha, self.counts)

    def scaled(self, factor: float) -> BoundedMean:
        """Return the same values, each seen more often."""
        return replace(self, counts=self.counts * factor)


@dataclass(frozen=True, slots=True)
class Area:
    """Area under the ROC curve, or a linear combination of several on the same rows."""

    sample: AreaSample
    guarantee: str = FINITE

    @property
    def method(self) -> str:
        """Name of the method: it depends on the number of rows alone."""
        few = self.sample.dealt is not None
        return "betting on dealt blocks" if few else "empirical Bernstein for U-statistics"

    @property
    def value(self) -> float:
        """The area that was seen."""
        return self.sample.value

    @property
    def n(self) -> int:
        """Rows behind the number."""
        return self.sample.positives + self.sample.negatives

    @property
    def details(self) -> dict[str, Any]:
        """The counts, and DeLong's approximate standard error for comparison."""
        error = self.sample.delong()
        return {
            "positives": self.sample.positives,
            "negatives": self.sample.negatives,
            "delong_standard_error": error if math.isfinite(error) else None,
        }

    def lower(self, alpha: float) -> float:
        """Return the lower bound."""
        return self.sample.lower(alpha)

    def upper(self, alpha: float) -> float:
        """Return the upper bound."""
        return self.sample.upper(alpha)

    def scaled(self, factor: float) -> Area:
        """Return the same areas on more rows."""
        return replace(self, sample=self.sample.scaled(factor))


@dataclass(frozen=True, slots=True)
class Fixed:
    """A number that is measured or known, without an interval: bytes, seconds."""

    value: float
    n: int = 1
    details: dict[str, Any] = field(default_factory=dict)
    guarantee: str = MEASURED
    method: str = "measured"

    def lower(self, alpha: float) -> float:
        """Return the number itself, at any level."""
        del alpha
        return self.value

    def upper(self, alpha: float) -> float:
        """Return the number itself, at any level."""
        del alpha
        return self.value

    def scaled(self, factor: float) -> Fixed:
        """Return the same number."""
        del factor
        return self
