"""Trivial models: what a candidate must beat to be worth its keep."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.gates.answers import Unmeasurable, missing, same
from penstock.gates.predictions import Predictions


def trivial(name: str, target: NDArray[Any], classes: NDArray[Any] | None) -> Predictions:
    """Return the answers of a trivial model.

    Its constant is the best for the test set itself, which only makes it harder to beat.

    Args:
        name: ``majority`` (the most frequent class), ``prior`` (that class, with the shares of all
            classes as probabilities), ``mean``, ``median``, ``last`` (the row before, in the order
            of the file), or ``baseline``: prior for classes, mean for numbers.
        target: shape (n,).
        classes: all classes in order, None for regression.

    Raises:
        Unmeasurable: when the model does not fit the target.

    >>> trivial("baseline", np.array([0, 1, 1, 1]), np.array([0, 1])).labels.tolist()
    [1, 1, 1, 1]
    >>> trivial("last", np.array([3.0, 5.0, 4.0]), None).labels.tolist()
    [3.0, 3.0, 5.0]
    """
    if not target.size:
        raise Unmeasurable("the test set has no rows")
    if missing(target).any():
        raise Unmeasurable("rows of the test data have no label")
    if name == "baseline":
        name = "mean" if classes is None else "prior"
    if name == "last":
        labels = np.concatenate([target[:1], target[:-1]])
        if classes is None:
            return _of(np.asarray(labels, dtype=np.float64), None, None)
        scores = np.stack([same(labels, np.asarray(one)) for one in classes], axis=1)
        return _of(labels, scores.astype(np.float64), classes)
    if name in {"majority", "prior"}:
        return _constant_class(name, target, classes)
    if classes is not None:
        raise Unmeasurable(f"the trivial model {name!r} is for numbers, the target is a class")
    value = float(np.mean(target) if name == "mean" else np.median(target))
    return _of(np.full(target.size, value), None, None)


def _constant_class(name: str, target: NDArray[Any], classes: NDArray[Any] | None) -> Predictions:
    if classes is None:
        raise Unmeasurable(f"the trivial model {name!r} is for classes, the target is a number")
    shares = np.array([float(same(target, np.asarray(one)).mean()) for one in classes])
    best = int(shares.argmax())
    chance = shares if name == "prior" else (np.arange(len(classes)) == best).astype(np.float64)
    scores = np.broadcast_to(chance, (target.size, len(classes)))
    return _of(np.full(target.size, classes[best]), np.asarray(scores), classes)


def _of(
    labels: NDArray[Any], scores: NDArray[np.float64] | None, classes: NDArray[Any] | None
) -> Predictions:
    if classes is None:
        scores = np.asarray(labels, dtype=np.float64)
    return Predictions(True, None, labels, scores, classes, n=int(labels.size))
