"""Metrics that are no mean over rows: computed on sets of rows, with an approximate interval.

Ours is R squared; everything else of scikit-learn is
computed by scikit-learn, where it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.gates.answers import Answers, Unmeasurable
from penstock.gates.conditions import Term

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
ScoreMany = Callable[[Sequence[Rows]], Sequence[float]]

_AVERAGES = ("macro", "micro", "weighted", "samples")
_PROBABILITIES = ("roc_auc_ov", "log_loss", "d2_log_loss", "d2_brier", "brier")
_ODD_NAMES = {
    "explained_variance": "explained_variance_score",
    "log_loss": "log_loss",
    "brier_score": "brier_score_loss",
    "max_error": "max_error",
    "negative_likelihood_ratio": "class_likelihood_ratios",
    "positive_likelihood_ratio": "class_likelihood_ratios",
}


@dataclass(frozen=True, slots=True)
class Scored:
    """A metric that is computed on sets of rows.

    Attributes:
        score: takes sets of row numbers, gives one number for each.
        n: number of rows of the test set.
    """

    score: ScoreMany
    n: int


def each(one: Callable[[Rows], float]) -> ScoreMany:
    """Compute sets of rows one after the other."""
    return lambda sets: [one(rows) for rows in sets]


def r2(answers: Answers, _term: Term) -> Scored:
    """Share of the variance that is explained."""
    truth, error = answers.truth, answers.truth - answers.numbers

    def one(rows: Rows) -> float:
        spread = float(((truth[rows] - truth[rows].mean()) ** 2).sum()) if rows.size else 0.0
        return 1 - float((error[rows] ** 2).sum()) / spread if spread else float("nan")

    return Scored(each(one), truth.size)


SCORED: dict[str, Callable[[Answers, Term], Scored]] = {one.__name__: one for one in (r2,)}
"""Our own metrics that are computed on sets of rows."""


def by_sklearn(answers: Answers, term: Term) -> Scored:
    """Compute a metric by scikit-learn.

    Raises:
        Unmeasurable: when scikit-learn is not installed, or refuses these answers.
    """
    try:
        from sklearn import metrics as library
    except ImportError:
        message = f"{term.metric} is computed by scikit-learn, which is not installed here"
        raise Unmeasurable(message) from None
    sign = -1.0 if term.metric.startswith("neg_") else 1.0
    name = term.metric.removeprefix("neg_")
    function, chosen = _function(library, name)
    options = {**chosen, **dict(term.options)}
    target, given = _inputs(answers, name, options)

    def one(rows: Rows) -> float:
        try:
            found = function(target[rows], given[rows], **options)
        except Exception as error:  # the library refuses odd answers in ways of its own
            reason = str(error).split("\n", maxsplit=1)[0] or type(error).__name__
            raise Unmeasurable(f"scikit-learn cannot compute {term.metric}: {reason}") from None
        if isinstance(found, tuple):
            found = found[0 if name.startswith("positive") else 1]
        return sign * float(found)

    return Scored(each(one), answers.target.size)


def _function(library: Any, name: str) -> tuple[Callable[..., Any], dict[str, Any]]:
    stem, _, average = name.rpartition("_")
    if average in _AVERAGES and hasattr(library, f"{stem}_score"):
        return getattr(library, f"{stem}_score"), {"average": average, "zero_division": 0.0}
    if name.startswith("roc_auc_ov"):
        kind = {"multi_class": name[8:11]}
        return library.roc_auc_score, {
            **kind,
            "average": "weighted" if name.endswith("weighted") else "macro",
        }
    for candidate in (_ODD_NAMES.get(name, name), name, f"{name}_score"):
        if hasattr(library, candidate):
            return getattr(library, candidate), {}
    raise Unmeasurable(f"this version of scikit-learn has no {name}")


def _inputs(
    answers: Answers, name: str, options: dict[str, Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return target and answers in the form that a metric of scikit-learn takes."""
    if not name.startswith(_PROBABILITIES):
        if answers.classes is None:
            return answers.truth, answers.numbers
        return answers.known, answers.labels
    scores = answers.predictions.scores
    if scores is None:
        raise Unmeasurable(f"the {answers.who} gives no probabilities")
    if name.startswith("roc_auc_ov") or scores.ndim == 2:
        options["labels"] = answers.predictions.classes
        if scores.ndim == 2 and scores.shape[1] == 2 and not name.startswith("log_loss"):
            return answers.known, scores[:, 1]
    return answers.known, scores
