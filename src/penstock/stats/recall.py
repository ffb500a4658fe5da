"""Average precision: the area under precision over recall, with bounds for any number of rows.

Precision at a recall u is ``pi u / (pi u + (1 - pi) F)``: pi is the share of positives, F the
share of negatives above the threshold at which the recall is u. Recall is cut into cells. The
threshold of a cell lies between two order statistics of the positives' scores; how many negatives
lie above these is binomial, for positives and negatives are drawn apart, and so is pi. Each of the
bounds takes its part of the level, and the worst of each cell counts, so nothing is lost to the
cutting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penstock.stats import proportions

Floats = NDArray[np.float64]

_CELLS = 100


@dataclass(frozen=True, slots=True)
class RecallCurve:
    """What was seen at each distinct score, from the highest down.

    Attributes:
        recall: share of positives at or above it, shape (k,).
        alarms: share of negatives at or above it, shape (k,).
        positives, negatives: counts.

    >>> rng = np.random.default_rng(1)
    >>> positive = rng.random(20_000) < 0.2
    >>> curve = RecallCurve.of(rng.normal(size=20_000) + 2 * positive, positive)
    >>> [round(one, 3) for one in (curve.lower(0.05), curve.value, curve.upper(0.05))]
    [0.709, 0.784, 0.841]
    """

    recall: Floats
    alarms: Floats
    positives: float
    negatives: float

    @classmethod
    def of(cls, scores: Floats, positive: NDArray[np.bool_]) -> RecallCurve:
        """Summarise scores, shape (n,), and which rows are positive, shape (n,)."""
        order = np.argsort(-scores, kind="stable")
        hits = positive[order]
        ends = np.flatnonzero(np.diff(scores[order], append=np.nan) != 0)
        found, alarms = np.cumsum(hits)[ends], np.cumsum(~hits)[ends]
        p, n = int(hits.sum()), int((~hits).sum())
        return cls(found / max(p, 1), alarms / max(n, 1), float(p), float(n))

    @property
    def value(self) -> float:
        """Precision at each step of recall, weighted by the step, as scikit-learn computes it."""
        if not self.positives:
            return math.nan
        hits, alarms = self.recall * self.positives, self.alarms * self.negatives
        steps = np.diff(self.recall, prepend=0.0)
        return float((steps * hits / (hits + alarms)).sum())

    def lower(self, alpha: float) -> float:
        """Return a bound that is above the true average precision with chance at most `alpha`."""
        if not self.positives or not self.negatives:
            return 0.0
        level = alpha / 3
        start, end = _cells()
        share = proportions.lower(self.positives, self.positives + self.negatives, level)
        ranks = _above(self.positives, end, level / _CELLS)
        most = proportions.upper_many(self._alarms_at(ranks), self.negatives, level / _CELLS)
        most[ranks > self.positives] = 1.0
        return float(_precision(share, start, most).mean())

    def upper(self, alpha: float) -> float:
        """Return a bound that is below the true average precision with chance at most `alpha`."""
        if not self.positives or not self.negatives:
            return 1.0
        level = alpha / 5
        start, end = _cells()
        share = proportions.upper(self.positives, self.positives + self.negatives, level)
        ranks = _below(self.positives, start, level / _CELLS)
        least = proportions.lower_many(self._alarms_at(ranks), self.negatives, level / _CELLS)
        least[ranks < 1] = 0.0
        place = self._place(_above(self.positives, end, level / _CELLS))
        band = math.sqrt(math.log(1 / level) / (2 * self.positives))
        recall = np.append(self.recall, 1.0)[place] + band
        return float(_precision(share, np.minimum(recall, 1.0), least).mean())

    def scaled(self, factor: float) -> RecallCurve:
        """Return the same curve of more rows."""
        return replace(self, positives=self.positives * factor, negatives=self.negatives * factor)

    def _place(self, ranks: Floats) -> NDArray[np.intp]:
        """Return where the score of the positive of a rank stands."""
        return np.searchsorted(self.recall, ranks / self.positives - 1e-12)

    def _alarms_at(self, ranks: Floats) -> Floats:
        """Return how many negatives score at least as high as the positive of a rank."""
        place = np.minimum(self._place(np.maximum(ranks, 1.0)), self.alarms.size - 1)
        return np.round(self.alarms[place] * self.negatives)


def _above(n: float, share: Floats, level: float) -> Floats:
    """Return ranks of the positives, from the top, that surely reach a recall."""
    from scipy.stats import binom

    return np.asarray(binom.isf(level, round(n), share) + 1, dtype=np.float64)


def _below(n: float, share: Floats, level: float) -> Floats:
    """Return ranks that surely do not go beyond a recall; 0 for none."""
    from scipy.stats import binom

    return np.asarray(binom.ppf(level, round(n), share), dtype=np.float64)


def _cells() -> tuple[Floats, Floats]:
    edges = np.linspace(0.0, 1.0, _CELLS + 1)
    return edges[:-1], edges[1:]


def _precision(share: float, recall: Floats, alarms: Floats) -> Floats:
    hits, false = share * recall, (1 - share) * alarms
    return np.divide(hits, hits + false, out=np.ones_like(hits), where=hits + false > 0)
