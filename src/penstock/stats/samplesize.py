"""How many rows a guarantee needs, by the methods of ease.ml/ci and by exact ones.

`delta` is the error of one test of one model: ``1 - reliability`` already shared by all models and
clauses, unless a function says that it shares it itself. Sizes are real numbers: round them up.

>>> import math
>>> math.ceil(hoeffding(0.05, 1e-4 / 2**32))
6279
"""

from __future__ import annotations

import math
from collections.abc import Callable


def hoeffding(epsilon: float, delta: float, width: float = 1.0) -> float:
    """Return the rows for a mean of numbers in a range, one-sided (Hoeffding 1963).

    Args:
        epsilon: half width of the interval.
        delta: error.
        width: of the range.

    >>> round(hoeffding(0.01, 1e-4), 1)
    46051.7
    """
    return width**2 * math.log(1 / delta) / (2 * epsilon**2)


def hoeffding_sum(weights: list[float], epsilon: float, delta: float) -> float:
    """Return the rows for a linear combination of shares that are bounded one by one.

    The tolerance is shared in the best way: in proportion to the weights.

    >>> round(hoeffding_sum([1, -1], 0.02, 0.002 / 7), 1)
    44268.3
    """
    return hoeffding(epsilon, delta / len(weights), sum(abs(one) for one in weights))


def bennett_h(u: float) -> float:
    """Return ``(1 + u) ln(1 + u) - u``.

    >>> round(bennett_h(0.1), 6)
    0.004841
    """
    return (1 + u) * math.log1p(u) - u


def bennett(epsilon: float, delta: float, variance: float) -> float:
    """Return the rows for a mean of numbers of at most 1 with a known bound on their variance.

    Args:
        epsilon: half width of the interval.
        delta: error of one side; the paper's two-sided interval takes ``delta / 2``, its two-stage
            test of ``d < p`` and a difference ``delta / 4``.
        variance: bound on the mean square, such as the share of rows that two models disagree on.

    >>> round(bennett(0.01, 1e-4 / 4 / 32, 0.1), 1)
    29047.3
    """
    return math.log(1 / delta) / (variance * bennett_h(epsilon / variance))


def active_labels(epsilon: float, delta: float, share: float) -> float:
    """Return the labels per candidate when only rows with differing answers are labelled.

    >>> round(active_labels(0.01, 1e-4, 0.1), 6)
    2188.845654
    """
    return share * bennett(epsilon, delta / 4, share)


def exact_proportion(epsilon: float, delta: float) -> int:
    """Return the fewest rows at which an exact bound is at most `epsilon` from any share.

    The tight bound of ease.ml/ci (Langford 2005): the largest chance, over all true shares p, that
    the share seen is above p by `epsilon` or more is at most `delta`.

    >>> exact_proportion(0.1, 0.01), exact_proportion(0.05, 0.001)
    (145, 975)
    """

    def enough(n: int) -> bool:
        return _worst(n, epsilon) <= delta

    high = max(2, math.ceil(hoeffding(epsilon, delta)))
    low = max(1, high // 4)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    # The chance saws with n: walk back to the first of a run that is enough.
    while high > 1 and enough(high - 1):
        high -= 1
    return high


def _worst(n: int, epsilon: float) -> float:
    import numpy as np
    from scipy.special import betainc

    k = np.arange(max(1, math.ceil(n * epsilon)), n + 1, dtype=np.float64)
    p = k / n - epsilon
    return float(betainc(k, n - k + 1, np.clip(p, 0.0, 1.0)).max())


def power_proportion(bad: float, good: float, alpha: float, beta: float) -> int:
    """Return the rows that tell the share `good` from `bad` with an exact test.

    The power saws with n; from the answer on, it stays above ``1 - beta``.

    Args:
        bad: the share at which a model must not pass.
        good: the share at which it should.
        alpha: error of passing at `bad`.
        beta: error of not passing at `good`.

    >>> power_proportion(0.80, 0.90, 0.05, 0.05), power_proportion(0.90, 0.94, 0.01, 0.05)
    (147, 762)
    """
    from scipy.special import bdtrc, bdtrik

    def enough(n: int) -> bool:
        least = math.floor(float(bdtrik(1 - alpha, n, bad)))
        while float(bdtrc(least, n, bad)) > alpha:
            least += 1
        while least >= 0 and float(bdtrc(least - 1, n, bad)) <= alpha:
            least -= 1
        return float(bdtrc(least, n, good)) >= 1 - beta

    return _fewest(enough, paired_normal(1.0, bad, good, alpha, beta, paired=False))


def paired_normal(
    disagree: float, bad: float, good: float, alpha: float, beta: float, *, paired: bool = True
) -> float:
    """Return the rows that the paired score test needs, planned with the normal distribution.

    Args:
        disagree: share of rows on which the models differ.
        bad: difference at which a model must not pass.
        good: difference at which it should.
        alpha, beta: errors of passing at `bad` and of not passing at `good`.
        paired: False plans one share with binomial variance instead.

    >>> [math.ceil(paired_normal(0.1, -0.01, 0.01, one, one)) for one in (0.05, 1e-3, 1e-4)]
    [2703, 9540, 13818]
    """
    from scipy.special import ndtri

    first = disagree - bad**2 if paired else bad * (1 - bad)
    second = disagree - good**2 if paired else good * (1 - good)
    z_alpha, z_beta = -float(ndtri(alpha)), -float(ndtri(beta))
    return ((z_alpha * math.sqrt(first) + z_beta * math.sqrt(second)) / (good - bad)) ** 2


def hoeffding_power(gap: float, alpha: float, beta: float) -> float:
    """Return the rows that Hoeffding's bound needs to tell two shares apart.

    >>> math.ceil(hoeffding_power(0.10, 0.05, 0.05)), math.ceil(hoeffding_power(0.02, 0.05, 0.10))
    (600, 13189)
    """
    root = math.sqrt(math.log(1 / alpha) / 2) + math.sqrt(math.log(1 / beta) / 2)
    return (root / gap) ** 2


def _fewest(enough: Callable[[int], bool], guess: float) -> int:
    """Return the n from which on a condition that saws with n holds for good."""
    n = max(8, math.ceil(guess * 1.3) + 40)
    while not enough(n):
        n += n // 8
    while n > 1 and enough(n - 1):
        n -= 1
    return n
