"""Quality in pictures: ROC, calibration and confusion of candidate and champion.

The judgement's curves are read with tolerance: ``{"candidate": {"roc": ..., "calibration": ...,
"confusion": ...}, "champion": {...}}``. What is missing, or not understood, is not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.reports.svg import Scale, axes, line, path, picture, tag, words
from penstock.reports.words import number

_SIZE = 270.0
_PLACE = (42.0, 258.0, 22.0, 216.0)
"""Left, right, top and bottom of a square plot."""
_MODELS = ("champion", "candidate")
"""Drawn in this order, so that the candidate lies on top."""
_MOST_CLASSES = 12


def roc(curves: Mapping[str, Any]) -> str:
    """Draw the ROC curves; nothing when there are none."""
    found = {name: _points(curves, name, "roc", "fpr", "tpr") for name in _MODELS}
    return _square(found, "ROC", "false positive rate", "true positive rate")


def calibration(curves: Mapping[str, Any]) -> str:
    """Draw how often what was predicted came true; nothing when there are no curves."""
    found = {
        name: _points(curves, name, "calibration", "predicted", "observed") for name in _MODELS
    }
    return _square(found, "Calibration", "predicted chance", "observed share", dots=True)


def _points(
    curves: Mapping[str, Any], model: str, kind: str, x: str, y: str
) -> list[tuple[float, float]]:
    curve = _of(curves, model, kind)
    if isinstance(curve, Mapping):
        xs, ys = curve.get(x) or curve.get("x"), curve.get(y) or curve.get("y")
        pairs = list(zip(xs, ys, strict=False)) if xs and ys else []
    elif isinstance(curve, Sequence) and not isinstance(curve, str):
        pairs = [(one.get(x), one.get(y)) if isinstance(one, Mapping) else one[:2] for one in curve]
    else:
        pairs = []
    return [(float(a), float(b)) for a, b in pairs if a is not None and b is not None]


def _of(curves: Mapping[str, Any], model: str, kind: str) -> Any:
    """Find a curve, whether it is filed by model or by kind."""
    for outer, inner in ((model, kind), (kind, model)):
        place = curves.get(outer)
        if isinstance(place, Mapping) and inner in place:
            return place[inner]
    return curves.get(kind) if model == "candidate" and not _filed(curves, kind) else None


def _filed(curves: Mapping[str, Any], kind: str) -> bool:
    place = curves.get(kind)
    return isinstance(place, Mapping) and any(name in place for name in _MODELS)


def _square(
    found: Mapping[str, list[tuple[float, float]]],
    title: str,
    x_label: str,
    y_label: str,
    *,
    dots: bool = False,
) -> str:
    if not any(found.values()):
        return ""
    left, right, top, bottom = _PLACE
    x, y = Scale(0, 1, left, right), Scale(0, 1, bottom, top)
    steps = (0.0, 0.25, 0.5, 0.75, 1.0)
    frame = axes(x, y, x_label=x_label, y_label=y_label, x_ticks=steps, y_ticks=steps)
    parts = [frame, line(x(0), y(0), x(1), y(1), "diagonal")]
    for model, points in found.items():
        places = [(x(a), y(b)) for a, b in points]
        parts.append(path(places, f"curve {model}"))
        if dots:
            parts += [tag("circle", css=f"mark {model}", cx=a, cy=b, r=3.2) for a, b in places]
    return picture(_SIZE, _SIZE, title, parts, "square")


def confusion(curves: Mapping[str, Any], model: str = "candidate") -> str:
    """Draw how many rows of each class were called what; nothing when it is not known."""
    found = _of(curves, model, "confusion")
    labels, rows = _matrix(found)
    if not rows or len(rows) > _MOST_CLASSES:
        return ""
    count = len(rows)
    left, _, top, _ = _PLACE
    cell = (_SIZE - left - 12) / count
    parts = []
    for i, row in enumerate(rows):
        whole = sum(row) or 1
        for j, value in enumerate(row):
            parts.append(
                _cell(left + j * cell, top + i * (cell - 10), cell, value, value / whole, i == j)
            )
    bottom = top + count * (cell - 10)
    for k, name in enumerate(labels):
        parts.append(words(left + (k + 0.5) * cell, bottom + 15, name, "tick", "middle"))
        parts.append(words(left - 8, top + (k + 0.5) * (cell - 10) + 4, name, "tick", "end"))
    parts.append(words(left + count * cell / 2, bottom + 32, "predicted", "label", "middle"))
    parts.append(words(left, top - 9, "actual", "label"))
    return picture(_SIZE, bottom + 42, f"confusion matrix of the {model}", parts, "square")


def _cell(x: float, y: float, size: float, value: float, share: float, right: bool) -> str:
    kind = "right" if right else "wrong"
    box = tag(
        "rect",
        css=f"cell {kind}",
        x=x + 1.5,
        y=y + 1.5,
        width=size - 3,
        height=size - 13,
        rx=5,
        style=f"--share:{share:.3f}",
    )
    middle = x + size / 2
    upper = words(middle, y + (size - 10) / 2, number(value), "count", "middle")
    lower = words(middle, y + (size - 10) / 2 + 17, f"{share:.1%}", "tick", "middle")
    return box + upper + lower


def _matrix(found: Any) -> tuple[list[str], list[list[float]]]:
    if isinstance(found, Mapping):
        rows = found.get("matrix") or found.get("counts") or found.get("rows") or []
        labels = found.get("labels") or found.get("classes") or []
    else:
        rows, labels = found or [], []
    square = isinstance(rows, Sequence) and all(
        isinstance(row, Sequence) and len(row) == len(rows) for row in rows
    )
    if not square:
        return [], []
    names = [str(one) for one in labels] if len(labels) == len(rows) else []
    return names or [str(k) for k in range(len(rows))], [[float(v) for v in row] for row in rows]
