"""The likely cause of a drift, from its pattern; a hint, never a verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from penstock.monitors.drift import PREDICTION, Shift
from penstock.monitors.reference import Feature, Reference
from penstock.monitors.window import Window

_UNITS = {
    1.609344: "miles and kilometres",
    2.54: "inches and centimetres",
    0.3048: "feet and metres",
    0.45359237: "pounds and kilograms",
    60.0: "minutes and hours, or seconds and minutes",
    3600.0: "seconds and hours",
    86_400.0: "seconds and days",
    10.0: "a shifted decimal point",
    100.0: "percent and shares, or cents and whole units",
    1000.0: "thousands and units",
    1e6: "millions and units",
}


def likely_cause(reference: Reference, window: Window, drifted: Sequence[Shift]) -> str:
    """Return what a drift probably comes from, "" when nothing stands out."""
    if not drifted:
        return "features go together in another way than before, each alone looks as it did"
    parts = []
    for shift in drifted[:3]:
        feature = reference.features[shift.name]
        counts = window.counts[shift.name]
        said = _missing(feature, window) or _scaled(feature, counts) or _unseen(feature, counts)
        if said:
            parts.append(f"{shift.name}: {said}")
    watched = max(len(window.counts) - len(window.absent), 1)
    if not parts and len(drifted) > 2 and len(drifted) >= watched / 2:
        return "most features moved together: other callers, or another mix of requests"
    if not parts and len(drifted) == 1:
        name = drifted[0].name
        if name == PREDICTION:
            return "answers moved while no feature did: look at how features go together"
        return f"{name} alone moved: look at where it is computed"
    return "; ".join(parts) or _moved([one.name for one in drifted])


def _moved(names: Sequence[str]) -> str:
    """Say what moved, and whether the answers went with it."""
    features = [one for one in names if one != PREDICTION]
    shown = ", ".join(features[:3]) + (
        f" and {len(features) - 3} more" if len(features) > 3 else ""
    )
    if len(features) < len(names):
        return f"{shown} moved, and the model's answers with it: the world, or where it is computed"
    return f"{shown} moved together: look at what they are computed from"


def _missing(feature: Feature, window: Window) -> str:
    counts = window.counts[feature.name]
    before = feature.counts[-1] / feature.counts.sum()
    after = counts[-1] / max(int(counts.sum()), 1)
    if after - before > 0.02 and after > 2 * before:
        return f"missing in {after:.1%} of the rows, before in {before:.1%}"
    return ""


def _unseen(feature: Feature, counts: np.ndarray) -> str:
    if feature.cells.kind == "number" or not getattr(feature.cells, "complete", False):
        return ""
    share = counts[-2] / max(int(counts.sum()), 1)
    return f"{share:.1%} of the rows have categories never seen in training" if share > 0.01 else ""


def _scaled(feature: Feature, counts: np.ndarray) -> str:
    """Find a change of unit: nearly everything is out of range, or the mean is a factor away."""
    if feature.name == PREDICTION:  # made by the model, which mixes up no units
        return ""
    if feature.places is None or counts[:-1].sum() == 0 or abs(feature.mean) < 1e-12:
        return ""
    mean = float((counts[:-1] * feature.places).sum() / counts[:-1].sum())
    ratio = mean / feature.mean
    for factor, units in _UNITS.items():
        for one in (factor, 1.0 / factor):
            if abs(ratio / one - 1.0) < 0.03 and abs(np.log(one)) > 0.4:
                return f"values are {one:.3g} times what they were: {units} mixed up?"
    return ""
