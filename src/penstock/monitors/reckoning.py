"""The estimate without labels, held against the labels of the same rows once they are there.

The estimate assumes that the chance of the label given the features is as it was. That cannot be
seen without labels; with them it can: the loss that was to be expected of the very rows that got
labels, beside the loss that they turned out to have. Where these part, the assumption is broken,
and whoever reads the estimate is told so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.monitors.losses import losses
from penstock.stats import estimate

CALIBRATION_ROWS = 1000
"""Labelled rows from which on probabilities can be called calibrated, or made so."""
ROWS = 1000
"""The newest labelled rows, which are held against the estimate."""
_LEAST = 100
_Z = 4.0
"""It is looked at again and again: four standard errors are hardly met by chance."""


@dataclass(frozen=True, slots=True)
class Reckoning:
    """Realised and estimated loss of the same labelled rows.

    Attributes:
        rows: how many, the newest.
        realised: their mean loss.
        estimated: the loss that was to be expected of them, by what was known before.
        z: by how many standard errors they differ.
    """

    rows: int
    realised: float
    estimated: float
    z: float

    def contradicts(self, tolerance: float) -> bool:
        """Whether labels contradict the estimate by more than chance and `tolerance`."""
        return abs(self.z) > _Z and abs(self.realised - self.estimated) > tolerance


def foreseen(
    name: str, score: Any, calibration: Sequence[Sequence[float]] | None
) -> tuple[float, float] | None:
    """Return mean and variance of the loss to be expected of some rows; None when unknown.

    Args:
        name: of the loss.
        score: probabilities, shape (rows,).
        calibration: rows and positives per bin, of earlier labels.

    >>> counts = [2000.0] * estimate.BINS, [2000.0 * (k + 0.5) / 50 for k in range(50)]
    >>> mean, _ = foreseen("error_rate", np.array([0.1, 0.9]), counts)
    >>> round(mean, 2)
    0.1
    """
    if calibration is None:
        return None
    rows, positives = (np.asarray(one, np.float64) for one in calibration)
    score = np.asarray(score, np.float64)
    known = float(rows.sum())
    if known < CALIBRATION_ROWS or not len(score) or not ((score >= 0) & (score <= 1)).all():
        return None
    chance = estimate.calibration(rows, positives)[estimate.places(score)]
    ones, nothing = np.ones(len(score)), np.zeros(len(score))
    if name == "error_rate":
        if_one, if_nothing = (score < 0.5).astype(float), (score >= 0.5).astype(float)
    else:
        if_one, if_nothing = losses(name, score, ones), losses(name, score, nothing)
    each = chance * if_one + (1.0 - chance) * if_nothing
    spread = chance * (1.0 - chance) * (if_one - if_nothing) ** 2
    # What the curve is made of is a sample too: it errs as the mean of so many rows does.
    return float(each.mean()), float(spread.mean()) * (1.0 + len(score) / known)


def reckon(history: Sequence[Sequence[Any]]) -> Reckoning | None:
    """Return realised and estimated loss of the newest labelled rows, None with too few.

    Args:
        history: of the quality monitor, a batch each: ``[until, rows, mean, variance, first,
            moment, estimated, spread]``; `estimated` is None where nothing was known.
    """
    n, realised, expected, noise = 0, 0.0, 0.0, 0.0
    for batch in reversed(history):
        if len(batch) < 8 or batch[6] is None or n >= ROWS:
            break
        rows = int(batch[1])
        n, realised = n + rows, realised + rows * batch[2]
        expected, noise = expected + rows * batch[6], noise + rows * batch[7]
    if n < _LEAST:
        return None
    z = (realised - expected) / math.sqrt(max(noise, 1e-12))
    return Reckoning(n, realised / n, expected / n, z)
