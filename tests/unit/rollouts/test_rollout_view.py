"""The view of a rollout in a terminal."""

from dataclasses import replace

import pytest

from penstock.cli.rollout_view import duration, lines, seen_percent
from penstock.domain.traffic import Counters, TargetStatus
from penstock.testing.fakes import Behaviour
from penstock.testing.simulation import QUICK

UP = TargetStatus(running=True)


def text(state, observed=UP, **how):
    rows = lines(state, observed, **{"now": state.updated, **how})
    return "\n".join(f"{heading}: {said}" for heading, said in rows)


def test_a_rollout_under_way(world):
    id = world.start()
    state = world.until(id, lambda state: state.weight == 5.0 and state.step_requests)
    said = text(state, seen=4.8)
    assert "version 2 wants the traffic of version 1" in said
    assert "(shadow >5 %< 25 % 100 %)" in said
    assert "5 % to version 2, 4.8 % seen, and copies" in said
    assert "errors: [" in said
    assert "copies: 3 of 60 were answered otherwise (5.0 %)" in text(
        replace(state, compared=60, differed=3)
    )
    assert "more requests to acquit it" in said
    assert "(warns only)" in said
    assert "this step 0 s more" in said or "this step 1 s more" in said


def test_probation_end_and_return(world):
    id = world.start(replace(QUICK, probation=600.0))
    state = world.run(id, "probation")
    assert "probation for 10 min 0 s more" in text(state)
    state = world.controller.abort(id, "no good")
    said = text(state)
    assert "ended: version 1 holds the traffic: no good" in said
    assert "split" not in said


def test_trouble_and_silence_are_shown(world):
    id = world.start()
    state = replace(world.controller.step(id), trouble="no registry")
    said = text(state, TargetStatus(running=False), now=state.updated + 90)
    assert "trouble: no registry (it is tried again)" in said
    assert "warning: the gateway does not answer" in said
    assert "nobody has looked for 1 min 30 s: `penstock rollout drive`" in said


def test_an_accusation_fills_the_bar(make):
    world = make({"2": Behaviour(error_rate=0.5)})
    said = text(world.run(world.start()))
    assert "[####################]!" in said


def test_first_deployment_and_return_have_their_own_titles(make):
    world = make()
    id = world.start(champion=None)
    assert "first deployment, of version 2" in text(world.controller.state(id))
    world.run(id)
    from penstock.testing.simulation import bundle

    back = world.controller.rollback(bundle("1"), "why not")
    assert "return to version 1 from version 2" in text(world.controller.state(back))


@pytest.mark.parametrize(
    ("seconds", "said"), [(59.9, "59 s"), (3_700, "1 h 1 min"), (86_400, "1 d 0 h"), (0, "0 s")]
)
def test_durations(seconds, said):
    assert duration(seconds) == said


def test_seen_split():
    def now(a, b, copies):
        return (
            Counters("1", "champion", requests=a),
            Counters("2", "challenger", requests=b),
            Counters("2", "shadow", requests=copies),
        )

    assert seen_percent(now(100, 10, 50), now(190, 20, 500), "1", "2") == pytest.approx(10.0)
    assert seen_percent(now(100, 10, 0), now(100, 10, 0), "1", "2") is None
    assert seen_percent(now(100, 10, 0), now(5, 20, 0), "1", "2") is None
