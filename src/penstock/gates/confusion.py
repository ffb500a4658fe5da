"""Metrics of the whole confusion matrix or curve, with bounds that hold for any number of rows.

Averages over classes take the exact bounds of each class at its part of the level. Micro averages,
and recall weighted by class, are shares of rows when every row has one class. Matthews' correlation
rises with precision and recall of both classes (Chicco and Jurman 2020), so its bounds are those of
the four.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.gates.answers import Answers, Unmeasurable, same
from penstock.gates.composed import Sum
from penstock.gates.conditions import Term
from penstock.gates.estimates import EXACT, FINITE, Area, Estimate, Proportion, f_measure
from penstock.gates.metrics import Bools, PerRow, Quantity, Rows, Whole
from penstock.stats.ranks import AreaSample
from penstock.stats.recall import RecallCurve

Counts = Callable[[Bools, Bools], tuple[Bools, Bools]]
"""(called, actual) of a class to (rows that count, rows among which)."""


def _jaccard_of(share: float) -> float:
    """Turn accuracy into the micro average of Jaccard's index: right / (2 n - right)."""
    return share / (2 - share)


def macro(count: Counts, finish: Callable[[float], float] | None = None) -> Any:
    """Return the metric that averages a share over all classes, each counting the same."""

    def metric(answers: Answers, _term: Term) -> Quantity:
        told = [(_is(answers.labels, one), _is(answers.known, one)) for one in _classes(answers)]

        def make(rows: Rows | None) -> Estimate:
            parts: list[tuple[float, Estimate]] = []
            for called, actual in told:
                hits, among = count(
                    *((called, actual) if rows is None else (called[rows], actual[rows]))
                )
                share = Proportion(float((hits & among).sum()), float(among.sum()))
                parts.append(
                    (1 / len(told), share if finish is None else replace(share, finish=finish))
                )
            return Sum(tuple(parts))

        return Whole(make)

    return metric


def micro(finish: Callable[[float], float] | None = None) -> Any:
    """Return accuracy, or a rising function of it: every row has one class."""

    def metric(answers: Answers, _term: Term) -> Quantity:
        _classes(answers)
        found = PerRow(answers.right, 0.0, 1.0)
        return found if finish is None else replace(found, finish=finish)

    return metric


def wrong(answers: Answers, _term: Term) -> Quantity:
    """Share of rows with the wrong class: zero-one and Hamming loss."""
    _classes(answers)
    return PerRow(~answers.right, 0.0, 1.0)


def areas(answers: Answers, _term: Term) -> Quantity:
    """Mean over classes of the area under the ROC curve of one class against the rest."""
    classes, scores = answers.predictions.classes, answers.predictions.scores
    if scores is None or classes is None or scores.ndim == 1:
        raise Unmeasurable(f"the {answers.who} gives no probabilities per class")
    if not np.isfinite(scores).all():
        raise Unmeasurable(f"the {answers.who} gave scores that are NaN or infinite")
    actual = [_is(answers.known, one) for one in classes]

    def make(rows: Rows | None) -> Estimate:
        parts: list[tuple[float, Estimate]] = []
        for index, one in enumerate(actual):
            column = scores[:, index]
            true, score = (one, column) if rows is None else (one[rows], column[rows])
            parts.append((1 / len(actual), Area(AreaSample.of(true, [(1.0, score)]))))
        return Sum(tuple(parts))

    return Whole(make)


@dataclass(frozen=True, slots=True)
class Correlation:
    """Matthews' correlation of two yes-or-no columns, by the exact bounds of four shares.

    Attributes:
        cells: rows that are (called and positive, called only, positive only, neither).

    >>> seen = Correlation((400.0, 50.0, 100.0, 450.0))
    >>> round(seen.value, 3), round(seen.lower(0.025), 3), round(seen.upper(0.025), 3)
    (0.704, 0.617, 0.777)
    """

    cells: tuple[float, float, float, float]
    guarantee: str = EXACT
    method: str = "clopper-pearson of precision and recall of both classes"

    @property
    def value(self) -> float:
        """The correlation that was seen; 0 when one column is constant, as scikit-learn says."""
        both, called, actual, neither = self.cells
        below = (both + called) * (both + actual) * (neither + called) * (neither + actual)
        if not sum(self.cells):
            return math.nan
        return (both * neither - called * actual) / math.sqrt(below) if below else 0.0

    @property
    def n(self) -> int:
        """Rows behind the number."""
        return int(sum(self.cells))

    @property
    def details(self) -> dict[str, Any]:
        """The counts."""
        names = ("true_positives", "false_positives", "false_negatives", "true_negatives")
        return dict(zip(names, map(int, self.cells), strict=True))

    def lower(self, alpha: float) -> float:
        """Return the lower bound: that of each of the four shares at a quarter of the level."""
        return self._at(alpha / 4, Proportion.lower)

    def upper(self, alpha: float) -> float:
        """Return the upper bound."""
        return self._at(alpha / 4, Proportion.upper)

    def _at(self, level: float, bound: Callable[[Proportion, float], float]) -> float:
        both, called, actual, neither = self.cells
        pairs = ((both, called), (both, actual), (neither, called), (neither, actual))
        shares = [bound(Proportion(hits, hits + misses), level) for hits, misses in pairs]
        return math.sqrt(math.prod(shares)) - math.sqrt(math.prod(1 - one for one in shares))

    def scaled(self, factor: float) -> Correlation:
        """Return the same shares of more rows."""
        a, b, c, d = (one * factor for one in self.cells)
        return replace(self, cells=(a, b, c, d))


def mcc(answers: Answers, _term: Term) -> Quantity:
    """Matthews' correlation of predicted and true positives."""
    told, true = answers.called, answers.actual

    def make(rows: Rows | None) -> Estimate:
        called, actual = (told, true) if rows is None else (told[rows], true[rows])
        cells = (called & actual, called & ~actual, ~called & actual, ~called & ~actual)
        a, b, c, d = (float(one.sum()) for one in cells)
        return Correlation((a, b, c, d))

    return Whole(make)


@dataclass(frozen=True, slots=True)
class AveragePrecision:
    """Area under precision over recall."""

    curve: RecallCurve
    guarantee: str = FINITE
    method: str = "order statistics and clopper-pearson over recall"

    @property
    def value(self) -> float:
        """The area that was seen."""
        return self.curve.value

    @property
    def n(self) -> int:
        """Rows behind the number."""
        return int(self.curve.positives + self.curve.negatives)

    @property
    def details(self) -> dict[str, Any]:
        """The counts."""
        return {"positives": int(self.curve.positives), "negatives": int(self.curve.negatives)}

    def lower(self, alpha: float) -> float:
        """Return the lower bound."""
        return self.curve.lower(alpha)

    def upper(self, alpha: float) -> float:
        """Return the upper bound."""
        return self.curve.upper(alpha)

    def scaled(self, factor: float) -> AveragePrecision:
        """Return the same curve of more rows."""
        return replace(self, curve=self.curve.scaled(factor))


def average_precision(answers: Answers, _term: Term) -> Quantity:
    """Precision at each step of recall, weighted by the step, not interpolated."""
    score, actual = answers.score, answers.actual

    def make(rows: Rows | None) -> Estimate:
        if rows is None:
            return AveragePrecision(RecallCurve.of(score, actual))
        return AveragePrecision(RecallCurve.of(score[rows], actual[rows]))

    return Whole(make)


def _classes(answers: Answers) -> NDArray[Any]:
    """Return all classes, of the models and of the target."""
    if answers.classes is None:
        raise Unmeasurable("the target is a number, not a class")
    return answers.classes


def _is(values: NDArray[Any], one: Any) -> Bools:
    return np.asarray(same(values, np.asarray(one)))


CONFUSION: dict[str, Callable[[Answers, Term], Quantity]] = {
    "mcc": mcc,
    "average_precision": average_precision,
    "precision_macro": macro(lambda called, actual: (actual, called)),
    "recall_macro": macro(lambda called, actual: (called, actual)),
    "jaccard_macro": macro(lambda called, actual: (called & actual, called | actual)),
    "f1_macro": macro(lambda called, actual: (called & actual, called | actual), f_measure),
    "precision_micro": micro(),
    "recall_micro": micro(),
    "f1_micro": micro(),
    "recall_weighted": micro(),
    "jaccard_micro": micro(_jaccard_of),
    "zero_one_loss": wrong,
    "hamming_loss": wrong,
    "roc_auc_ovr": areas,
}
"""Metrics of the confusion matrix, by name."""
