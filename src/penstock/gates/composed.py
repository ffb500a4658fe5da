"""Estimates made of others, of order statistics, of calibration, and approximate ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.gates.estimates import APPROXIMATE, EXACT, FINITE, MEASURED, Estimate
from penstock.stats.calibration import Calibration
from penstock.stats.resampling import order_bounds

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bent:
    """A rising function of an estimate, such as the root of a mean square."""

    inner: Estimate
    finish: Callable[[float], float]

    @property
    def value(self) -> float:
        """The function of the value."""
        return self.finish(self.inner.value)

    @property
    def n(self) -> int:
        """Rows behind the number."""
        return self.inner.n

    @property
    def method(self) -> str:
        """The method of what is inside."""
        return self.inner.method

    @property
    def guarantee(self) -> str:
        """The guarantee of what is inside."""
        return self.inner.guarantee

    @property
    def details(self) -> dict[str, Any]:
        """The details of what is inside."""
        return self.inner.details

    def lower(self, alpha: float) -> float:
        """Return the function of the lower bound."""
        return self.finish(self.inner.lower(alpha))

    def upper(self, alpha: float) -> float:
        """Return the function of the upper bound."""
        return self.finish(self.inner.upper(alpha))

    def scaled(self, factor: float) -> Bent:
        """Return the same of more rows."""
        return replace(self, inner=self.inner.scaled(factor))


class Remembered:
    """An estimate that computes each bound once."""

    def __init__(self, inner: Estimate) -> None:
        self._inner = inner
        self._known: dict[tuple[str, float], float] = {}

    @property
    def value(self) -> float:
        """The point estimate."""
        return self._inner.value

    @property
    def n(self) -> int:
        """Rows behind it."""
        return self._inner.n

    @property
    def method(self) -> str:
        """Name of the method."""
        return self._inner.method

    @property
    def guarantee(self) -> str:
        """How far the bounds can be trusted."""
        return self._inner.guarantee

    @property
    def details(self) -> dict[str, Any]:
        """What else explains it."""
        return self._inner.details

    def lower(self, alpha: float) -> float:
        """Return the lower bound, computed once per level."""
        key = ("lower", alpha)
        if key not in self._known:
            self._known[key] = self._inner.lower(alpha)
        return self._known[key]

    def upper(self, alpha: float) -> float:
        """Return the upper bound, computed once per level."""
        key = ("upper", alpha)
        if key not in self._known:
            self._known[key] = self._inner.upper(alpha)
        return self._known[key]

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate of more rows."""
        return self._inner.scaled(factor)


@dataclass(frozen=True, slots=True)
class Quantile:
    """A quantile of a number per row, between two order statistics: exact.

    Attributes:
        ordered: values, rising, shape (m,).
        share: which quantile.
        low, high: ends of the possible values.
    """

    ordered: Floats
    share: float
    low: float
    high: float
    n: int
    guarantee: str = EXACT
    method: str = "order statistics"
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> float:
        """The quantile that was seen."""
        return float(np.quantile(self.ordered, self.share)) if self.ordered.size else math.nan

    def lower(self, alpha: float) -> float:
        """Return the exact lower bound."""
        return self._at(order_bounds(self.n, self.share, alpha)[0])

    def upper(self, alpha: float) -> float:
        """Return the exact upper bound."""
        return self._at(order_bounds(self.n, self.share, alpha)[1])

    def _at(self, rank: int) -> float:
        if rank < 1 or not self.n:
            return self.low
        if rank > self.n:
            return self.high
        place = math.ceil(rank * self.ordered.size / self.n) - 1
        return float(self.ordered[min(max(place, 0), self.ordered.size - 1)])

    def scaled(self, factor: float) -> Quantile:
        """Return the same values, each seen more often."""
        return replace(self, n=round(self.n * factor))


@dataclass(frozen=True, slots=True)
class CalibrationError:
    """Expected calibration error with bounds that hold for any number of rows."""

    seen: Calibration
    guarantee: str = FINITE
    method: str = "Bernstein over bins"

    @property
    def value(self) -> float:
        """The error that was seen."""
        return self.seen.value

    @property
    def n(self) -> int:
        """Rows behind the number."""
        return self.seen.n

    @property
    def details(self) -> dict[str, Any]:
        """The number of bins."""
        return {"bins": self.seen.bins}

    def lower(self, alpha: float) -> float:
        """Return the lower bound."""
        return self.seen.lower(alpha)

    def upper(self, alpha: float) -> float:
        """Return the upper bound."""
        return self.seen.upper(alpha)

    def scaled(self, factor: float) -> CalibrationError:
        """Return the same error on more rows."""
        return replace(self, seen=self.seen.scaled(factor))


@dataclass(frozen=True, slots=True)
class Sum:
    """A linear combination of estimates that were not measured together: interval arithmetic."""

    parts: tuple[tuple[float, Estimate], ...]

    @property
    def value(self) -> float:
        """The combination of the values."""
        return sum(weight * part.value for weight, part in self.parts)

    @property
    def n(self) -> int:
        """Rows behind the part that rests on fewest."""
        uncertain = [part.n for _, part in self.parts if part.guarantee != MEASURED]
        return min(uncertain or [part.n for _, part in self.parts])

    @property
    def method(self) -> str:
        """The methods of the parts."""
        names = dict.fromkeys(part.method for _, part in self.parts)
        return "interval arithmetic of " + " and ".join(names)

    @property
    def guarantee(self) -> str:
        """The weakest guarantee of the parts."""
        order = [MEASURED, EXACT, FINITE, APPROXIMATE]
        return max((part.guarantee for _, part in self.parts), key=order.index)

    @property
    def details(self) -> dict[str, Any]:
        """The details of the parts."""
        return {"parts": [{"value": part.value, **part.details} for _, part in self.parts]}

    def lower(self, alpha: float) -> float:
        """Return the bound; the level is shared by the parts that are uncertain."""
        level = self._share(alpha)
        return sum(
            w * (part.lower(level) if w > 0 else part.upper(level)) for w, part in self.parts
        )

    def upper(self, alpha: float) -> float:
        """Return the bound; the level is shared by the parts that are uncertain."""
        level = self._share(alpha)
        return sum(
            w * (part.upper(level) if w > 0 else part.lower(level)) for w, part in self.parts
        )

    def _share(self, alpha: float) -> float:
        return alpha / max(1, sum(part.guarantee != MEASURED for _, part in self.parts))

    def scaled(self, factor: float) -> Sum:
        """Return the combination of the parts on more rows."""
        return Sum(tuple((weight, part.scaled(factor)) for weight, part in self.parts))


@dataclass(frozen=True, slots=True)
class Studentised:
    """A number with a standard error: large-sample bounds without a guarantee, and named so."""

    value: float
    error: float
    n: int
    freedom: float
    details: dict[str, Any] = field(default_factory=dict)
    guarantee: str = APPROXIMATE
    method: str = "student t"

    def lower(self, alpha: float) -> float:
        """Return the approximate lower bound."""
        return self.value - self._radius(alpha)

    def upper(self, alpha: float) -> float:
        """Return the approximate upper bound."""
        return self.value + self._radius(alpha)

    def _radius(self, alpha: float) -> float:
        from scipy.special import stdtrit

        if self.freedom < 1 or not math.isfinite(self.error):
            return math.inf
        return -float(stdtrit(self.freedom, alpha)) * self.error

    def scaled(self, factor: float) -> Studentised:
        """Return the same number with the error of more rows."""
        return replace(self, error=self.error / math.sqrt(factor), n=round(self.n * factor))
