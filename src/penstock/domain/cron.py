"""Schedules in cron's five fields, in local time.

Fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday). Each is ``*``,
a number, a name (``mon``, ``jan``), a range ``a-b``, a step ``*/n`` or ``a-b/n``, or a list of
those. Where both days are given, either will do, as in crontab(5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from penstock.errors import ConfigError

_NAMES = {
    3: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
    4: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
}
_ENDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_YEARS = 8  # a leap day comes at least that often, 1900 and 2100 left out


@dataclass(frozen=True, slots=True)
class Cron:
    """A schedule.

    Attributes:
        minutes, hours, days, months, weekdays: numbers that match.
        either: whether a day matches by its number or by its weekday, instead of by both.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either: bool = False

    def last(self, moment: float, zone: tzinfo | None = None) -> float | None:
        """Return the newest time of the schedule that is not after `moment`, None for never.

        Args:
            moment: seconds since the epoch.
            zone: whose clock is meant, None for this machine's.

        >>> from datetime import UTC
        >>> parse("0 4 * * 1").last(datetime(2026, 11, 24, tzinfo=UTC).timestamp(), UTC)
        1795406400.0
        """
        local = datetime.fromtimestamp(moment, zone)
        day = datetime(local.year, local.month, local.day)
        for back in range(_YEARS * 366):
            date = day - timedelta(days=back)
            if not self._on(date):
                continue
            for hour in sorted(self.hours, reverse=True):
                for minute in sorted(self.minutes, reverse=True):
                    wall = date.replace(hour=hour, minute=minute, tzinfo=zone)
                    if wall.timestamp() <= moment:
                        return wall.timestamp()
        return None

    def _on(self, date: datetime) -> bool:
        if date.month not in self.months:
            return False
        day, weekday = date.day in self.days, date.isoweekday() % 7 in self.weekdays
        return day or weekday if self.either else day and weekday


def parse(text: str) -> Cron:
    """Read a schedule.

    Raises:
        ConfigError: ``retrain.schedule``.

    >>> sorted(parse("*/20 8-10 * * mon-fri").minutes)
    [0, 20, 40]
    """
    fields = _WORDS.get(text.strip().lower(), text).split()
    if len(fields) != len(_ENDS):
        raise _wrong(text, f"it has {len(fields)} fields instead of 5")
    sets = [_field(text, field, place) for place, field in enumerate(fields)]
    either = not fields[2].startswith("*") and not fields[4].startswith("*")
    weekdays = frozenset(day % 7 for day in sets[4])
    cron = Cron(sets[0], sets[1], sets[2], sets[3], weekdays, either)
    if cron.last(0.0) is None:
        raise _wrong(text, "that day never comes")
    return cron


def _field(text: str, field: str, place: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.lower().split(","):
        span, slash, step = part.partition("/")
        low, high = _span(text, span, place, stepped=bool(slash))
        if slash and (not step.isdecimal() or int(step) == 0):
            raise _wrong(text, f"{part!r} has no step")
        found.update(range(low, high + 1, int(step) if slash else 1))
    return frozenset(found)


def _span(text: str, span: str, place: int, *, stepped: bool) -> tuple[int, int]:
    least, most = _ENDS[place]
    if span == "*":
        return least, most if place != 4 else 6
    first, dash, second = span.partition("-")
    low = _number(text, first, place)
    high = _number(text, second, place) if dash else most if stepped else low
    if not least <= low <= high <= most:
        raise _wrong(text, f"{span!r} is not between {least} and {most}")
    return low, high


def _number(text: str, word: str, place: int) -> int:
    names = _NAMES.get(place, [])
    if word in names:
        return names.index(word) + (1 if place == 3 else 0)
    if not word.isdecimal():
        raise _wrong(text, f"{word!r} is no number")
    return int(word)


def _wrong(text: str, why: str) -> ConfigError:
    return ConfigError(
        f"{text!r} is not a schedule: {why}",
        code="retrain.schedule",
        hint="write minute, hour, day, month, weekday: `0 4 * * 1` is Monday at four",
    )
