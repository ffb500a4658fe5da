"""Losses: how wrong each answer was, once its label is known; smaller is better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_SURE = 1e-3
"""Probabilities are kept this far from 0 and 1, so that one row cannot decide everything."""
ALIASES: Mapping[str, str] = {
    "accuracy": "error_rate", "error": "error_rate", "logloss": "log_loss", "brier_score": "brier",
    "mse": "squared_error", "rmse": "squared_error", "mae": "absolute_error",
}  # fmt: skip
LOSSES = ("log_loss", "brier", "error_rate", "squared_error", "absolute_error")
MOST: Mapping[str, float] = {"log_loss": -float(np.log(_SURE)), "brier": 1.0, "error_rate": 1.0}
"""The greatest loss that a row can have; of the others there is none."""


def named(metric: str | None, prediction: Any, label: Any) -> str:
    """Return the loss that is followed.

    Args:
        metric: that penstock.yaml asks for; None: whatever fits.
        prediction, label: columns; of texts or numbers.

    >>> named(None, [0.2, 0.9], [0.0, 1.0]), named(None, ["a", "b"], ["a", "a"])
    ('log_loss', 'error_rate')
    >>> named("rmse", [1.0], [2.0])
    'squared_error'
    """
    if metric is not None:
        wanted = ALIASES.get(metric, metric)
        if wanted in LOSSES and (
            wanted not in ("log_loss", "brier") or is_probability(prediction, label)
        ):
            return wanted
    if is_probability(prediction, label):
        return "log_loss"
    return "squared_error" if _measured(prediction, label) else "error_rate"


def is_probability(prediction: Any, label: Any) -> bool:
    """Tell whether answers are probabilities of a label that is 0 or 1."""
    p, y = np.asarray(prediction), np.asarray(label)
    if p.dtype.kind not in "fiu" or y.dtype.kind not in "fiub" or not len(p):
        return False
    inside = bool(((p >= 0) & (p <= 1)).all()) and bool(np.isin(y, (0, 1)).all())
    return inside and not bool(np.isin(p, (0, 1)).all())


def _measured(prediction: Any, label: Any) -> bool:
    p, y = np.asarray(prediction), np.asarray(label)
    if p.dtype.kind not in "fiu" or y.dtype.kind not in "fiub":
        return False
    whole = bool((p == np.round(p)).all()) and bool((y == np.round(y)).all())
    return not (whole and len(np.unique(y)) <= 20)


def losses(name: str, prediction: Any, label: Any) -> Floats:
    """Return the loss of each row, shape (rows,).

    >>> losses("error_rate", ["a", "b"], ["a", "a"]).tolist()
    [0.0, 1.0]
    >>> losses("squared_error", [1.0, 2.0], [1.5, 2.0]).tolist()
    [0.25, 0.0]
    """
    if name == "error_rate":
        p, y = (np.asarray(one) for one in (prediction, label))
        if p.dtype.kind in "fiu" and y.dtype.kind in "fiub":
            if is_probability(p, y):
                p = p >= 0.5
            return np.asarray(p.astype(float) != y.astype(float), np.float64)
        texts = ([_text(v) for v in one] for one in (prediction, label))
        return np.array([a != b for a, b in zip(*texts, strict=True)], np.float64)
    p, y = np.asarray(prediction, np.float64), np.asarray(label, np.float64)
    if name == "log_loss":
        sure = np.clip(p, _SURE, 1.0 - _SURE)
        return np.asarray(-np.where(y > 0.5, np.log(sure), np.log(1.0 - sure)))
    if name == "absolute_error":
        return np.asarray(np.abs(p - y))
    return np.asarray((p - y) ** 2)


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def from_gate(name: str, evidence: Mapping[str, tuple[float, float | None]]) -> Any:
    """Return the loss that the gates measured: (value, a bound that it is hardly above), or None.

    Args:
        name: of the loss.
        evidence: metric -> (value, the bad end of its interval).

    >>> from_gate("error_rate", {"accuracy": (0.9, 0.88)})
    (0.1, 0.12)
    """
    forms = {
        "error_rate": (("accuracy", lambda v: 1.0 - v), ("error_rate", float)),
        "log_loss": (("log_loss", float),),
        "brier": (("brier", float), ("brier_score", float)),
        "squared_error": (("mse", float), ("rmse", lambda v: v * v)),
        "absolute_error": (("mae", float),),
    }
    for metric, turned in forms.get(name, ()):
        if metric in evidence:
            value, bad = evidence[metric]
            upper = turned(bad) if bad is not None else turned(value)
            return round(turned(value), 12), round(max(upper, turned(value)), 12)
    return None
