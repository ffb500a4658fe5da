"""Bounds on a mean over pairs of rows, by betting on dealt blocks.

Deal the positive and the negative rows into disjoint blocks and take the mean of the kernel within
each: numbers that are independent and have the true area as their mean. Betting on them gives an
e-value against "the area is at most m" (see `penstock.stats.bounded`). The average over several
deals and block sizes is an e-value again, whatever their dependence: small blocks are many, large
blocks vary little, and the average is nearly as good as the best of them. The deals are made by a
fixed hash of the position of a row, which knows nothing of its content.

>>> rng = np.random.default_rng(3)
>>> labels = rng.random(4000) < 0.25
>>> scores = rng.normal(size=4000) + labels
>>> dealt = Dealt.of(labels, [(1.0, scores)], 0.0, 1.0)
>>> round(dealt.lower(0.001), 3), round(dealt.upper(0.001), 3)
(0.704, 0.783)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from penstock.stats import bounded
from penstock.stats.resampling import shuffled

Floats = NDArray[np.float64]

_SIZES = (1, 4, 16)
_DEALS = 8
_PAIRS = 4_000_000


@dataclass(frozen=True, slots=True)
class Dealt:
    """Block means of several deals.

    Attributes:
        tables: for each block size its distinct block means, scaled to [0, 1], shape (v,), and how
            often each was dealt, shape (deals, v).
        low, high: range of the kernel.
    """

    tables: tuple[tuple[Floats, Floats], ...]
    low: float
    high: float

    @classmethod
    def of(
        cls,
        labels: NDArray[np.bool_],
        parts: Sequence[tuple[float, Floats]],
        low: float,
        high: float,
    ) -> Dealt:
        """Deal rows.

        Args:
            labels: shape (n,), True for positive rows; both kinds are there.
            parts: (weight, scores of shape (n,)) of each model.
            low, high: range of the weighted sum of kernels.
        """
        split = [(weight, scores[labels], scores[~labels]) for weight, scores in parts]
        smaller = min(split[0][1].size, split[0][2].size)
        tables = []
        for size in _SIZES:
            if size > 1 and smaller // size < 4:
                break
            deals = [_deal(split, size, number) for number in range(_DEALS)]
            means = (np.concatenate(deals) - low) / (high - low)
            values, place = np.unique(np.clip(means, 0.0, 1.0).round(12), return_inverse=True)
            rows = np.repeat(np.arange(_DEALS), [one.size for one in deals])
            counts = np.bincount(rows * values.size + place, minlength=_DEALS * values.size)
            tables.append((values, counts.reshape(_DEALS, values.size).astype(np.float64)))
        return cls(tuple(tables), low, high)

    def lower(self, alpha: float) -> float:
        """Return a lower confidence bound on the true mean."""
        return self.low + (self.high - self.low) * self._bound(self.tables, alpha)

    def upper(self, alpha: float) -> float:
        """Return an upper confidence bound on the true mean."""
        mirrored = tuple((1.0 - values, counts) for values, counts in self.tables)
        return self.high - (self.high - self.low) * self._bound(mirrored, alpha)

    def _bound(self, tables: tuple[tuple[Floats, Floats], ...], alpha: float) -> float:
        level = math.log(1 / alpha)
        blocks = [float(counts.sum()) / _DEALS for _, counts in tables]
        bets = [bounded.bets(count, level) for count in blocks]

        def evidence(mean: float) -> float:
            found = [
                (np.log1p(np.minimum(bet, bounded.RISK / mean)[:, None] * (values - mean)))
                @ counts.T
                for bet, (values, counts) in zip(bets, tables, strict=True)
            ]
            flat = [bounded.log_mean_exp(one.ravel()) for one in found]
            return bounded.log_mean_exp(np.asarray(flat))

        values, counts = tables[0]
        total = counts.sum(axis=0)
        centre = float(values @ total / total.sum())
        spread = float(total @ (values - centre) ** 2 / total.sum())
        radius = math.sqrt(2 * level * max(spread, 1e-12) / blocks[0])
        return bounded.edge(evidence, centre, radius, level)

    def scaled(self, factor: float) -> Dealt:
        """Return the same block means, each dealt more often."""
        return replace(self, tables=tuple((one, counts * factor) for one, counts in self.tables))


def _deal(split: Sequence[tuple[float, Floats, Floats]], size: int, number: int) -> Floats:
    """Return the mean kernel of each block of one deal."""
    m, n = split[0][1].size, split[0][2].size
    ratio = max(m, n) // min(m, n)
    a, b = (size, size * ratio) if m <= n else (size * ratio, size)
    blocks = min(m // a, n // b)
    rows = shuffled(m, 2 * number)[: blocks * a].reshape(blocks, a)
    columns = shuffled(n, 2 * number + 1)[: blocks * b].reshape(blocks, b)
    means = np.zeros(blocks)
    step = max(1, _PAIRS // (a * b))
    for start in range(0, blocks, step):
        part = slice(start, start + step)
        for weight, positive, negative in split:
            above, below = positive[rows[part]][:, :, None], negative[columns[part]][:, None, :]
            wins = (above > below).sum(axis=(1, 2)) + 0.5 * (above == below).sum(axis=(1, 2))
            means[part] += weight * wins / (a * b)
    return means
