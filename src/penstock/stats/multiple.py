"""Many tests at once: one budget of error for all of them.

>>> holm([0.001, 0.008, 0.039, 0.041])
[0.004, 0.024, 0.078, 0.078]
"""

from __future__ import annotations

from collections.abc import Callable, Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Holm (1979): error of the family, whatever the dependence.

    >>> holm([0.5])
    [0.5]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted by Benjamini and Hochberg (1995): share of false discoveries.

    >>> benjamini_hochberg([0.01, 0.02, 0.5])
    [0.03, 0.03, 0.5]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    adjusted = [0.0] * len(p_values)
    smallest = 1.0
    for rank, index in enumerate(order):
        smallest = min(smallest, len(order) * p_values[index] / (len(order) - rank))
        adjusted[index] = smallest
    return adjusted


def step_down(tests: Sequence[Callable[[float], bool]], alpha: float) -> list[bool]:
    """Return which hypotheses Holm's procedure rejects, for tests that only know yes or no.

    Args:
        tests: each says whether it rejects at a level; rejecting at a level, it rejects at any
            larger one.
        alpha: probability of any false rejection, at most.

    >>> step_down([lambda level: 0.001 <= level, lambda level: 0.03 <= level], 0.05)
    [True, True]
    >>> step_down([lambda level: 0.04 <= level, lambda level: 0.03 <= level], 0.05)
    [False, False]
    """
    rejected = [False] * len(tests)
    while not all(rejected):
        level = alpha / rejected.count(False)
        new = [index for index, test in enumerate(tests) if not rejected[index] and test(level)]
        if not new:
            break
        for index in new:
            rejected[index] = True
    return rejected
