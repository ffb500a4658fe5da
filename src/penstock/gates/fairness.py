"""Fairness: the gap between the groups of a column, with exact bounds.

A gap is the largest minus the smallest rate over the groups. Which two groups are farthest apart in
truth is fixed, so the upper bound needs each of their two bounds only; the lower bound has to hold
for the pair that the data made.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.gates.answers import Answers
from penstock.gates.conditions import Term
from penstock.gates.estimates import EXACT
from penstock.gates.metrics import Whole
from penstock.gates.testset import Groups
from penstock.stats import proportions

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Gap:
    """The gap of a rate between groups.

    Attributes:
        names: of the groups.
        successes, trials: shape (g,), counts of each group.

    >>> gap = Gap(("f", "m"), np.array([300.0, 330.0]), np.array([1000.0, 1000.0]))
    >>> round(gap.value, 3), round(gap.upper(0.025), 3), gap.lower(0.025)
    (0.03, 0.097, 0.0)
    """

    names: tuple[str, ...]
    successes: Floats
    trials: Floats
    guarantee: str = EXACT
    method: str = "clopper-pearson per group"

    @property
    def value(self) -> float:
        """The gap that was seen, over groups that have any rows."""
        seen = self.trials > 0
        if not seen.any():
            return math.nan
        rates = self.successes[seen] / self.trials[seen]
        return float(rates.max() - rates.min())

    @property
    def n(self) -> int:
        """Rows behind the number."""
        return int(self.trials.sum())

    @property
    def details(self) -> dict[str, Any]:
        """The rate of each group."""
        rates = {
            name: {"rate": float(k / n) if n else None, "n": int(n)}
            for name, k, n in zip(self.names[:50], self.successes, self.trials, strict=False)
        }
        return {"groups": rates}

    def upper(self, alpha: float) -> float:
        """Return an upper bound on the true gap."""
        if len(self.names) < 2:
            return 0.0
        high = proportions.upper_many(self.successes, self.trials, alpha / 2)
        low = proportions.lower_many(self.successes, self.trials, alpha / 2)
        apart = high[:, None] - low[None, :]
        np.fill_diagonal(apart, 0.0)
        return float(apart.max())

    def lower(self, alpha: float) -> float:
        """Return a lower bound on the true gap."""
        level = alpha / (2 * max(1, len(self.names)))
        high = proportions.upper_many(self.successes, self.trials, level)
        low = proportions.lower_many(self.successes, self.trials, level)
        return max(0.0, float(low.max(initial=0.0) - high.min(initial=1.0)))

    def scaled(self, factor: float) -> Gap:
        """Return the same rates on more rows."""
        return replace(self, successes=self.successes * factor, trials=self.trials * factor)


@dataclass(frozen=True, slots=True)
class LargestGap:
    """The largest of several gaps."""

    gaps: tuple[Gap, ...]
    guarantee: str = EXACT
    method: str = "clopper-pearson per group"

    @property
    def value(self) -> float:
        """The largest gap that was seen."""
        return max(gap.value for gap in self.gaps)

    @property
    def n(self) -> int:
        """Rows behind the numbers."""
        return sum(gap.n for gap in self.gaps)

    @property
    def details(self) -> dict[str, Any]:
        """The rates behind each gap."""
        return {"gaps": [gap.details for gap in self.gaps]}

    def upper(self, alpha: float) -> float:
        """Return an upper bound: which gap is largest in truth is fixed, so it needs no share."""
        return max(gap.upper(alpha) for gap in self.gaps)

    def lower(self, alpha: float) -> float:
        """Return a lower bound, whichever gap it comes from."""
        return max(gap.lower(alpha / len(self.gaps)) for gap in self.gaps)

    def scaled(self, factor: float) -> LargestGap:
        """Return the same rates on more rows."""
        return replace(self, gaps=tuple(gap.scaled(factor) for gap in self.gaps))


def demographic_parity(answers: Answers, groups: Groups, _term: Term) -> Whole:
    """Gap of the share of rows that are called positive."""
    return _whole(groups, [(answers.called, None)])


def equal_opportunity(answers: Answers, groups: Groups, _term: Term) -> Whole:
    """Gap of recall: of the share of positives that are found."""
    return _whole(groups, [(answers.called, answers.actual)])


def equalized_odds(answers: Answers, groups: Groups, _term: Term) -> Whole:
    """Larger gap of recall and of the share of negatives that are called positive."""
    return _whole(groups, [(answers.called, answers.actual), (answers.called, ~answers.actual)])


def accuracy_gap(answers: Answers, groups: Groups, _term: Term) -> Whole:
    """Gap of accuracy."""
    return _whole(groups, [(answers.right, None)])


def _whole(groups: Groups, rates: list[tuple[Bools, Bools | None]]) -> Whole:
    def make(rows: Rows | None) -> Gap | LargestGap:
        gaps = tuple(_gap(groups, values, among, rows) for values, among in rates)
        return gaps[0] if len(gaps) == 1 else LargestGap(gaps)

    return Whole(make)


def _gap(groups: Groups, values: Bools, among: Bools | None, rows: Rows | None) -> Gap:
    codes = groups.codes
    if rows is not None:
        codes, values = codes[rows], values[rows]
        among = None if among is None else among[rows]
    if among is not None:
        codes, values = codes[among], values[among]
    count = len(groups.names)
    trials = np.bincount(codes, minlength=count).astype(np.float64)
    hits = np.bincount(codes, weights=values, minlength=count)
    return Gap(groups.names, np.asarray(hits, dtype=np.float64), trials)


FAIRNESS: dict[str, Callable[[Answers, Groups, Term], Whole]] = {
    one.__name__: one
    for one in (demographic_parity, equal_opportunity, equalized_odds, accuracy_gap)
}
"""Fairness metrics by name; the first argument of the term is the column."""
