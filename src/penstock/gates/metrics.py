"""Metrics: from the answers of models to quantities that estimates are made of.

A quantity is what a metric is on every row, so that models are compared row by row and slices cost
no second pass: `PerRow` (a number per row, possibly of some rows only) or `Scores` (for ROC AUC).
What is no mean over rows is a `Whole`: an estimate made from chosen rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.gates.answers import Answers, Unmeasurable, same
from penstock.gates.composed import CalibrationError, Quantile, Sum
from penstock.gates.conditions import Term
from penstock.gates.estimates import Estimate, Fixed, Proportion, f_measure
from penstock.gates.scored import Scored
from penstock.stats.calibration import Calibration

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.int64]

LOG_LOSS_CLIP = float(-np.log(1e-3))
"""Where the surprise of one row is cut off: at a probability of 0.001."""


def unbent(value: float) -> float:
    """Return the mean itself: the `finish` of metrics that are a mean."""
    return value


@dataclass(frozen=True, slots=True)
class PerRow:
    """A number per row.

    Attributes:
        values: shape (n,).
        low, high: range fixed beforehand; infinite where there is none.
        among: rows that it is about, shape (n,); None is all. Quantities with the same `about`
            are about the same rows.
        about: names the rows; what depends on a model's answers names the model.
        finish: a rising function of the mean; `bent` says whether there is one.
        clipped: where an unbounded number was cut off.
    """

    values: Floats | Bools
    low: float
    high: float
    among: Bools | None = None
    about: str = "all rows"
    finish: Callable[[float], float] = unbent
    clipped: float | None = None

    @property
    def bent(self) -> bool:
        """Whether the metric is not the mean itself."""
        return self.finish is not unbent

    @property
    def is_share(self) -> bool:
        """Whether each row counts 0 or 1."""
        return self.values.dtype == np.bool_


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores that sort positive above negative rows.

    Attributes:
        scores: shape (n,).
        positive: shape (n,).
    """

    scores: Floats
    positive: Bools


@dataclass(frozen=True, slots=True)
class Whole:
    """An estimate that is made from chosen rows at once.

    Attributes:
        make: takes row numbers, None for all.
    """

    make: Callable[[Rows | None], Estimate]


@dataclass(frozen=True, slots=True)
class PerQuery:
    """A number per query, in [0, 1].

    Attributes:
        compute: takes row numbers, None for all; gives shape (q,), in the order of the queries.
        column: that names the queries.
    """

    compute: Callable[[Rows | None], Floats]
    column: str


Quantity = PerRow | Scores | Whole | PerQuery | Scored
Metric = Callable[[Answers, Term], Quantity]


def _share(values: Bools, among: Bools | None = None, about: str = "all rows") -> PerRow:
    return PerRow(values, 0.0, 1.0, among, about)


def accuracy(answers: Answers, _term: Term) -> Quantity:
    """Share of rows with the right class."""
    return _share(answers.right)


def error_rate(answers: Answers, _term: Term) -> Quantity:
    """Share of rows with the wrong class."""
    return _share(~answers.right)


def precision(answers: Answers, _term: Term) -> Quantity:
    """Share of predicted positives that are positive."""
    return _share(answers.actual, answers.called, f"{answers.who}: called positive")


def recall(answers: Answers, _term: Term) -> Quantity:
    """Share of positives that are found."""
    return _share(answers.called, answers.actual, "positive rows")


def specificity(answers: Answers, _term: Term) -> Quantity:
    """Share of negatives that are called negative."""
    return _share(~answers.called, ~answers.actual, "negative rows")


def false_positive_rate(answers: Answers, _term: Term) -> Quantity:
    """Share of negatives that are called positive."""
    return _share(answers.called, ~answers.actual, "negative rows")


def false_negative_rate(answers: Answers, _term: Term) -> Quantity:
    """Share of positives that are called negative."""
    return _share(~answers.called, answers.actual, "positive rows")


def positive_rate(answers: Answers, _term: Term) -> Quantity:
    """Share of rows that are called positive."""
    return _share(answers.called)


def jaccard(answers: Answers, _term: Term) -> Quantity:
    """True positives among all rows that are called or are positive."""
    either = answers.called | answers.actual
    about = f"{answers.who}: called or being positive"
    return _share(answers.called & answers.actual, either, about)


def f1(answers: Answers, term: Term) -> Quantity:
    """Harmonic mean of precision and recall: a rising function of `jaccard`, so exact as well."""
    inner = jaccard(answers, term)
    assert isinstance(inner, PerRow)
    return PerRow(inner.values, 0.0, 1.0, inner.among, inner.about, f_measure)


def top_k_accuracy(answers: Answers, term: Term) -> Quantity:
    """Share of rows whose class is among the k likeliest (2 by default)."""
    k = term.option("k", 2.0)
    assert isinstance(k, float)
    scores, classes = answers.predictions.scores, answers.predictions.classes
    if scores is None or classes is None or scores.ndim == 1:
        raise Unmeasurable(f"the {answers.who} gives no probabilities per class")
    above = (scores > answers.true_probability[:, None]).sum(axis=1)
    return _share(np.asarray((above < k) & (answers.true_probability > 0)))


def roc_auc(answers: Answers, _term: Term) -> Quantity:
    """Chance that a positive row scores above a negative one."""
    return Scores(answers.score, answers.actual)


def log_loss(answers: Answers, term: Term) -> Quantity:
    """Mean surprise, cut off at `clip` (6.91 by default: a probability of 0.001)."""
    clip = term.option("clip", LOG_LOSS_CLIP)
    assert isinstance(clip, float)
    chance = np.maximum(answers.true_probability, np.exp(-clip))
    return PerRow(-np.log(np.minimum(chance, 1.0)), 0.0, clip, clipped=clip)


def brier_score(answers: Answers, _term: Term) -> Quantity:
    """Mean squared error of the probability of the positive class."""
    return PerRow((answers.probability - answers.actual) ** 2, 0.0, 1.0)


def _error(answers: Answers, term: Term, losses: Floats, *, signed: bool = False) -> PerRow:
    del answers
    clip = term.option("clip")
    if not isinstance(clip, float):
        return PerRow(losses, -np.inf if signed else 0.0, np.inf)
    low = -clip if signed else 0.0
    return PerRow(np.clip(losses, low, clip), low, clip, clipped=clip)


def mae(answers: Answers, term: Term) -> Quantity:
    """Mean absolute error."""
    return _error(answers, term, np.abs(answers.numbers - answers.truth))


def mse(answers: Answers, term: Term) -> Quantity:
    """Mean squared error."""
    return _error(answers, term, (answers.numbers - answers.truth) ** 2)


def bias(answers: Answers, term: Term) -> Quantity:
    """Mean of predicted minus true value."""
    return _error(answers, term, answers.numbers - answers.truth, signed=True)


def mape(answers: Answers, term: Term) -> Quantity:
    """Mean relative error."""
    size = np.maximum(np.abs(answers.truth), np.finfo(np.float64).eps)
    return _error(answers, term, np.abs(answers.numbers - answers.truth) / size)


def rmse(answers: Answers, term: Term) -> Quantity:
    """Root of the mean squared error; `clip` is a level of the error itself."""
    clip = term.option("clip")
    errors = np.abs(answers.numbers - answers.truth)
    if not isinstance(clip, float):
        return PerRow(errors**2, 0.0, np.inf, finish=_root)
    return PerRow(np.minimum(errors, clip) ** 2, 0.0, clip**2, finish=_root, clipped=clip)


def _root(value: float) -> float:
    return float(np.sqrt(max(value, 0.0)))


def median_absolute_error(answers: Answers, _term: Term) -> Quantity:
    """Median of the absolute error."""
    errors = np.abs(answers.numbers - answers.truth)

    def make(rows: Rows | None) -> Estimate:
        chosen = np.sort(errors if rows is None else errors[rows])
        return Quantile(chosen, 0.5, 0.0, np.inf, int(chosen.size))

    return Whole(make)


def max_error(answers: Answers, _term: Term) -> Quantity:
    """Largest absolute error seen; no bound can be given on the largest that will be."""
    errors = np.abs(answers.numbers - answers.truth)

    def make(rows: Rows | None) -> Estimate:
        chosen = errors if rows is None else errors[rows]
        return Fixed(float(chosen.max()) if chosen.size else np.nan, int(chosen.size))

    return Whole(make)


def ece(answers: Answers, term: Term) -> Quantity:
    """Expected calibration error in 10 bins: of the positive class, else of the likeliest one."""
    bins = term.option("bins", 10.0)
    assert isinstance(bins, float)
    if answers.positive is not None:
        chance, truth = answers.probability, answers.actual
    else:
        chance, truth = answers.confidence, answers.right

    def make(rows: Rows | None) -> Estimate:
        if rows is None:
            return CalibrationError(Calibration.of(truth, chance, int(bins)))
        return CalibrationError(Calibration.of(truth[rows], chance[rows], int(bins)))

    return Whole(make)


def balanced_accuracy(answers: Answers, _term: Term) -> Quantity:
    """Mean of the recall of each class, each with its exact bounds."""
    if answers.classes is None:
        raise Unmeasurable("the target is a number, not a class")
    classes = [same(answers.known, np.asarray(one)) for one in answers.classes]
    right = answers.right

    def make(rows: Rows | None) -> Estimate:
        parts: list[tuple[float, Estimate]] = []
        for one in classes:
            among = one if rows is None else one[rows]
            hits = (right if rows is None else right[rows])[among]
            parts.append((1 / len(classes), Proportion(float(hits.sum()), float(hits.size))))
        return Sum(tuple(parts))

    return Whole(make)


def within(answers: Answers, term: Term) -> Quantity:
    """Share of rows whose error is at most the argument."""
    most = term.args[0]
    assert isinstance(most, float)
    return _share(np.abs(answers.numbers - answers.truth) <= most)


PER_ROW: dict[str, Metric] = {
    one.__name__: one
    for one in (
        accuracy,
        error_rate,
        precision,
        recall,
        specificity,
        false_positive_rate,
        false_negative_rate,
        positive_rate,
        jaccard,
        f1,
        top_k_accuracy,
        roc_auc,
        log_loss,
        brier_score,
        mae,
        mse,
        bias,
        mape,
        rmse,
        median_absolute_error,
        max_error,
        ece,
        balanced_accuracy,
        within,
    )
}
"""Metrics that need nothing but the answers, by name."""
