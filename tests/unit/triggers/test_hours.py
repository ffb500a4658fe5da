"""Quiet hours, also over midnight, over weekends and when the clock is changed."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from penstock.errors import ConfigError
from penstock.triggers import hours

BERLIN = ZoneInfo("Europe/Berlin")


def at(text, zone=UTC):
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def opened(spans, moment, zone=UTC):
    found = hours.after([hours.parse(one) for one in spans], moment, zone)
    return None if found is None else datetime.fromtimestamp(found, zone).strftime("%a %H:%M")


@pytest.mark.parametrize(
    ("spans", "moment", "wanted"),
    [
        ([], "2026-11-24 12:00", "Tue 12:00"),
        (["22:00-06:00"], "2026-11-24 23:30", "Wed 06:00"),
        (["22:00-06:00"], "2026-11-24 06:00", "Tue 06:00"),
        (["22:00-06:00", "06:00-07:15"], "2026-11-24 02:00", "Tue 07:15"),
        (["Fri 18:00-Mon 06:00"], "2026-11-28 12:00", "Mon 06:00"),
        (["00:00-24:00"], "2026-11-24 12:00", None),
    ],
)
def test_the_end_of_quiet_hours(spans, moment, wanted):
    assert opened(spans, at(moment)) == wanted


def test_the_clock_goes_forward_within_quiet_hours():
    moment = at("2026-03-29 01:30", BERLIN)  # at two it is three
    assert opened(["01:00-04:00"], moment, BERLIN) == "Sun 04:00"
    moment = at("2026-10-25 01:30", BERLIN)  # at three it is two again
    assert opened(["01:00-04:00"], moment, BERLIN) == "Sun 04:00"


@pytest.mark.parametrize("text", ["22-6", "Fri 18:00-06:00", "Foo 18:00-Mon 06:00", "night"])
def test_what_is_no_span_is_told_with_a_remedy(text):
    with pytest.raises(ConfigError) as caught:
        hours.parse(text)
    assert caught.value.code == "retrain.quiet-hours"
