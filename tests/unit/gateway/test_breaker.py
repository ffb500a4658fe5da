"""The circuit breaker: it opens on a share of many, tries with a few, and closes again."""

from __future__ import annotations

import pytest

from penstock.gateway.breaker import PROBES, Breaker, State


def made(**changes) -> Breaker:
    return Breaker(0.5, **{"window": 60.0, "least": 20, "pause": 30.0, **changes})


def test_it_needs_enough_requests_and_more_than_the_share():
    breaker = made()
    assert not breaker.look(0.0, 0, 0)
    assert not breaker.look(1.0, 19, 19)
    assert not breaker.look(2.0, 40, 20)
    assert breaker.look(3.0, 60, 40)
    assert (breaker.state, breaker.opened) == (State.OPEN, 1)
    assert not breaker.admits()
    assert breaker.wait(3.0) == 30


def test_what_is_older_than_the_window_is_forgotten():
    breaker = made()
    breaker.look(0.0, 0, 0)
    breaker.look(1.0, 15, 15)
    assert not breaker.look(100.0, 115, 15)
    assert not breaker.look(101.0, 130, 30)
    assert breaker.state is State.CLOSED


@pytest.mark.parametrize(("violating", "state"), [(0, State.CLOSED), (PROBES, State.OPEN)])
def test_a_few_requests_decide(violating, state):
    breaker = made()
    breaker.look(0.0, 0, 0)
    breaker.look(1.0, 20, 20)
    assert not breaker.look(30.9, 20, 20)
    assert breaker.look(31.0, 20, 20)
    assert breaker.state is State.HALF_OPEN
    assert [breaker.admits() for _ in range(PROBES + 2)] == [True] * PROBES + [False] * 2
    assert not breaker.look(31.5, 20 + PROBES - 1, 20 + max(violating - 1, 0))
    assert breaker.look(32.0, 20 + PROBES, 20 + violating)
    assert breaker.state is state
    assert breaker.admits() == (state is State.CLOSED)


def test_requests_that_were_never_answered_do_not_hold_it():
    breaker = made()
    breaker.look(0.0, 0, 0)
    breaker.look(1.0, 20, 20)
    breaker.look(31.0, 20, 20)
    while breaker.admits():
        pass
    breaker.look(61.0, 22, 20)
    assert breaker.state is State.HALF_OPEN
    assert breaker.admits()


def test_counts_that_fall_are_no_violations():
    breaker = made()
    breaker.look(0.0, 100, 90)
    assert not breaker.look(1.0, 200, 5)
