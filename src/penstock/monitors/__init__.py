"""Monitors: a verdict on the world from what the champion sees and answers.

observations → window → drift, data, quality → verdicts → alerts. `Watcher` takes one look at a
project: it judges every window that is complete, writes down what it found and tells whoever is to
be told. It may be killed anywhere and called again.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["DriftMonitor", "QualityMonitor", "Reference", "Watcher", "Window", "build_reference"]

_HOMES = {
    "DriftMonitor": "drift",
    "QualityMonitor": "quality",
    "Reference": "reference",
    "Watcher": "watch",
    "Window": "window",
    "build_reference": "reference",
}


def __getattr__(name: str) -> Any:
    """Import a part when it is first asked for: numpy is not needed to know of them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
