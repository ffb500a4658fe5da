"""Answers of one model, brought into one form with the target: what metrics are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.gates.predictions import Predictions

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


_MANY = 1000
"""A target with more distinct values than this is no set of classes."""


class Unmeasurable(Exception):  # noqa: N818 - a reason inside the room, not an error for users
    """A metric cannot be computed from these answers; the message says why, in words."""


@dataclass(frozen=True)
class Answers:
    """The answers of one model on a test set, with the target.

    Attributes:
        who: ``candidate``, ``champion`` or the name of a trivial model.
        target: shape (n,).
        predictions: as the model gave them.
        classes: all classes, of the target and the model, in order; None for regression.
        positive: the class that counts as positive; None for regression.
    """

    who: str
    target: NDArray[Any]
    predictions: Predictions
    classes: NDArray[Any] | None
    positive: Any

    @cached_property
    def labels(self) -> NDArray[Any]:
        """Predicted class or value, shape (n,)."""
        labels = self.predictions.labels
        if labels is None:
            raise Unmeasurable(f"the {self.who} gave no answers")
        if labels.shape[:1] != self.target.shape:
            message = f"the {self.who} answered {labels.shape[0]} of {self.target.size} rows"
            raise Unmeasurable(message)
        return labels

    @cached_property
    def known(self) -> NDArray[Any]:
        """The target, where every row has one that the model can mean; shape (n,)."""
        absent = missing(self.target)
        if absent.any():
            share = f"{int(absent.sum()):,} of {absent.size:,} rows"
            raise Unmeasurable(f"{share} of the test data have no label")
        own = self.predictions.classes
        if own is not None and self.target.size:
            seen = distinct(self.target)
            if seen.size <= _MANY and not any(same(seen, np.asarray(one)).any() for one in own):
                raise Unmeasurable(
                    f"the target holds {_listed(seen)}, and the {self.who} answers with "
                    f"{_listed(own)}: they have no value in common"
                )
        return self.target

    @cached_property
    def numbers(self) -> Floats:
        """Predicted value, shape (n,), for regression and ranking."""
        try:
            values = np.asarray(self.labels, dtype=np.float64)
        except (TypeError, ValueError):
            raise Unmeasurable(f"the {self.who} answers with classes, not with numbers") from None
        if not np.isfinite(values).all():
            raise Unmeasurable(f"the {self.who} answered with NaN or infinity")
        return values

    @cached_property
    def truth(self) -> Floats:
        """The target as numbers, shape (n,)."""
        if self.known.dtype.kind in "mM":
            raise Unmeasurable("the target is a time, not a number")
        try:
            truth = np.asarray(self.known, dtype=np.float64)
        except (TypeError, ValueError):
            raise Unmeasurable("the target is not a number") from None
        if not np.isfinite(truth).all():
            raise Unmeasurable("the target is infinite in some rows")
        return truth

    @cached_property
    def right(self) -> Bools:
        """Whether the class is right, shape (n,)."""
        return np.asarray(same(self.labels, self.known))

    def is_positive(self, values: NDArray[Any]) -> Bools:
        """Whether classes are the positive one."""
        self._need_two()
        return np.asarray(same(values, np.asarray(self.positive)))

    @cached_property
    def called(self) -> Bools:
        """Whether a row is called positive."""
        return self.is_positive(self.labels)

    @cached_property
    def actual(self) -> Bools:
        """Whether a row is positive."""
        return self.is_positive(self.known)

    @cached_property
    def score(self) -> Floats:
        """Score of the positive class, shape (n,)."""
        self._need_two()
        score = self.predictions.score_of(self.positive)
        if score is None:
            raise Unmeasurable(f"the {self.who} gives classes only, no probabilities")
        if not np.isfinite(score).all():
            raise Unmeasurable(f"the {self.who} gave scores that are NaN or infinite")
        return np.asarray(score, dtype=np.float64)

    @cached_property
    def probability(self) -> Floats:
        """Probability of the positive class, shape (n,)."""
        score = self.score
        if score.size and (score.min() < 0 or score.max() > 1):
            raise Unmeasurable(f"the scores of the {self.who} are not probabilities")
        return score

    @cached_property
    def confidence(self) -> Floats:
        """Probability of the likeliest class, shape (n,)."""
        scores = self.predictions.scores
        if scores is None or scores.ndim == 1:
            raise Unmeasurable(f"the {self.who} gives no probabilities per class")
        return np.asarray(np.clip(scores.max(axis=1), 0.0, 1.0))

    @cached_property
    def true_probability(self) -> Floats:
        """Probability that the model gave to what turned out true, shape (n,)."""
        scores, classes = self.predictions.scores, self.predictions.classes
        if scores is None or classes is None:
            raise Unmeasurable(f"the {self.who} gives no probabilities")
        if scores.ndim == 1:
            return np.where(self.actual, self.probability, 1 - self.probability)
        chance = np.zeros(self.target.size)
        for index, one in enumerate(classes):
            rows = same(self.known, np.asarray(one))
            chance[rows] = scores[rows, index]
        return chance

    def _need_two(self) -> None:
        if self.classes is None:
            raise Unmeasurable("the target is a number, not a class")
        if self.positive is None:
            message = f"there are {len(self.classes)} classes, and none is named positive"
            raise Unmeasurable(message)


def same(values: NDArray[Any], other: NDArray[Any]) -> Bools:
    """Return where classes are equal; text, numbers and booleans are compared by what they mean.

    >>> same(np.array([0, 1]), np.array([False, True])).tolist()
    [True, True]
    >>> same(np.array(["1", "0"]), np.array([1, 1])).tolist()
    [True, False]
    """
    if values.dtype.kind in "OUST" or other.dtype.kind in "OUST":
        if values.dtype.kind in "biuf" or other.dtype.kind in "biuf":
            return np.asarray(_texts(values) == _texts(other))
        return np.asarray(values.astype(object) == other.astype(object), dtype=bool)
    return np.asarray(values == other)


def _texts(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype.kind == "b":
        values = values.astype(np.int64)
    if values.dtype.kind == "f" and np.equal(np.mod(values, 1), 0).all():
        values = values.astype(np.int64)
    return values.astype(str)


def missing(values: NDArray[Any]) -> Bools:
    """Return which values are not there: None, NaN, NaT."""
    import pandas as pd

    return np.asarray(pd.isna(values), dtype=bool)


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """Return the values that occur, in the order in which they do."""
    import pandas as pd

    return np.asarray(pd.unique(pd.Series(values).dropna()))


def _listed(values: NDArray[Any]) -> str:
    shown = ", ".join(str(one) for one in values[:4])
    return f"{shown}, ..." if values.size > 4 else shown


def with_target(classes: NDArray[Any] | None, target: NDArray[Any]) -> NDArray[Any] | None:
    """Return the models' classes and those that only the target holds, in order.

    A class that no model knows counts as one that is never found, not as none at all.

    >>> with_target(np.array(["a", "b"]), np.array(["a", "c", "a"], dtype=object)).tolist()
    ['a', 'b', 'c']
    >>> with_target(np.array([0, 1]), np.array([True, False])).tolist()
    [0, 1]
    """
    if classes is None:
        return None
    seen = distinct(target)
    if seen.size > _MANY:
        return classes
    found = [same(seen, np.asarray(one)) for one in classes]
    new = [one for one, old in zip(seen, np.any(found, axis=0), strict=True) if not old]
    if not found or len(new) in {0, seen.size}:  # a target without a class in common is told
        return classes
    every = [*classes.tolist(), *new]
    try:
        return np.asarray(sorted(every))
    except TypeError:
        return np.asarray(sorted(map(str, every)))


def classes_of(*predictions: Predictions | None) -> NDArray[Any] | None:
    """Return all classes that the models know, in order; None for regression."""
    told = [one.classes for one in predictions if one is not None and one.classes is not None]
    if not told:
        return None
    return np.unique(np.concatenate([told[0].ravel(), *(one.ravel() for one in told[1:])]))
