"""Ranking metrics: one number per query, on the rows of each query in the order of the scores.

Ties are broken by the order of the rows, so that equal input gives equal numbers. A query without
any relevant row counts 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.gates.answers import Answers, Unmeasurable
from penstock.gates.conditions import Term
from penstock.gates.testset import Groups

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows sorted by query and score.

    Attributes:
        query: shape (n,), number of the query, from 0, without gaps.
        rank: shape (n,), place within the query, from 1.
        gain: shape (n,), relevance, not negative.
        ideal: shape (n,), relevance at that place in the best possible order.
        count: number of queries.
    """

    query: NDArray[np.int64]
    rank: NDArray[np.int64]
    gain: Floats
    ideal: Floats
    count: int

    @classmethod
    def of(cls, codes: NDArray[np.int64], scores: Floats, relevance: Floats) -> Ranked:
        """Sort rows.

        >>> ranked = Ranked.of(np.array([0, 0, 1]), np.array([0.1, 0.9, 0.5]), np.array([1., 0, 1]))
        >>> ranked.rank.tolist(), ranked.gain.tolist()
        ([1, 2, 1], [0.0, 1.0, 1.0])
        """
        _, query = np.unique(codes, return_inverse=True)
        order = np.lexsort((-scores, query))
        best = np.lexsort((-relevance, query))
        sorted_query = query[order]
        counts = np.bincount(sorted_query)
        starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
        rank = np.arange(query.size) - starts[sorted_query] + 1
        return cls(sorted_query, rank, relevance[order], relevance[best], int(counts.size))

    def sum(self, values: Floats | NDArray[np.bool_]) -> Floats:
        """Add up numbers per query."""
        return np.bincount(self.query, weights=values, minlength=self.count).astype(np.float64)

    def running(self, values: Floats) -> Floats:
        """Add up numbers from the first place of the query to each place."""
        total = np.cumsum(values)
        first = np.flatnonzero(self.rank == 1)
        before = total[first] - values[first]
        return np.asarray(total - before[self.query], dtype=np.float64)


def _ratio(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def ndcg(ranked: Ranked, k: float) -> Floats:
    """Discounted gain of the first k rows, as a share of the best possible (linear gain)."""
    weight = np.where(ranked.rank <= k, 1 / np.log2(ranked.rank + 1), 0.0)
    return _ratio(ranked.sum(ranked.gain * weight), ranked.sum(ranked.ideal * weight))


def mrr(ranked: Ranked, k: float) -> Floats:
    """One over the place of the first relevant row."""
    hit = np.where((ranked.gain > 0) & (ranked.rank <= k), 1 / ranked.rank, 0.0)
    best = np.zeros(ranked.count)
    np.maximum.at(best, ranked.query, hit)
    return best


def average(ranked: Ranked, k: float) -> Floats:
    """Mean precision at the places of the relevant rows."""
    hit = (ranked.gain > 0).astype(np.float64)
    precision = ranked.running(hit) / ranked.rank
    kept = hit * (ranked.rank <= k)
    return _ratio(ranked.sum(precision * kept), np.minimum(ranked.sum(hit), k))


def precision_at(ranked: Ranked, k: float) -> Floats:
    """Relevant rows among the first k."""
    return ranked.sum((ranked.gain > 0) & (ranked.rank <= k)) / k


def recall_at(ranked: Ranked, k: float) -> Floats:
    """Share of the relevant rows that are among the first k."""
    hit = ranked.gain > 0
    return _ratio(ranked.sum(hit & (ranked.rank <= k)), ranked.sum(hit))


def hit_rate(ranked: Ranked, k: float) -> Floats:
    """Whether any of the first k rows is relevant."""
    return np.minimum(ranked.sum((ranked.gain > 0) & (ranked.rank <= k)), 1.0)


_METRICS: dict[str, Callable[[Ranked, float], Floats]] = {
    "ndcg": ndcg,
    "mrr": mrr,
    "map": average,
    "precision_at": precision_at,
    "recall_at": recall_at,
    "hit_rate": hit_rate,
}


def per_query(answers: Answers, groups: Groups, term: Term) -> Callable[[Rows | None], Floats]:
    """Return what computes a metric per query on chosen rows, each value in [0, 1].

    Args:
        answers: the model's scores, higher is better, and the relevance as the target.
        groups: the rows of each query.
        term: the metric, with k as argument or option; without k all rows count.
    """
    k = term.args[1] if len(term.args) > 1 else term.option("k", float("inf"))
    assert isinstance(k, float)
    relevance = answers.truth
    if relevance.size and relevance.min() < 0:
        raise Unmeasurable("the target has negative numbers: relevance is 0 or more")
    scores = answers.numbers if answers.classes is None else answers.score

    def compute(rows: Rows | None) -> Floats:
        codes, found, gain = groups.codes, scores, relevance
        if rows is not None:
            codes, found, gain = codes[rows], found[rows], gain[rows]
        return _METRICS[term.metric](Ranked.of(codes, found, gain), k)

    return compute
