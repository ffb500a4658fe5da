"""What a condition found on each slice, side by side: a value, its interval, the threshold."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import TypeGuard

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.reports.svg import Scale, line, picture, tag, words
from penstock.reports.words import exact, quantity

_WIDTH, _LEFT, _RIGHT = 430.0, 128.0, 356.0
_TOP, _STEP = 34.0, 19.0
_MOST = 30
"""Rows of one picture; the slices farthest on the good side are left out."""
_LONGEST = 19
Row = tuple[Evidence, Outcome]


def by_slice(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """Draw every condition that was asked of several slices.

    Returns:
        Captions with pictures, in the order of the verdicts.
    """
    groups: dict[tuple[str, str, float], list[Row]] = {}
    for verdict in verdicts:
        for one in verdict.evidence:
            where = one.details.get("slice")
            if where and one.value is not None and one.threshold is not None:
                column = str(where).partition("=")[0]
                key = (one.name, column, one.threshold)
                groups.setdefault(key, []).append((one, verdict.outcome))
    return [
        (f"{name} by {column}", _drawn(rows, f"{name} by {column}"))
        for (name, column, _), rows in groups.items()
        if len(rows) > 1
    ]


def _drawn(rows: list[Row], title: str) -> str:
    """Draw slices below each other, the worst on top."""
    evidence = rows[0][0]
    assert evidence.threshold is not None
    sign = 1.0 if evidence.comparison.startswith(">") else -1.0
    ordered = sorted(rows, key=lambda row: sign * (row[0].value or 0.0))
    shown = ordered[:_MOST]
    ends = [evidence.threshold]
    for one, _ in shown:
        ends += [end for end in (one.low, one.value, one.high) if _finite(end)]
    pad = (max(ends) - min(ends)) * 0.06 or abs(evidence.threshold) * 0.1 or 1.0
    x = Scale(min(ends) - pad, max(ends) + pad, _LEFT, _RIGHT)
    bottom = _TOP + _STEP * len(shown)
    limit = x(evidence.threshold)
    wanted = f"{evidence.comparison} {exact(evidence.threshold, evidence.unit)}"
    parts = [words(limit, 14, wanted, "limit", "middle")]
    parts += [_row(one, outcome, x, _TOP + _STEP * k) for k, (one, outcome) in enumerate(shown)]
    edge = tag("g", line(limit, 20, limit, bottom - 8, "threshold"), css="interval")
    parts.append(edge)
    if len(rows) > _MOST:
        left_out = f"and {len(rows) - _MOST} more, all better than these"
        parts.append(words(_LEFT, bottom + 6, left_out, "tick"))
        bottom += 18
    return picture(_WIDTH, bottom + 4, title, parts, "slices")


def _row(one: Evidence, outcome: Outcome, x: Scale, y: float) -> str:
    assert one.value is not None
    name = str(one.details["slice"]).partition("=")[2] or str(one.details["slice"])
    short = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    start = x(one.low) if _finite(one.low) else _LEFT
    end = x(one.high) if _finite(one.high) else _RIGHT
    said = f"{name}: {quantity(one.value, one.unit)}, {one.n:,} rows" if one.n else name
    parts = [
        tag("title", html.escape(said)),
        line(_LEFT, y, _RIGHT, y, "rule"),
        tag("rect", css="bar", x=start, y=y - 3, width=max(end - start, 2), height=6, rx=3),
        tag("circle", css="dot", cx=x(one.value), cy=y, r=4.5),
        words(_LEFT - 8, y + 4, short, "tick", "end"),
        words(_RIGHT + 8, y + 4, quantity(one.value, one.unit), "tick"),
    ]
    return tag("g", "".join(parts), css=f"interval {outcome.value}")


def _finite(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)
