"""A number with its uncertainty against what it is held against, as a picture."""

from __future__ import annotations

import math

from penstock.domain.verdict import Evidence, Outcome
from penstock.reports.svg import Scale, line, picture, tag, words
from penstock.reports.words import exact, quantity

_WIDTH, _HEIGHT = 430.0, 58.0
_LEFT, _RIGHT, _ROW = 14.0, 416.0, 27.0


def drawable(evidence: Evidence) -> bool:
    """Whether there is a number with a bound, and something that it is held against."""
    bounded = evidence.low is not None or evidence.high is not None
    known = [evidence.value, evidence.threshold]
    return bounded and all(one is not None and math.isfinite(one) for one in known)


def interval(evidence: Evidence, outcome: Outcome) -> str:
    """Draw an estimate with its bounds, the threshold, and the side on which it should be."""
    assert evidence.value is not None
    assert evidence.threshold is not None
    low, high = _bound(evidence.low), _bound(evidence.high)
    shown = [evidence.value, evidence.threshold, *(one for one in (low, high) if one is not None)]
    pad = (max(shown) - min(shown)) * 0.22 or abs(evidence.threshold) * 0.1 or 1.0
    x = Scale(min(shown) - pad, max(shown) + pad, _LEFT, _RIGHT)
    limit = x(evidence.threshold)
    parts = [_good_side(evidence.comparison, limit)]
    parts.append(line(_LEFT, _ROW, _RIGHT, _ROW, "rule"))
    start = x(low) if low is not None else _LEFT
    end = x(high) if high is not None else _RIGHT
    if low is not None or high is not None:
        parts.append(
            tag("rect", css="bar", x=start, y=_ROW - 4, width=max(end - start, 2), height=8, rx=4)
        )
    parts.append(line(limit, _ROW - 15, limit, _ROW + 15, "threshold"))
    parts.append(tag("circle", css="dot", cx=x(evidence.value), cy=_ROW, r=5.5))
    parts += _labels(evidence, x, low, high, limit)
    title = f"{evidence.name} is {quantity(evidence.value, evidence.unit)}"
    return picture(_WIDTH, _HEIGHT, title, parts, f"interval {outcome.value}")


def _bound(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _good_side(comparison: str, limit: float) -> str:
    if comparison not in (">", "<", ">=", "<="):
        return ""
    right = comparison.startswith(">")
    start, end = (limit, _RIGHT) if right else (_LEFT, limit)
    return tag("rect", css="good", x=start, y=_ROW - 15, width=end - start, height=30, rx=3)


def _labels(
    evidence: Evidence, x: Scale, low: float | None, high: float | None, limit: float
) -> list[str]:
    unit = evidence.unit
    wanted = f"{evidence.comparison} {exact(evidence.threshold, unit)}".strip()
    anchor = "start" if limit < _LEFT + 40 else "end" if limit > _RIGHT - 40 else "middle"
    parts = [words(limit, 9, wanted, "limit", anchor)]
    bottom = _ROW + 27
    assert evidence.value is not None
    places = [(x(evidence.value), quantity(evidence.value, unit), "value")]
    for bound, side in ((low, -1), (high, 1)):
        if bound is not None:
            places.append((x(bound), quantity(bound, unit), "end" if side < 0 else "start"))
    middle = places[0][0]
    for place, text, kind in places:
        width = 6.2 * len(text)
        if kind == "value":
            parts.append(words(place, bottom, text, "estimate", "middle"))
        elif abs(place - middle) > width / 2 + 28:
            parts.append(words(place, bottom, text, "tick", "middle"))
        else:
            shift = -34 if kind == "end" else 34
            parts.append(words(middle + shift, bottom, text, "tick", kind))
    return parts
