"""Quality in pictures: ROC, calibration, confusion, errors, of candidate and champion.

Read from the judgement's ``curves``: ``{"classes": [...], "models": {"candidate": {"roc": ...,
"calibration": ..., "confusion": ..., "residuals": ...}, "champion": {...}}}``. What is missing, or
not understood, is not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.reports.svg import Scale, axes, line, path, picture, tag, ticks, words
from penstock.reports.words import number

_SIZE = 270.0
_PLACE = (42.0, 258.0, 22.0, 216.0)
"""Left, right, top and bottom of a square plot."""
_MODELS = ("champion", "candidate")
"""Drawn in this order, so that the candidate lies on top."""
_MOST_CLASSES = 12


def roc(curves: Mapping[str, Any]) -> str:
    """Draw the ROC curves; nothing when there are none."""
    found = {}
    for name in _MODELS:
        curve = _of(curves, name, "roc") or {}
        found[name] = _pairs(curve.get("false_positive_rate"), curve.get("true_positive_rate"))
    return _square(found, "ROC", "false positive rate", "true positive rate")


def calibration(curves: Mapping[str, Any]) -> str:
    """Draw how often what was predicted came true; nothing when there are no bins."""
    found, bars = {}, []
    for name in _MODELS:
        bins = _of(curves, name, "calibration") or []
        found[name] = _pairs([b.get("predicted") for b in bins], [b.get("seen") for b in bins])
        if name == "candidate":
            bars = [(b["predicted"], b["low"], b["high"]) for b in bins if "low" in b]
    return _square(found, "Calibration", "predicted chance", "observed share", bars=bars)


def _pairs(xs: Sequence[Any] | None, ys: Sequence[Any] | None) -> list[tuple[float, float]]:
    both = zip(xs or (), ys or (), strict=False)
    return [(float(a), float(b)) for a, b in both if a is not None and b is not None]


def _of(curves: Mapping[str, Any], model: str, kind: str) -> Any:
    return ((curves.get("models") or {}).get(model) or {}).get(kind)


def _square(
    found: Mapping[str, list[tuple[float, float]]],
    title: str,
    x_label: str,
    y_label: str,
    *,
    bars: Sequence[tuple[float, float, float]] | None = None,
) -> str:
    if not any(found.values()):
        return ""
    left, right, top, bottom = _PLACE
    x, y = Scale(0, 1, left, right), Scale(0, 1, bottom, top)
    steps = (0.0, 0.25, 0.5, 0.75, 1.0)
    frame = axes(x, y, x_label=x_label, y_label=y_label, x_ticks=steps, y_ticks=steps)
    parts = [frame, line(x(0), y(0), x(1), y(1), "diagonal")]
    parts += [line(x(at), y(low), x(at), y(high), "whisker") for at, low, high in bars or ()]
    for model, points in found.items():
        places = [(x(a), y(b)) for a, b in points]
        parts.append(path(places, f"curve {model}"))
        if bars is not None:
            parts += [tag("circle", css=f"mark {model}", cx=a, cy=b, r=3.2) for a, b in places]
    return picture(_SIZE, _SIZE, title, parts, "square")


def confusion(curves: Mapping[str, Any], model: str = "candidate") -> str:
    """Draw how many rows of each class were called what; nothing when it is not known."""
    rows = _of(curves, model, "confusion") or []
    count = len(rows)
    if not 2 <= count <= _MOST_CLASSES or any(len(row) != count for row in rows):
        return ""
    labels = [str(one) for one in curves.get("classes") or range(count)][:count]
    left, _, top, _ = _PLACE
    wide = (_SIZE - left - 12) / count
    high = wide * 0.86
    parts = []
    for i, row in enumerate(rows):
        whole = sum(row) or 1
        for j, value in enumerate(row):
            box = (left + j * wide, top + i * high, wide, high)
            parts.append(_cell(box, value, value / whole, right=i == j, small=count > 4))
    bottom = top + count * high
    for k, name in enumerate(labels):
        parts.append(words(left + (k + 0.5) * wide, bottom + 15, name, "tick", "middle"))
        parts.append(words(left - 8, top + (k + 0.5) * high + 4, name, "tick", "end"))
    parts.append(words(left + count * wide / 2, bottom + 32, "predicted", "label", "middle"))
    parts.append(words(left, top - 9, "actual", "label"))
    return picture(_SIZE, bottom + 42, f"confusion matrix of the {model}", parts, "square")


def _cell(
    box: tuple[float, float, float, float], value: float, share: float, *, right: bool, small: bool
) -> str:
    x, y, wide, high = box
    kind = f"{'right' if right else 'wrong'}{' deep' if share > 0.55 else ''}"
    area = tag(
        "rect",
        css=f"cell {kind}",
        x=x + 1.5,
        y=y + 1.5,
        width=wide - 3,
        height=high - 3,
        rx=5,
        style=f"--share:{share:.3f}",
    )
    if small:
        return area
    middle, centre = x + wide / 2, y + high / 2
    on = " on-deep" if share > 0.55 else ""
    upper = words(middle, centre, number(value), f"count{on}", "middle")
    lower = words(middle, centre + 17, f"{share:.1%}", f"share{on}", "middle")
    return area + upper + lower


def residuals(curves: Mapping[str, Any]) -> str:
    """Draw how far the answers of a regression are off; nothing when it is not one."""
    found = _of(curves, "candidate", "residuals") or {}
    edges, counts = found.get("edges") or [], found.get("counts") or []
    if len(edges) < 2 or len(edges) != len(counts) + 1:
        return ""
    left, right, top, bottom = _PLACE
    x, y = Scale(edges[0], edges[-1], left, right), Scale(0, max(*counts, 1), bottom, top)
    frame = axes(
        x, y, x_label="answer minus truth", y_label="rows", x_ticks=ticks(edges[0], edges[-1], 4)
    )
    parts = [
        tag(
            "rect",
            css="column",
            x=x(start) + 0.5,
            y=y(count),
            width=max(x(end) - x(start) - 1, 0.5),
            height=bottom - y(count),
        )
        for start, end, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    if edges[0] < 0 < edges[-1]:
        parts.append(line(x(0), bottom, x(0), top, "diagonal"))
    return picture(_SIZE, _SIZE, "errors", [frame, *parts], "square")
