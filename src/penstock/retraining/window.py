"""The window of data that a retraining trains on.

A pipeline takes part by reading the parameters ``window.start`` and ``window.end``: penstock sets
them. A pipeline that does not read them trains on all the data it has.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from penstock.errors import ConfigError

START, END = "window.start", "window.end"


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when; None leaves an end as the pipeline has it.

    Attributes:
        policy: ``expanding``, ``sliding`` or ``since-change``.
        start, end: seconds since the epoch.
    """

    policy: str
    start: float | None
    end: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"policy": self.policy, "start": self.start, "end": self.end}


def choose(policy: str, length: float, changed: float | None, now: float) -> Window:
    """Return the window of a retraining.

    Args:
        policy: ``expanding`` (all until now), ``sliding`` (the newest `length` seconds) or
            ``since-change`` (since the world changed; all, where that is not known).
        length: seconds of a sliding window.
        changed: when the world changed, as the monitor that asked says.
        now: seconds since the epoch.

    >>> choose("sliding", 60.0, None, 1000.0)
    Window(policy='sliding', start=940.0, end=1000.0)
    >>> choose("since-change", 0.0, 700.0, 1000.0).start
    700.0
    """
    if policy == "sliding" and length > 0:
        return Window(policy, now - length, now)
    if policy == "since-change" and changed is not None:
        return Window(policy, changed, now)
    return Window(policy, None, now)


def changes(window: Window, known: Collection[str], present: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters to set, by dotted name.

    Args:
        window: to train on.
        known: parameters that the pipeline's stages read.
        present: their values now; a date is kept a date, a number seconds since the epoch.

    Raises:
        ConfigError: ``retrain.no-window`` when a window is wanted that the pipeline cannot keep.
    """
    readable = {name for name in (START, END) if name in known}
    if window.start is not None and START not in readable:
        raise ConfigError(
            f"`retrain.window` is {window.policy}, and no stage reads the parameter {START}",
            code="retrain.no-window",
            hint="add `window: {start: '2026-01-01', end: '2026-12-31'}` to params.yaml "
            "and `params: [window]` to the stage that reads the data",
        )
    wanted = {START: window.start, END: window.end}
    return {
        name: _written(moment, present.get(name))
        for name, moment in wanted.items()
        if moment is not None and name in readable
    }


def _written(moment: float, like: Any) -> Any:
    """Write a time as the present value is written."""
    if isinstance(like, int | float) and not isinstance(like, bool):
        return type(like)(moment)
    then = datetime.fromtimestamp(moment, UTC)
    if isinstance(like, datetime):
        return then.replace(tzinfo=None, microsecond=0)
    if isinstance(like, date):
        return then.date()
    if isinstance(like, str) and len(like) <= len("2026-01-01"):
        return then.date().isoformat()
    return then.replace(tzinfo=None, microsecond=0).isoformat()
