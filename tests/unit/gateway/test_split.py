import pytest

from penstock.gateway.split import Split, place


def keys(count=20_000):
    return [b"user-%d" % k for k in range(count)]


def test_places_are_even():
    places = [place(key, b"salt") for key in keys()]
    for low in range(0, 100, 10):
        share = sum(low <= one < low + 10 for one in places) / len(places)
        assert abs(share - 0.1) < 0.01


@pytest.mark.parametrize("weight", [0.0, 1.0, 5.0, 25.0, 99.0, 100.0])
def test_the_share_is_the_weight(weight):
    split = Split("1", "2", weight, salt=b"r")
    share = sum(split.choose(key) == ("2", "challenger") for key in keys()) / 20_000
    assert abs(share * 100 - weight) < 1.0
    if weight in (0.0, 100.0):
        assert share * 100 == weight


def test_a_ramp_moves_nobody_back():
    there: set[bytes] = set()
    for weight in (1.0, 5.0, 25.0, 50.0, 100.0):
        split = Split("1", "2", weight, salt=b"r")
        now = {key for key in keys(5000) if split.choose(key)[0] == "2"}
        assert there <= now
        there = now


def test_another_rollout_moves_others():
    one = {key for key in keys(5000) if Split("1", "2", 10.0, salt=b"a").choose(key)[0] == "2"}
    two = {key for key in keys(5000) if Split("1", "2", 10.0, salt=b"b").choose(key)[0] == "2"}
    assert len(one & two) < 0.3 * len(one)


def test_without_challenger_all_goes_to_the_champion():
    assert Split("1", None, 50.0).choose(b"x") == ("1", "champion")
    assert Split().choose(b"x") == (None, "champion")


def test_copies_for_the_shadow():
    assert not Split("1").copies(b"x")
    assert Split("1", shadow="2").copies(b"x")
    split = Split("1", shadow="2", shadow_percent=20.0, salt=b"r")
    assert abs(sum(map(split.copies, keys())) / 20_000 - 0.2) < 0.01
