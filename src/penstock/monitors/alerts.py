"""Alerts: what people are told, once, until it is over.

What is wrong is a condition: a key, a severity and words. A condition that is new raises an alert;
while it lasts nothing more is said, unless it becomes severe; when it is gone the alert is
resolved. All of it is a pure function of the alerts that are open and the conditions that hold.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

SEVERITIES = ("info", "warning", "severe")


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that people should know.

    Attributes:
        key: names the condition: ``drift``, ``quality``, ``data: missing values`` and so on.
        severity: of `SEVERITIES`.
        what: in one sentence, with the numbers.
        since: when it began, in seconds since the epoch.
        value, threshold: how much, and what is tolerated.
        cause: what it probably comes from.
        command: what to do about it.
        model, version: whom it is about.
        raised: when it was told; 0 before.
    """

    key: str
    severity: str
    what: str
    since: float
    value: float | None = None
    threshold: float | None = None
    cause: str = ""
    command: str = ""
    model: str = ""
    version: str = ""
    raised: float = 0.0

    @property
    def id(self) -> str:
        """The same for every telling of one alert, so that receivers can drop repetitions."""
        return f"{self.model}/{self.version}/{self.key}/{int(self.since)}/{self.severity}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, item: Mapping[str, Any]) -> Alert:
        """Read what `to_dict` wrote."""
        return cls(**item)


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the alerts.

    Attributes:
        open: by key, after it.
        raised: new ones, and those that became severe.
        resolved: those that are over.
    """

    open: dict[str, Alert]
    raised: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()


def update(
    open_alerts: Mapping[str, Alert], conditions: Iterable[Alert], asked: Iterable[str], now: float
) -> Change:
    """Compare what holds with what was told.

    Args:
        open_alerts: by key.
        conditions: what holds now.
        asked: prefixes of the keys that were looked at; an alert that nobody asked about stays.
        now: seconds since the epoch.

    >>> first = update({}, [Alert("drift", "warning", "age drifted", 10.0)], ["drift"], 20.0)
    >>> [one.key for one in first.raised]
    ['drift']
    >>> update(first.open, [Alert("drift", "warning", "age drifted", 15.0)], ["drift"], 30.0).raised
    ()
    >>> [one.key for one in update(first.open, [], ["drift"], 40.0).resolved]
    ['drift']
    """
    prefixes = tuple(asked)
    present = {one.key: one for one in conditions}
    kept: dict[str, Alert] = {}
    raised, resolved = [], []
    for key, old in open_alerts.items():
        if key in present or not key.startswith(prefixes):
            kept[key] = old
        else:
            resolved.append(old)
    for key, one in present.items():
        known = kept.get(key)
        if known is None:
            kept[key] = replace(one, raised=now)
            raised.append(kept[key])
        elif SEVERITIES.index(one.severity) > SEVERITIES.index(known.severity):
            kept[key] = replace(one, since=known.since, raised=now)
            raised.append(kept[key])
        else:  # the words follow the present; what was told stays told
            kept[key] = replace(
                one, since=known.since, raised=known.raised, severity=known.severity
            )
    return Change(kept, tuple(raised), tuple(resolved))
