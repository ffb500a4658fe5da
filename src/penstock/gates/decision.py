"""From bounds to an outcome: three values, two modes, and how many more rows would decide."""

from __future__ import annotations

import enum
import math

from penstock.gates.conditions import Clause, Mode
from penstock.gates.estimates import APPROXIMATE, MEASURED, Estimate

_FARTHEST = 1e4
_FINE = 1.05


class Answer(enum.StrEnum):
    """What bounds say about a clause."""

    HOLDS = "holds"
    """The whole interval is on the good side."""
    BROKEN = "broken"
    """The whole interval is on the bad side."""
    NEAR = "near"
    """The interval is as small as the user asked for, and the threshold still lies in it."""
    UNKNOWN = "unknown"
    """The interval is larger than that: more rows are needed."""


def decide(
    low: float, high: float, comparison: str, threshold: float, tolerance: float | None, mode: Mode
) -> Answer:
    """Hold an interval against a threshold.

    Without a tolerance, `fn-free` takes every interval as small enough: only what is surely broken
    fails. With one, ``+/-`` names the precision that must be reached before the mode decides.

    >>> decide(0.085, 0.105, "<", 0.1, 0.01, "fp-free")
    <Answer.NEAR: 'near'>
    >>> decide(0.07, 0.12, "<", 0.1, 0.01, "fp-free")
    <Answer.UNKNOWN: 'unknown'>
    >>> decide(0.07, 0.09, "<", 0.1, None, "fp-free")
    <Answer.HOLDS: 'holds'>
    """
    good, bad = (low > threshold, high < threshold)
    if comparison == "<":
        good, bad = high < threshold, low > threshold
    if good:
        return Answer.HOLDS
    if bad:
        return Answer.BROKEN
    if low == high:
        return Answer.BROKEN  # a known number that equals the threshold is not beyond it
    if tolerance is not None:
        return Answer.NEAR if (high - low) / 2 <= tolerance else Answer.UNKNOWN
    finite = math.isfinite(low) and math.isfinite(high)
    return Answer.NEAR if mode == "fn-free" and finite else Answer.UNKNOWN


def passes(answer: Answer, mode: Mode) -> bool | None:
    """Return whether an answer passes in a mode, None when it is inconclusive (ease.ml/ci A.2).

    >>> passes(Answer.NEAR, "fp-free"), passes(Answer.NEAR, "fn-free")
    (False, True)
    """
    if answer is Answer.UNKNOWN:
        return None
    return answer is Answer.HOLDS or (answer is Answer.NEAR and mode == "fn-free")


def unproven(answer: Answer, guarantee: str, mode: Mode) -> bool:
    """Whether an answer of the guarded kind rests on a method that cannot keep the promise.

    >>> unproven(Answer.HOLDS, "approximate", "fp-free"), unproven(Answer.HOLDS, "exact", "fp-free")
    (True, False)
    >>> unproven(Answer.BROKEN, "approximate", "fp-free")
    False
    """
    return guarantee == APPROXIMATE and passes(answer, mode) is (mode == "fp-free")


def rows_needed(
    estimate: Estimate, clause: Clause, mode: Mode, near: float, far: float, rows: int
) -> int | None:
    """Return how many more rows would decide, if they look like those at hand.

    Args:
        estimate: what was measured.
        clause: what is asked.
        mode: which of the two mistakes is guarded against.
        near: level of the bound that shows that the clause holds.
        far: level of the bound that shows that it is broken.
        rows: rows at hand, of which the estimate may rest on a part only.

    Returns:
        None when even 10,000 times the rows would not decide, or when rows do not matter.
    """
    if estimate.guarantee == MEASURED or not estimate.n or not math.isfinite(estimate.value):
        return None

    rising = clause.comparison == ">"

    def decided(factor: float) -> bool:
        more = estimate.scaled(factor)
        low, high = more.lower(near if rising else far), more.upper(far if rising else near)
        answer = decide(low, high, clause.comparison, clause.threshold, clause.tolerance, mode)
        return answer is not Answer.UNKNOWN

    few, many = 1.0, _first_guess(estimate, clause, near, far)
    while not decided(many):
        few, many = many, many * 1.5
        if many > _FARTHEST:
            return None
    while many / few > _FINE:
        middle = max(math.sqrt(few * many), many / 1.3)
        few, many = (few, middle) if decided(middle) else (middle, many)
    return max(1, math.ceil((many - 1) * rows))


def _first_guess(estimate: Estimate, clause: Clause, near: float, far: float) -> float:
    """Return a factor at which the nearer bound should reach the threshold, or the precision."""
    rising = clause.comparison == ">"
    low, high = estimate.lower(near if rising else far), estimate.upper(far if rising else near)
    toward_low = estimate.value > clause.threshold
    radius = estimate.value - low if toward_low else high - estimate.value
    gap = max(abs(estimate.value - clause.threshold), 1e-12 * radius)
    factor = (radius / gap) ** 2 if math.isfinite(radius) and gap > 0 else 2.0
    if clause.tolerance is not None:
        factor = min(factor, ((high - low) / 2 / clause.tolerance) ** 2)
    return min(max(factor, 1.05), _FARTHEST)
