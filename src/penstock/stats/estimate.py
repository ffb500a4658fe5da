"""What a classifier probably scores where no labels are known yet, from its own probabilities.

Confidence-based performance estimation: if a probability is calibrated, ``c`` of the rows that got
it are positive, so every count of a confusion matrix has an expectation without labels. It rests
on one assumption: that the chance of the label given the features has not changed. Where that is
what changed (concept drift) it sees nothing, by construction.

>>> import numpy as np
>>> rng = np.random.default_rng(5)
>>> score = rng.beta(2, 2, 20_000)
>>> label = rng.random(20_000) < score
>>> curve = calibration(*tally(score, label))
>>> found = expected(score, curve)
>>> round(found["accuracy"], 3), round(float(((score >= 0.5) == label).mean()), 3)
(0.69, 0.69)
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
BINS = 50
_TINY = 1e-3


def tally(score: Floats, label: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return rows and positives per bin of the score, shape (BINS,); tallies add up."""
    place = places(score)
    rows = np.bincount(place, minlength=BINS).astype(np.float64)
    positives = np.bincount(place, weights=label.astype(np.float64), minlength=BINS)
    return rows, positives.astype(np.float64)


def places(score: Floats) -> NDArray[np.int64]:
    """Return the bin of each score between 0 and 1."""
    return np.minimum((score * BINS).astype(np.int64), BINS - 1)


def calibration(rows: Floats, positives: Floats) -> Floats:
    """Return the share of positives per bin, never falling: isotonic regression.

    Pool adjacent violators (Ayer et al. 1955). A bin without rows takes its neighbours' value.

    >>> calibration(np.array([10.0, 10.0, 10.0]), np.array([2.0, 1.0, 9.0])).tolist()
    [0.15, 0.15, 0.9]
    """
    stack: list[list[float]] = []  # weight, positives, bins
    for weight, positive in zip(rows, positives, strict=True):
        if weight == 0 and stack:
            stack[-1][2] += 1
            continue
        stack.append([float(weight), float(positive), 1])
        while len(stack) > 1 and _share(stack[-2]) >= _share(stack[-1]):
            last = stack.pop()
            stack[-1] = [a + b for a, b in zip(stack[-1], last, strict=True)]
    found = [one for part in stack for one in [_share(part)] * int(part[2])]
    return np.asarray(found, np.float64)


def _share(part: list[float]) -> float:
    return part[1] / part[0] if part[0] else 0.0


def expected(score: Floats, curve: Floats, *, threshold: float = 0.5) -> dict[str, float]:
    """Return the metrics to be expected of scores, and the noise of accuracy.

    Args:
        score: shape (rows,), between 0 and 1.
        curve: of `calibration`.
        threshold: from which a row counts as positive.

    Returns:
        ``accuracy``, ``f1``, ``brier``, ``log_loss``, ``roc_auc`` and ``sd``, the standard
        deviation of the accuracy that so many rows have by chance.
    """
    c = curve[places(score)]
    yes = score >= threshold
    true, false = float(c[yes].sum()), float((1.0 - c[yes]).sum())
    missed = float(c[~yes].sum())
    accuracy = float(np.where(yes, c, 1.0 - c).mean())
    p = np.clip(score, _TINY, 1.0 - _TINY)
    return {
        "accuracy": accuracy,
        "f1": 2.0 * true / (2.0 * true + false + missed) if true else 0.0,
        "brier": float((score**2 - 2.0 * score * c + c).mean()),
        "log_loss": float(-(c * np.log(p) + (1.0 - c) * np.log(1.0 - p)).mean()),
        "roc_auc": _area(score, c),
        "sd": float(np.sqrt(accuracy * (1.0 - accuracy) / len(score))),
    }


def _area(score: Floats, c: Floats) -> float:
    """Return the expected area under the curve: chance that a positive outranks a negative."""
    _, place = np.unique(score, return_inverse=True)
    positive = np.bincount(place, weights=c)
    negative = np.bincount(place, weights=1.0 - c)
    total = positive.sum() * negative.sum()
    if total == 0:
        return 0.5
    below = np.cumsum(negative) - negative / 2.0
    return float((positive * below).sum() / total)
