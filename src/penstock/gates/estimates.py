"""Estimates: a number measured on a test set, with bounds at any level one asks for.

Each kind knows its value, bounds that hold at a level, on how many rows it rests, by which method,
and what it would look like had the same been seen on `factor` times as many rows; that is how a
verdict knows how many more rows would decide.

>>> share = Proportion(8400, 10000)
>>> share.value, round(share.lower(0.001), 4), round(share.scaled(4).lower(0.001), 4)
(0.84, 0.8283, 0.8342)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
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
    """A number with bounds. Immutable; equal data give equal bounds."""

    @property
    def value(self) -> float:
        """The point estimate; NaN when there are no rows to measure it on."""

    @property
    def n(self) -> int:
        """Rows behind the number."""

    @property
    def method(self) -> str:
        """Name of the statistical method."""

    @property
    def guarantee(self) -> str:
        """``exact``, ``finite-sample``, ``approximate`` or ``measured``."""

    @property
    def details(self) -> dict[str, Any]:
        """What else explains the number."""

    def lower(self, alpha: float) -> float:
        """Return a bound that is above the true value with probability at most `alpha`."""

    def upper(self, alpha: float) -> float:
        """Return a bound that is below the true value with probability at most `alpha`."""

    def above(self, threshold: float, alpha: float) -> bool:
        """Whether the true value is above `threshold`, wrongly so with probability `alpha`."""

    def below(self, threshold: float, alpha: float) -> bool:
        """Whether the true value is below `threshold`, wrongly so with probability `alpha`."""

    def scaled(self, factor: float) -> Estimate:
        """Return the estimate as if the same had been seen on `factor` times the rows."""


class _ByBounds:
    """Decides by its bounds."""

    def lower(self, alpha: float) -> float:
        raise NotImplementedError

    def upper(self, alpha: float) -> float:
        raise NotImplementedError

    def above(self, threshold: float, alpha: float) -> bool:
        """Whether the lower bound clears the threshold."""
        return self.lower(alpha) > threshold

    def below(self, threshold: float, alpha: float) -> bool:
        """Whether the upper bound clears the threshold."""
        return self.upper(alpha) < threshold
