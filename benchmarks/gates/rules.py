"""Rules that promote: ours, and those that one would use instead.

Each takes what an experiment saw and says whether the candidate is promoted. `alpha` is the chance
of a false promotion that the user allows for one judgement.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from scipy.special import ndtri

from penstock.gates.estimates import Area, BoundedMean
from penstock.stats import compare, proportions

OURS, HOEFFDING, NAIVE, FIXED = "penstock", "hoeffding", "higher is better", "fixed threshold"
RULES = (OURS, HOEFFDING, NAIVE, FIXED)


def share_promotes(rule, hits, n, threshold, alpha):
    """Whether a share of rows passes ``> threshold``; `hits` has one number per experiment."""
    seen = hits / n
    if rule == OURS:
        counts = np.unique(hits)
        passed = counts[proportions.lower_many(counts, n, alpha) > threshold]
        return hits >= passed.min() if passed.size else np.zeros(hits.shape, dtype=bool)
    if rule == HOEFFDING:
        return seen - math.sqrt(math.log(1 / alpha) / (2 * n)) > threshold
    # A share has no rival to be higher than: both simple rules look at the number alone.
    return seen > threshold


def pair_promotes(rule, wins, losses, n, margin, alpha):
    """Whether a paired difference passes ``> margin``."""
    seen = (wins - losses) / n
    if rule == OURS:
        # The fewest wins rise almost like a line with the losses: between a few counts they are
        # interpolated and rounded up, which can only make the rule stricter.
        anchors = np.unique(np.linspace(losses.min(), losses.max(), 9).round().astype(int))
        exact = [fewest_wins(int(c), n, margin, alpha) for c in anchors]
        return wins >= np.ceil(np.interp(losses, anchors, exact) + 1e-9 + 0.5)
    if rule == HOEFFDING:
        # Two variables, each bounded on its own, as in ease.ml/ci.
        return seen - 2 * math.sqrt(math.log(2 / alpha) / (2 * n)) > margin
    return seen > (0.0 if rule == NAIVE else margin)


@functools.cache
def fewest_wins(losses, n, margin, alpha):
    """Return the fewest rows won at which the exact test refutes the margin."""
    low, high = max(losses - int(abs(margin) * n) - 2, 0), losses + n // 5
    while high - low > 1:  # where the score itself would refute it
        middle = (low + high) // 2
        z = compare.tango_z(middle, losses, n, margin)
        low, high = (low, middle) if z >= -float(ndtri(alpha)) else (middle, high)
    low, high = max(high - 8, 0), high + 8
    while high - low > 1:
        middle = (low + high) // 2
        p = compare.paired_p_value(middle, losses, n, margin, nuisance=alpha / 20)
        low, high = (low, middle) if p <= alpha else (middle, high)
    return high


def area_promotes(rule, sample, threshold, alpha):
    """Whether the area under one ROC curve passes ``> threshold``."""
    if rule == OURS:
        return Area(sample).lower(alpha) > threshold
    if rule == HOEFFDING:
        smaller = min(sample.positives, sample.negatives)
        return sample.value - math.sqrt(math.log(1 / alpha) / (2 * smaller)) > threshold
    return sample.value > threshold


def mean_promotes(rule, values, low, high, threshold, alpha):
    """Whether the mean of bounded numbers passes ``< threshold``."""
    if rule == OURS:
        return BoundedMean.of(values, low, high).upper(alpha) < threshold
    if rule == HOEFFDING:
        radius = (high - low) * math.sqrt(math.log(1 / alpha) / (2 * values.size))
        return values.mean() + radius < threshold
    return values.mean() < (0.0 if rule == NAIVE else threshold)
