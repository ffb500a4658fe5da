"""Area under the ROC curve: bounds with a finite-sample guarantee, and DeLong's approximate ones.

The area is the mean of a kernel over all pairs of a positive and a negative row (a two-sample
U-statistic). Take `a` positives and `b` negatives for a block: the area is also the average, over
all ways to deal the rows into ``k`` disjoint blocks, of a mean of k independent block areas
(Hoeffding 1963, section 5). So Bernstein's inequality for k independent block areas holds for it,
with their variance; and the same argument bounds that variance by its own unbiased estimate
(Maurer and Pontil 2009; Peel, Anthoine and Ralaivola 2010). Hoeffding's own bound and a few block
sizes share the level, in parts that the number of rows fixes beforehand. With fewer than 20,000
rows of one kind, betting on dealt blocks is narrower (`penstock.stats.dealing`) and is used.

>>> rng = np.random.default_rng(3)
>>> labels = rng.random(4000) < 0.25
>>> scores = rng.normal(size=4000) + labels
>>> sample = AreaSample.of(labels, [(1.0, scores)])
>>> round(sample.value, 4)
0.7431
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penstock.stats.dealing import Dealt

Floats = NDArray[np.float64]

_NUISANCE = 0.1
_FEW = 20_000


@dataclass(frozen=True, slots=True)
class AreaSample:
    """What a linear combination of areas over the same rows shows.

    Attributes:
        value: the combination of the areas.
        positives, negatives: number of rows of each kind.
        range: of the kernel: the sum of the absolute weights.
        low, high: least and largest possible value.
        by_positive, by_negative: variance of the kernel's mean given one positive, one negative
            row; unbiased estimates.
        pair: variance of the kernel over single pairs; unbiased estimate.
        dealt: blocks to bet on, where there are fewer than 20,000 rows of one kind.
    """

    value: float
    positives: int
    negatives: int
    low: float
    high: float
    by_positive: float
    by_negative: float
    pair: float
    dealt: Dealt | None = None

    @property
    def range(self) -> float:
        """Width of the interval that the kernel lies in."""
        return self.high - self.low

    @classmethod
    def of(cls, labels: NDArray[np.bool_], parts: Sequence[tuple[float, Floats]]) -> AreaSample:
        """Summarise scores.

        Args:
            labels: shape (n,), True for positive rows.
            parts: (weight, scores of shape (n,)) of each model.
        """
        m, n = int(labels.sum()), int((~labels).sum())
        low = sum(min(weight, 0.0) for weight, _ in parts)
        high = sum(max(weight, 0.0) for weight, _ in parts)
        if m == 0 or n == 0:
            return cls(math.nan, m, n, low, high, 0.0, 0.0, 0.0)
        placed = [_placements(scores[labels], scores[~labels]) for _, scores in parts]
        weights = [weight for weight, _ in parts]
        x = sum((w * one[0] for w, one in zip(weights, placed, strict=True)), np.zeros(m))
        y = sum((w * one[1] for w, one in zip(weights, placed, strict=True)), np.zeros(n))
        square = _mean_square(labels, parts)
        dealt = Dealt.of(labels, parts, low, high) if min(m, n) < _FEW else None
        return cls(float(x.mean()), m, n, low, high, *_components(x, y, square), dealt)

    def lower(self, alpha: float) -> float:
        """Return a lower confidence bound that holds at level `alpha` for any n."""
        if not self.positives or not self.negatives or alpha <= 0:
            return self.low
        if self.dealt is not None:
            return min(self.value, self.dealt.lower(alpha))
        return max(self.low, self.value - self.radius(alpha, self.value - self.low))

    def upper(self, alpha: float) -> float:
        """Return an upper confidence bound that holds at level `alpha` for any n."""
        if not self.positives or not self.negatives or alpha <= 0:
            return self.high
        if self.dealt is not None:
            return max(self.value, self.dealt.upper(alpha))
        return min(self.high, self.value + self.radius(alpha, self.high - self.value))

    def scaled(self, factor: float) -> AreaSample:
        """Return the same areas on more rows."""
        return replace(
            self,
            positives=round(self.positives * factor),
            negatives=round(self.negatives * factor),
            dealt=None if self.dealt is None else self.dealt.scaled(factor),
        )

    def radius(self, alpha: float, most: float) -> float:
        """Return how far the true value may be at level `alpha`, on one side.

        Args:
            alpha: level.
            most: the distance to the end of the range, which no radius exceeds.
        """
        smaller = min(self.positives, self.negatives)
        sizes, plain = _plan(smaller)
        level = alpha * plain
        hoeffding = self.range * math.sqrt(math.log(1 / level) / (2 * smaller))
        share = (alpha - level) / len(sizes)
        return min(most, hoeffding, *(self._bernstein(size, share) for size in sizes))

    def _bernstein(self, size: int, alpha: float) -> float:
        ratio = max(self.positives, self.negatives) // min(self.positives, self.negatives)
        many = self.positives >= self.negatives
        a, b = (size * ratio, size) if many else (size, size * ratio)
        blocks = min(self.positives // a, self.negatives // b)
        rest = max(self.pair - self.by_positive - self.by_negative, 0.0)
        seen = max(self.by_positive / a + self.by_negative / b + rest / (a * b), 0.0)
        spread = _spread(seen, self.range, blocks // 2, alpha * _NUISANCE)
        level = math.log(1 / (alpha * (1 - _NUISANCE)))
        linear = self.range * level / (3 * blocks)
        return math.sqrt(2 * spread**2 * level / blocks + linear**2) + linear

    def delong(self) -> float:
        """Return DeLong's standard error (1988): approximate, good for large n only."""
        if min(self.positives, self.negatives) < 2:
            return math.inf
        return math.sqrt(self.by_positive / self.positives + self.by_negative / self.negatives)


def _plan(smaller: int) -> tuple[tuple[int, ...], float]:
    """Return block sizes to try, and Hoeffding's share of the level, by the number of rows alone.

    Variances are known well, and larger blocks pay, only where there are many of them.
    """
    if smaller < 3000:
        return (1,), 0.6
    return ((1, 2), 0.05) if smaller < 30_000 else ((1, 2, 4), 0.01)


def _spread(seen: float, width: float, pairs: int, alpha: float) -> float:
    """Return an upper bound on a standard deviation from its unbiased squared estimate.

    Half the squared difference of two blocks lies in [0, width^2 / 2] and its second moment is at
    most width^2 / 2 times its mean, the variance: Bernstein's bound on the lower tail, solved.
    """
    if pairs < 1:
        return width / 2
    extra = width * width * math.log(1 / alpha) / (4 * pairs)
    return min(width / 2, math.sqrt(seen + extra) + math.sqrt(extra))


def _placements(positive: Floats, negative: Floats) -> tuple[Floats, Floats]:
    """Return for each positive the share of negatives below it, for each negative of those above.

    Ties count one half.
    """
    first, second = np.argsort(positive), np.argsort(negative)
    p, q = positive[first], negative[second]
    below, above = np.empty(p.size), np.empty(q.size)
    # Looking up sorted values walks through memory once; they are put back where they came from.
    below[first] = (q.searchsorted(p, "left") + q.searchsorted(p, "right")) / (2 * q.size)
    above[second] = 1 - (p.searchsorted(q, "left") + p.searchsorted(q, "right")) / (2 * p.size)
    return below, above


def _components(x: Floats, y: Floats, square: float) -> tuple[float, float, float]:
    """Return unbiased variances by positive, by negative and of single pairs.

    The kernel is theta + A_i + B_j + G_ij with variances V, U and W; the sample variance of the
    means over rows estimates V + W / n, that over columns U + W / m, and over all pairs the rest.
    """
    m, n = x.size, y.size
    if m < 2 or n < 2:
        return 0.25, 0.25, 0.25
    rows, columns = float(x.var(ddof=1)), float(y.var(ddof=1))
    total = square - float(x.mean()) ** 2
    left, right = 1 - 1 / m, 1 - 1 / n
    rest = (total - rows * left - columns * right) / (left * right)
    by_positive, by_negative = rows - rest / n, columns - rest / m
    return by_positive, by_negative, by_positive + by_negative + rest


def _mean_square(labels: NDArray[np.bool_], parts: Sequence[tuple[float, Floats]]) -> float:
    """Return the mean over all pairs of the squared kernel."""
    total = 0.0
    for index, (weight, scores) in enumerate(parts):
        total += weight * weight * _product(scores, scores, labels, same=True)
        for other, others in parts[index + 1 :]:
            total += 2 * weight * other * _product(scores, others, labels)
    return total


def _product(
    first: Floats, second: Floats, labels: NDArray[np.bool_], *, same: bool = False
) -> float:
    """Return the mean over all pairs of the product of two models' kernels.

    With ties counting one half, a kernel is the mean of "below" and "below or equal": the product
    is a mean of four counts of negatives that lie below in both scores.
    """
    if same:
        p, q = np.sort(first[labels]), np.sort(first[~labels])
        left, right = q.searchsorted(p, "left"), q.searchsorted(p, "right")
        return float(left.mean() + (right - left).mean() / 4) / q.size
    negative = np.lexsort((second[~labels], first[~labels]))
    heights = np.unique(second[~labels], return_inverse=True)
    sorted_first = first[~labels][negative]
    ends = [sorted_first.searchsorted(first[labels], side) for side in ("left", "right")]
    tops = [heights[0].searchsorted(second[labels], side) for side in ("left", "right")]
    if (ends[0] == ends[1]).all() and (tops[0] == tops[1]).all():
        prefix, height = ends[0], tops[0]
    else:
        prefix = np.concatenate([ends[0], ends[0], ends[1], ends[1]])
        height = np.concatenate([tops[0], tops[1], tops[0], tops[1]])
    counts = _dominated(heights[1][negative], prefix, height)
    return float(counts.mean()) / sorted_first.size


def _dominated(
    values: NDArray[np.int64], prefix: NDArray[np.int64], height: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return how many of the first `prefix` values are below `height` (a wavelet matrix).

    >>> _dominated(np.array([2, 0, 1]), np.array([2, 3]), np.array([2, 2])).tolist()
    [1, 2]
    """
    counts = np.zeros(prefix.size, dtype=np.int64)
    whole = height > values.max()
    counts[whole] = prefix[whole]
    height = np.where(whole, 0, height)
    start = np.zeros_like(prefix)
    for bit in range(int(values.max()).bit_length() - 1, -1, -1):
        ones = (values >> bit) & 1
        zeros = np.concatenate([[0], np.cumsum(1 - ones)])
        before, until = zeros[start], zeros[prefix]
        up = ((height >> bit) & 1).astype(bool)
        counts += np.where(up, until - before, 0)
        start = np.where(up, start - before + zeros[-1], before)
        prefix = np.where(up, prefix - until + zeros[-1], until)
        values = np.concatenate([values[ones == 0], values[ones == 1]])
    return counts
