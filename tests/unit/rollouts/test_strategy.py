"""What a strategy means: steps, tables, frozen times."""

import time
from dataclasses import replace

import pytest

from penstock.domain.rollout import RolloutPhase, Step, StepKind, Strategy, StrategyKind
from penstock.errors import ConfigError
from penstock.rollouts import RolloutState
from penstock.rollouts.strategy import (
    analysed_steps,
    effective_steps,
    frozen,
    parse_window,
    stage_of,
    table_of,
)
from penstock.testing.simulation import bundle

STATE = RolloutState(
    "rollout-1", "model", Strategy(sticky="header:X-User"), bundle("1"), bundle("2")
)


def test_the_last_step_is_always_all_traffic():
    strategy = Strategy(steps=(Step(StepKind.WEIGHT, 10.0),))
    assert [step.weight for step in effective_steps(strategy)] == [10.0, 100.0]
    assert len(effective_steps(Strategy())) == 4
    assert [step.kind for step in analysed_steps(Strategy())] == ["shadow", "weight", "weight"]


def test_blue_green_keeps_shadow_and_pause():
    steps = (Step(StepKind.SHADOW), Step(StepKind.PAUSE), Step(StepKind.WEIGHT, 50.0))
    strategy = Strategy(kind=StrategyKind.BLUE_GREEN, steps=steps)
    kinds = [step.kind.value for step in effective_steps(strategy)]
    assert kinds == ["shadow", "pause", "weight"]


@pytest.mark.parametrize("phase", list(RolloutPhase))
def test_every_state_has_one_champion_that_runs(phase):
    for pending in ("", "aborted"):
        state = replace(STATE, phase=phase, pending=pending, weight=25.0, replicas=3)
        table = table_of(state)
        assert table.bundle(table.champion) is not None
        assert table.challenger is None or table.challenger != table.champion
        assert (table.sticky, table.salt, table.replicas) == ("header:X-User", "rollout-1", 3)


def test_a_return_by_hand_wants_the_challenger_alone():
    state = replace(STATE, operation="rollback", phase=RolloutPhase.ROLLING_BACK)
    assert table_of(state).champion == "2"
    assert table_of(replace(state, pending="rolled-back")).champion == "1"


def test_probation_without_copies_keeps_the_previous_one_warm():
    strategy = Strategy(probation_percent=0.0)
    table = table_of(replace(STATE, strategy=strategy, phase=RolloutPhase.PROBATION))
    assert len(table.bundles) == 2
    assert not table.shadow


def test_stages_rise_through_steps_and_probation():
    walk = [replace(STATE, step=step, phase=RolloutPhase.STEPPING) for step in (-1, 0, 1, 2)]
    walk.append(replace(STATE, step=3, phase=RolloutPhase.PROMOTING))
    held = [0.0, 100.0, 599.0, 700.0]
    walk += [replace(STATE, step=3, phase=RolloutPhase.PROBATION, held=one) for one in held]
    assert [stage_of(state) for state in walk] == [0, 0, 1, 2, 3, 3, 4, 10, 10]


def at(text):
    return time.mktime(time.strptime(text, "%Y-%m-%d %H:%M"))


@pytest.mark.parametrize(
    ("window", "when", "inside"),
    [
        ("Fri 16:00-Mon 08:00", "2026-11-27 15:59", False),  # a Friday
        ("Fri 16:00-Mon 08:00", "2026-11-27 16:00", True),
        ("Fri 16:00-Mon 08:00", "2026-11-29 12:00", True),
        ("Fri 16:00-Mon 08:00", "2026-11-30 07:59", True),
        ("Fri 16:00-Mon 08:00", "2026-11-30 08:00", False),
        ("monday 09:00 - tuesday 10:00", "2026-11-30 23:00", True),
        ("22:00-06:00", "2026-11-24 23:00", True),
        ("22:00-06:00", "2026-11-24 05:59", True),
        ("22:00-06:00", "2026-11-24 12:00", False),
        ("12:00-13:00", "2026-11-24 12:30", True),
    ],
)
def test_freeze_windows(window, when, inside):
    found = frozen(Strategy(freeze=("Sun 03:00-Sun 03:01", window)), at(when))
    assert found == (window if inside else None)


@pytest.mark.parametrize("text", ["", "Fri 16:00", "Fri 16:00-08:00", "Foo 16:00-Bar 08:00", "x-y"])
def test_windows_that_cannot_be_read(text):
    with pytest.raises(ConfigError, match="freeze window"):
        parse_window(text)
