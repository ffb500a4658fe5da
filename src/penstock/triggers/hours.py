"""Quiet hours: spans of local time in which nothing starts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from penstock.errors import ConfigError

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
_WEEK = 7 * _DAY
_SPAN = re.compile(
    r"(?:(?P<d1>[a-z]{3})\s+)?(?P<h1>\d{1,2}):(?P<m1>\d\d)\s*-\s*"
    r"(?:(?P<d2>[a-z]{3})\s+)?(?P<h2>\d{1,2}):(?P<m2>\d\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A span of time that comes again every day, or every week.

    Attributes:
        start, end: minutes since midnight, or since Monday's midnight; the end is left out.
        period: minutes after which it comes again.
    """

    start: int
    end: int
    period: int

    def left(self, minute: float) -> float:
        """Return the minutes until the span is over, 0 outside it.

        Args:
            minute: of the week, from Monday's midnight.

        >>> night = parse("22:00-06:00")
        >>> night.left(23 * 60), night.left(5 * 60 + 59), night.left(6 * 60)
        (420.0, 1.0, 0.0)
        """
        length = (self.end - self.start) % self.period or self.period
        into = (minute - self.start) % self.period
        return float(max(0.0, length - into)) if into < length else 0.0


def parse(text: str) -> Span:
    """Read ``22:00-06:00`` or ``Fri 18:00-Mon 06:00``.

    Raises:
        ConfigError: ``retrain.quiet-hours``.
    """
    match = _SPAN.fullmatch(text.strip())
    days = [match[name] for name in ("d1", "d2")] if match else []
    named = [day.lower() for day in days if day]
    good = match is not None and len(named) in (0, 2) and all(day in _DAYS for day in named)
    if not good or match is None:
        raise ConfigError(
            f"{text!r} is not a span of time",
            code="retrain.quiet-hours",
            hint="write 22:00-06:00, or Fri 18:00-Mon 06:00",
        )
    period = _WEEK if named else _DAY
    ends = [int(match[f"h{n}"]) * 60 + int(match[f"m{n}"]) for n in (1, 2)]
    if named:
        ends = [_DAYS.index(day) * _DAY + end for day, end in zip(named, ends, strict=True)]
    return Span(ends[0] % period, ends[1] % period, period)


def after(spans: Sequence[Span], moment: float, zone: tzinfo | None = None) -> float | None:
    """Return the first time from `moment` on that lies in no span, None when there is none.

    Args:
        spans: quiet hours.
        moment: seconds since the epoch.
        zone: whose clock is meant, None for this machine's. A change to or from summer time moves
            the clock, so each end is looked at again.
    """
    limit = moment + 15 * _DAY * 60
    while moment < limit:
        local = datetime.fromtimestamp(moment, zone)
        seconds = timedelta(
            days=local.weekday(), hours=local.hour, minutes=local.minute, seconds=local.second
        ).total_seconds()
        minute = seconds / 60 + local.microsecond / 60e6
        left = max((span.left(minute) for span in spans), default=0.0)
        if left <= 0:
            return moment
        # An hour at most: a change of the clock within the span must not be jumped over.
        moment += max(min(left, 60.0) * 60, 0.001)
    return None
