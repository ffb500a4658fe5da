"""Label of a prediction: its class, or the fixed bin that a number falls into.

Bins are the same for every model and version, so that two versions can be compared: tenths
between 0 and 1 (probabilities), five to the decade elsewhere.
"""

from __future__ import annotations

import math
from typing import Any

_TENTHS = tuple(f"{k / 10:.1f}..{(k + 1) / 10:.1f}" for k in range(10))
_LAST = 1541
"""Bin that the largest number falls into; its upper edge is beyond what a float can hold."""
_LIMIT = 64
"""Longest label in characters; classes with longer names are cut."""


def label_of(prediction: Any) -> str:
    """Return the label of one prediction.

    Example:
        >>> label_of(1), label_of("late"), label_of(0.25), label_of(300.0), label_of(-0.5)
        ('1', 'late', '0.2..0.3', '251..398', '-0.631..-0.398')
        >>> label_of(float("nan")), label_of([0.1, 0.7, 0.2])
        ('nan', 'class 1')
    """
    if type(prediction) is float:
        return _bin(prediction)
    if isinstance(prediction, (str, int)):
        return str(prediction)[:_LIMIT]
    if isinstance(prediction, dict):
        return label_of(next(iter(prediction.values()), None))
    if isinstance(prediction, (list, tuple)) and prediction:
        if len(prediction) > 1 and all(type(one) is float for one in prediction):
            return f"class {max(range(len(prediction)), key=prediction.__getitem__)}"
        return label_of(prediction[0])
    return str(prediction)[:_LIMIT]


def _bin(value: float) -> str:
    if 0.0 <= value < 1.0:
        return _TENTHS[int(value * 10)]
    if value == 1.0:
        return _TENTHS[9]
    if not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size < 1e-9:
        return "-0"
    step = math.floor(math.log10(size) * 5)
    low = f"{10 ** (step / 5):.3g}"
    high = f"{10 ** ((step + 1) / 5):.3g}" if step < _LAST else "inf"
    return f"{low}..{high}" if value > 0 else f"-{high}..-{low}"
