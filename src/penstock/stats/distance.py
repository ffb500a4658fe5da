"""How far two distributions are apart, from counts; and what is expected of a model without labels.

All distances work on counts in common cells, so that they need neither the rows nor a second look
at them. `s2 = 1/n + 1/m` is the sampling noise of two samples of n and m rows: without any drift a
population stability index of ``(cells - 1) * s2`` is to be expected, and more where rows depend on
each other (the *design effect*).

>>> import numpy as np
>>> rng = np.random.default_rng(7)
>>> edges = np.linspace(-2, 2, 19)
>>> before = np.bincount(np.searchsorted(edges, rng.normal(0.0, 1, 100_000)), minlength=20)
>>> after = np.bincount(np.searchsorted(edges, rng.normal(0.2, 1, 5_000)), minlength=20)
>>> round(psi_corrected(before, after), 3)
0.044
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
LEAST_EXPECTED = 5.0
"""Rows that each cell must be expected to have, for the chi-squared law to hold (Cochran 1954)."""


def pool(
    reference: ArrayLike, current: ArrayLike, *, least: float = LEAST_EXPECTED
) -> NDArray[np.int64]:
    """Return, per cell, the group that it is put into, so that no group is expected too empty.

    Neighbours are joined until the smaller sample is expected to have `least` rows in the group.

    Args:
        reference, current: counts, shape (cells,); neighbours are alike.
        least: expected rows of a group in the smaller of the samples.

    >>> pool([100, 3, 2, 95], [100, 3, 2, 95]).tolist()
    [0, 1, 1, 2]
    >>> pool([100, 1, 95], [100, 2, 95]).tolist()
    [0, 1, 1]
    """
    both = np.asarray(reference, np.float64) + np.asarray(current, np.float64)
    total = both.sum()
    share = min(float(np.sum(reference)), float(np.sum(current))) / total if total else 0.0
    groups = np.zeros(len(both), np.int64)
    group, mass = 0, 0.0
    for cell, expected in enumerate(both * share):
        groups[cell] = group
        mass += float(expected)
        if mass >= least:
            group, mass = group + 1, 0.0
    if mass < least and group > 0:  # what is left over joins the last full group
        groups[groups == group] = group - 1
    return groups


def _grouped(counts: ArrayLike, groups: NDArray[np.int64]) -> Floats:
    weights = np.asarray(counts, np.float64)
    return np.bincount(groups, weights=weights).astype(np.float64)


def chi_squared(
    reference: ArrayLike, current: ArrayLike, *, effect: float = 1.0
) -> tuple[float, int]:
    """Return the two-sample chi-squared statistic and its degrees of freedom.

    Cells that are expected too empty are pooled first. Pearson's statistic; without drift and with
    independent rows it follows the chi-squared law, else about `effect` times that.

    Args:
        reference, current: counts, shape (cells,).
        effect: design effect: so many rows say as much as one independent row.

    >>> statistic, free = chi_squared([50, 30, 20], [40, 30, 30])
    >>> round(statistic, 3), free
    (3.111, 2)
    """
    groups = pool(reference, current, least=LEAST_EXPECTED * effect)
    a, b = _grouped(reference, groups), _grouped(current, groups)
    n_a, n_b = a.sum(), b.sum()
    if len(a) < 2 or n_a == 0 or n_b == 0:
        return 0.0, 0
    # Equal to the sum over both samples of (observed - expected)^2 / expected.
    difference = a * math.sqrt(n_b / n_a) - b * math.sqrt(n_a / n_b)
    return float((difference**2 / (a + b)).sum()), len(a) - 1


@dataclass(frozen=True, slots=True)
class Trend:
    """A shift of the whole distribution to one side.

    Attributes:
        statistic: squared z of the mean rank (Mann and Whitney, from binned data); one degree of
            freedom.
        shift: in standard deviations of a normal distribution that would show the same mean rank;
            positive when the current values are greater.
    """

    statistic: float
    shift: float


def trend(reference: ArrayLike, current: ArrayLike) -> Trend:
    """Return the evidence that values moved to one side; cells must be in the order of the values.

    A chi-squared over B cells spreads its power over B - 1 directions. Most drifts move everything
    one way, and for those a single degree of freedom sees shifts that are half as large.

    Args:
        reference, current: counts, shape (cells,).

    >>> found = trend([100, 100, 100, 100], [90, 95, 105, 110])
    >>> round(found.statistic, 3), round(found.shift, 3)
    (1.225, 0.078)
    """
    from scipy.special import ndtri

    a, b = np.asarray(reference, np.float64), np.asarray(current, np.float64)
    n_a, n_b = a.sum(), b.sum()
    both = a + b
    total = both.sum()
    if n_a == 0 or n_b == 0:
        return Trend(0.0, 0.0)
    ridit = (np.cumsum(both) - both / 2.0) / total  # mean rank of a cell, between 0 and 1
    variance = float((both * (ridit - 0.5) ** 2).sum() / total)
    if variance <= 0:
        return Trend(0.0, 0.0)
    gap = float((b * ridit).sum() / n_b - (a * ridit).sum() / n_a)
    statistic = gap**2 / (variance * float(1.0 / n_a + 1.0 / n_b))
    # For normal values the chance that a current one is greater is Phi(shift / sqrt(2)).
    chance = min(max(0.5 + gap, 1e-9), 1 - 1e-9)
    return Trend(statistic, math.sqrt(2.0) * float(ndtri(chance)))


def psi(reference: ArrayLike, current: ArrayLike, *, smoothing: float = 0.5) -> float:
    """Return the population stability index, with half a row added to every cell.

    >>> round(psi([500, 300, 200], [450, 300, 250]), 4)
    0.0164
    """
    p = np.asarray(reference, np.float64) + smoothing
    q = np.asarray(current, np.float64) + smoothing
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def psi_corrected(reference: ArrayLike, current: ArrayLike, *, effect: float = 1.0) -> float:
    """Return the stability index less what chance alone would give (Yurdakul 2018).

    Cells are pooled as for `chi_squared`. It may be negative: less difference than expected.

    Args:
        reference, current: counts, shape (cells,).
        effect: design effect: how many times more than independent rows the counts scatter.
    """
    groups = pool(reference, current, least=LEAST_EXPECTED * effect)
    a, b = _grouped(reference, groups), _grouped(current, groups)
    if len(a) < 2 or a.sum() == 0 or b.sum() == 0:
        return 0.0
    noise = 1.0 / a.sum() + 1.0 / b.sum()
    return psi(a, b) - (len(a) - 1) * effect * float(noise)


def js_distance(reference: ArrayLike, current: ArrayLike) -> float:
    """Return the Jensen-Shannon distance in nats, between 0 and sqrt(ln 2).

    >>> round(js_distance([1, 0], [0, 1]), 4)
    0.8326
    """
    p, q = (np.asarray(one, np.float64) for one in (reference, current))
    if p.sum() == 0 or q.sum() == 0:
        return 0.0
    p, q = p / p.sum(), q / q.sum()
    middle = (p + q) / 2.0
    parts = [float((one[one > 0] * np.log(one[one > 0] / middle[one > 0])).sum()) for one in (p, q)]
    return math.sqrt(max(sum(parts) / 2.0, 0.0))


def w1(reference: ArrayLike, current: ArrayLike, places: ArrayLike) -> float:
    """Return the Wasserstein-1 distance of two histograms, in the unit of the values.

    Args:
        reference, current: counts, shape (cells,), in the order of the values.
        places: where the mass of each cell stands (its mean), shape (cells,).

    >>> w1([1, 0, 0], [0, 0, 1], [0.0, 1.0, 3.0])
    3.0
    """
    p, q = (np.asarray(one, np.float64) for one in (reference, current))
    if p.sum() == 0 or q.sum() == 0:
        return 0.0
    gaps = np.diff(np.asarray(places, np.float64))
    return float((np.abs(np.cumsum(p / p.sum() - q / q.sum()))[:-1] * gaps).sum())


def p_value(statistic: float, free: float, *, effect: float = 1.0, blocks: int = 0) -> float:
    """Return the chance of a statistic at least as large without drift.

    Args:
        statistic: of `chi_squared` or `trend`.
        free: its degrees of freedom.
        effect: design effect that it is divided by.
        blocks: from how many blocks the effect was estimated; the fewer, the heavier the tail (an
            F law instead of a chi-squared one). 0: the effect is known.

    >>> round(p_value(15.0, 5), 4), round(p_value(15.0, 5, effect=2.0, blocks=20), 4)
    (0.0104, 0.1966)
    """
    from scipy.special import chdtrc, fdtrc

    if free < 1:
        return 1.0
    scaled = statistic / effect
    return float(fdtrc(free, blocks * free, scaled / free) if blocks else chdtrc(free, scaled))


def least_shift(n: int, m: int, p: float, *, effect: float = 1.0, blocks: int = 0) -> float:
    """Return the shift, in standard deviations, that `trend` finds in every other window.

    Args:
        n, m: rows of the two samples.
        p: that is significant.
        effect, blocks: as in `p_value`.

    >>> round(least_shift(1000, 100_000, 0.001), 2)
    0.11
    >>> round(least_shift(1000, 100_000, 0.001, effect=100.0, blocks=20), 2)
    1.25
    """
    from scipy.special import chdtri, fdtri

    critical = fdtri(1, blocks, 1.0 - p) if blocks else chdtri(1, p)
    # The mean rank of normal values knows 3 / pi of what their mean does.
    return math.sqrt(float(critical) * effect * (1.0 / n + 1.0 / m) * math.pi / 3.0)


def cauchy(p_values: Sequence[float], weights: Sequence[float]) -> float:
    """Combine p-values of dependent tests of one hypothesis (Liu and Xie 2020).

    Args:
        p_values: of the tests.
        weights: that sum to 1: which test is listened to most.

    >>> round(cauchy([0.001, 0.4], [0.5, 0.5]), 5)
    0.002
    """
    parts = []
    for p in p_values:
        p = min(max(p, 1e-300), 1 - 1e-12)
        # tan loses its digits near its pole; there it is 1 / (pi p).
        parts.append(1.0 / (math.pi * p) if p < 1e-12 else math.tan((0.5 - p) * math.pi))
    mean = sum(weight * part for weight, part in zip(weights, parts, strict=True))
    return 1.0 / (math.pi * mean) if mean > 1e12 else 0.5 - math.atan(mean) / math.pi


def design_effect(statistics: Sequence[float], free: Sequence[float]) -> float:
    """Return how many times more blocks of the reference scatter than independent rows would.

    Args:
        statistics: of each contiguous block against the rest of the reference.
        free: their degrees of freedom.

    >>> design_effect([12.0, 8.0, 10.0], [5, 5, 5])
    2.0
    >>> design_effect([3.0, 4.0], [5, 5])
    1.0
    """
    total = sum(free)
    return max(1.0, sum(statistics) / total) if total else 1.0


@dataclass(frozen=True, slots=True)
class Components:
    """Principal components of standardised features, and what they leave unexplained.

    Attributes:
        mean, scale: of each feature, shape (features,).
        axes: shape (kept, features), orthonormal.
    """

    mean: Floats
    scale: Floats
    axes: Floats

    def errors(self, rows: Floats) -> Floats:
        """Return each row's squared distance from the components' space, shape (rows,).

        Missing values stand at the mean.
        """
        z = np.nan_to_num((rows - self.mean) / self.scale, nan=0.0, posinf=0.0, neginf=0.0)
        np.clip(z, -10.0, 10.0, out=z)  # one absurd value must not hide what all others say
        rest = z - (z @ self.axes.T) @ self.axes
        return np.asarray((rest**2).sum(axis=1))


def components(rows: Floats, *, explained: float = 0.65) -> Components:
    """Fit principal components that explain a share of the variance, by a singular value split.

    Args:
        rows: shape (rows, features); missing values are NaN.
        explained: share of the variance to keep; one component at least, and never all.

    >>> rng = np.random.default_rng(3)
    >>> shared = rng.normal(size=(2000, 1))
    >>> together = shared + 0.5 * rng.normal(size=(2000, 4))
    >>> fitted = components(together)
    >>> apart = rng.normal(size=(2000, 4)) * together.std(axis=0)
    >>> [round(float(fitted.errors(one).mean()), 2) for one in (together, apart)]
    [0.61, 2.92]
    """
    mean = np.nanmean(rows, axis=0)
    scale = np.nanstd(rows, axis=0)
    mean, scale = np.nan_to_num(mean), np.where(np.nan_to_num(scale) > 0, scale, 1.0)
    z = np.clip(np.nan_to_num((rows - mean) / scale), -10.0, 10.0)
    values, vectors = np.linalg.eigh(z.T @ z / max(len(z), 1))
    order = np.argsort(values)[::-1]
    share = np.cumsum(values[order]) / max(values.sum(), 1e-300)
    kept = min(int(np.searchsorted(share, explained)) + 1, max(rows.shape[1] - 1, 1))
    return Components(mean, scale, vectors[:, order[:kept]].T.copy())
