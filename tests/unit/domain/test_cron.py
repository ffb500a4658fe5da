"""Schedules: the newest time of each, checked against a plain search minute by minute."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.domain import cron
from penstock.errors import ConfigError

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)  # a Tuesday


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("* * * * *", "2026-11-24 12:00"),
        ("0 4 * * 1", "2026-11-23 04:00"),
        ("30 12 * * *", "2026-11-23 12:30"),
        ("*/25 8-10 * * mon-fri", "2026-11-24 10:50"),
        ("0 0 29 2 *", "2024-02-29 00:00"),
        ("0 0 13 * 5", "2026-11-20 00:00"),
        ("0 6 1,15 * *", "2026-11-15 06:00"),
        ("0 0 * * 7", "2026-11-22 00:00"),
        ("@weekly", "2026-11-22 00:00"),
        ("15 3 1 jan,jul *", "2026-07-01 03:15"),
        ("10/20 11 * * *", "2026-11-24 11:50"),
    ],
)
def test_the_newest_time(text, last):
    found = cron.parse(text).last(NOON.timestamp(), UTC)
    assert datetime.fromtimestamp(found, UTC).strftime("%Y-%m-%d %H:%M") == last


fields = st.tuples(
    st.sampled_from(["*", "0", "*/15", "5,50", "10-20"]),
    st.sampled_from(["*", "3", "*/6", "22-23"]),
    st.sampled_from(["*", "1", "10-12"]),
    st.sampled_from(["*", "11", "nov,dec"]),
    st.sampled_from(["*", "0", "tue", "1-3"]),
)


@settings(max_examples=60, deadline=None)
@given(fields, st.integers(0, 3 * 24 * 60))
def test_it_agrees_with_a_search_minute_by_minute(chosen, back):
    schedule = cron.parse(" ".join(chosen))
    moment = NOON - timedelta(minutes=back)
    wanted = None
    for minutes in range(3 * 24 * 60):
        one = moment - timedelta(minutes=minutes)
        day, weekday = one.day in schedule.days, one.isoweekday() % 7 in schedule.weekdays
        fits = (day or weekday) if schedule.either else (day and weekday)
        same = one.minute in schedule.minutes and one.hour in schedule.hours
        if same and fits and one.month in schedule.months:
            wanted = one.timestamp()
            break
    found = schedule.last(moment.timestamp(), UTC)
    if wanted is not None:
        assert found == wanted
    else:
        assert found is None or found <= (moment - timedelta(days=3)).timestamp()


def test_the_clock_of_a_place_is_meant():
    berlin = ZoneInfo("Europe/Berlin")
    summer = datetime(2026, 7, 1, 12, tzinfo=UTC).timestamp()
    found = cron.parse("0 4 * * *").last(summer, berlin)
    assert datetime.fromtimestamp(found, UTC).hour == 2


@pytest.mark.parametrize(
    "text",
    ["", "* * * *", "60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a * * * *",
     "*/0 * * * *", "5-1 * * * *", "0 0 31 2 *", "@often", "1-x * * * *"],
)  # fmt: skip
def test_what_is_no_schedule_is_told_with_a_remedy(text):
    with pytest.raises(ConfigError) as caught:
        cron.parse(text)
    assert caught.value.code == "retrain.schedule"
    assert caught.value.hint
