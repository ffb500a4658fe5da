"""Alerts: what people are told, once, until it is over.

What is wrong is a condition: a key, a severity and words. A condition that is new raises an alert;
while it lasts nothing more is said, unless it becomes severe or takes in a feature that nobody was
told of; when it is gone the alert is resolved. All of it is a pure function of the alerts that are
open and the conditions that hold.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
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
        unit: of both: ``times``, ``ratio`` (of the rows), ``s``, or what is counted.
        cause: what it probably comes from.
        command: what to do about it.
        model, version: whom it is about.
        raised: when it was told last; 0 before.
        resolved: when it was over; 0 before.
        subjects: features, columns and so on that it is about, all that it ever was.
        fresh: those of them that the last telling is about.
        told: how often it was told because of new ones, with the first time.
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
    unit: str = ""
    subjects: tuple[str, ...] = ()
    resolved: float = 0.0
    fresh: tuple[str, ...] = ()
    told: int = 1

    @property
    def id(self) -> str:
        """The same each time that one thing is told, so that receivers can drop repetitions."""
        name = f"{self.model}/{self.version}/{self.key}/{int(self.since)}/{self.severity}"
        return name if self.told == 1 else f"{name}/{self.told}"

    @property
    def amount(self) -> str:
        """How much, and what is tolerated, in words; "" when nothing is counted.

        >>> Alert("drift", "severe", "", 0.0, 2.5, 1.0, unit="times").amount
        '2.5 times what is tolerated'
        >>> Alert("data: missing values", "warning", "", 0.0, 0.1, 0.026, unit="ratio").amount
        '10.0% of the rows; 2.6% is tolerated'
        >>> Alert("stale", "warning", "", 0.0, 3.5e6, 2.6e6, unit="s").amount
        '41 days; 30 days is tolerated'
        """
        if self.value is None:
            return ""
        if self.unit == "times":
            return f"{self.value:.1f} times what is tolerated"
        value, limit = (_said(one, self.unit) for one in (self.value, self.threshold))
        of = " of the rows" if self.unit == "ratio" else ""
        held = f"; {limit} is tolerated" if limit and self.threshold else ""
        return f"{value}{of}{held}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {**asdict(self), "subjects": list(self.subjects), "fresh": list(self.fresh)}

    @classmethod
    def from_dict(cls, item: Mapping[str, Any]) -> Alert:
        """Read what `to_dict` wrote."""
        known = {name: item[name] for name in cls.__dataclass_fields__ if name in item}
        lists = {name: tuple(known.get(name, ())) for name in ("subjects", "fresh")}
        return cls(**{**known, **lists})


@dataclass(frozen=True, slots=True)
class Change:
    """What became of the alerts.

    Attributes:
        open: by key, after it.
        raised: new ones, and those that became severe or are about more than before.
        resolved: those that are over.
    """

    open: dict[str, Alert]
    raised: tuple[Alert, ...] = ()
    resolved: tuple[Alert, ...] = ()


def update(
    open_alerts: Mapping[str, Alert],
    conditions: Iterable[Alert],
    asked: Iterable[str],
    now: float,
    *,
    gone: Collection[str] = (),
) -> Change:
    """Compare what holds with what was told.

    Args:
        open_alerts: by key.
        conditions: what holds now.
        asked: prefixes of the keys that were looked at; an alert that nobody asked about stays.
        now: seconds since the epoch.
        gone: keys of alerts that are over whatever holds now.

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
        if key not in gone and (key in present or not key.startswith(prefixes)):
            kept[key] = old
        else:
            resolved.append(replace(old, resolved=now))
    for key, one in present.items():
        known = kept.get(key)
        if known is None:
            kept[key] = replace(one, raised=now, fresh=one.subjects)
            raised.append(kept[key])
            continue
        kept[key] = _followed(known, one, now)
        if kept[key].raised != known.raised:
            raised.append(kept[key])
    return Change(kept, tuple(raised), tuple(resolved))


def _followed(known: Alert, one: Alert, now: float) -> Alert:
    """Return an open alert as it is now: the words follow the present; what was told stays told."""
    worse = SEVERITIES.index(one.severity) > SEVERITIES.index(known.severity)
    # What an earlier release wrote has no subjects: then these are the ones that were told.
    new = tuple(name for name in one.subjects if name not in known.subjects and known.subjects)
    return replace(
        one,
        since=known.since,
        severity=one.severity if worse else known.severity,
        raised=now if worse or new else known.raised,
        subjects=(known.subjects + new) or one.subjects,
        fresh=new if worse or new else known.fresh,
        told=known.told + (1 if new and not worse else 0),
    )


def span(seconds: float) -> str:
    """Return a length of time in words.

    >>> span(45.0), span(1.5 * 3600), span(86_400.0), span(21.4 * 86_400)
    ('45 seconds', '1.5 hours', '24 hours', '21 days')
    """
    for size, name in ((86_400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2.0 * size or (seconds >= size and size < 86_400.0):
            count = seconds / size
            shown = f"{count:.0f}" if count >= 10 else f"{count:.1f}".removesuffix(".0")
            return f"{shown} {name.removesuffix('s') if shown == '1' else name}"
    return f"{seconds:.0f} seconds"


def _said(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    if unit == "s":
        return span(value)
    if unit == "ratio":
        return f"{value:.1%}"
    return f"{value:.4g} {unit.removesuffix('s') if value == 1 else unit}".rstrip()
