"""Counters that only rise, and messages that come late, twice or never."""

from dataclasses import replace

from penstock.domain.traffic import LATENCY_BOUNDS, Counters
from penstock.rollouts.counting import Counting


def counters(requests, errors=0, epoch="a", role="champion", version="1", **more):
    latency = (requests, *(0,) * len(LATENCY_BOUNDS))
    return Counters(version, role, epoch, requests, errors, latency, **more)


def test_the_first_look_takes_the_level():
    counting = Counting()
    assert counting.take([counters(1000)]) == {}
    assert counting.take([counters(1010, 1)])["1"].requests == 10


def test_what_appears_later_counts_from_zero():
    counting = Counting()
    counting.take([])
    tally = counting.take([counters(7, 2)])["1"]
    assert (tally.requests, tally.errors, tally.latency[0]) == (7, 2, 7)


def test_repeated_and_lost_statuses_make_no_difference():
    counting = Counting()
    counting.take([counters(0)])
    seen = [counting.take([counters(n)])["1"].requests for n in (5, 5, 20)]
    assert seen == [5, 0, 15]


def test_a_late_status_is_ignored():
    counting = Counting()
    counting.take([counters(0)])
    assert counting.take([counters(20)])["1"].requests == 20
    assert counting.take([counters(5)]) == {}
    assert counting.take([counters(25)])["1"].requests == 5


def test_a_restart_is_a_new_epoch_and_an_old_epoch_does_not_come_back():
    counting = Counting()
    counting.take([counters(100)])
    assert counting.take([counters(3, epoch="b")])["1"].requests == 3
    assert counting.take([counters(150, epoch="a")]) == {}
    assert counting.take([counters(4, epoch="b")])["1"].requests == 1


def test_roles_of_a_version_add_up_and_copies_are_not_real():
    counting = Counting()
    counting.take([])
    copies = counters(10, role="shadow", version="2")
    real = counters(5, role="challenger", version="2")
    tally = counting.take([copies, real])["2"]
    assert (tally.requests, tally.real) == (15, 5)
    assert (sum(tally.latency), sum(tally.copies)) == (5, 10)


def test_means_and_predictions_are_differences():
    counting = Counting()
    first = counters(2, predictions={"a": 2}, means={"m": (2, 1.0)})
    counting.take([first])
    then = replace(first, requests=5, predictions={"a": 3, "b": 2}, means={"m": (5, 3.5)})
    tally = counting.take([then])["1"]
    assert tally.predictions == {"a": 1, "b": 2}
    assert tally.means == {"m": (3, 2.5)}


def test_it_survives_json():
    import json

    counting = Counting()
    counting.take([counters(10, predictions={"a": 1}, means={"m": (1, 0.5)})])
    again = Counting(json.loads(json.dumps(counting.to_dict())))
    assert again.take([counters(12)])["1"].requests == 2
