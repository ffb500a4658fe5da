"""What becomes known later moves traffic: labels and business metrics, with real processes."""

from dataclasses import replace

import pytest

from penstock.domain.rollout import DEFAULT_RULES, RolloutPhase, Rule, RuleKind, Step, StepKind
from penstock.domain.rollout import StrategyKind as Kind

pytestmark = [pytest.mark.timeout(280)]

LONG = (Step(StepKind.WEIGHT, 30.0, 300.0, 10), Step(StepKind.WEIGHT, 100.0))
RULES = tuple(replace(rule, slack=1.0) for rule in DEFAULT_RULES)


def label(number, _version):
    return {"label": number % 2}


def test_wrong_answers_are_found_by_late_labels_in_the_canary(stack, ask):
    strategy = replace(stack.strategy, steps=LONG, rules=RULES, early=False)
    with ask(label) as load:
        id, champion, challenger = stack.start(strategy, wrong=40)
        state = stack.run(id)
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert state.reason.startswith("quality: right on "), state.reason
    assert {one.status for one in load.answers} == {200}
    assert challenger in load.versions()
    assert stack.champion == champion
    assert load.told > 50


def test_wrong_answers_are_found_by_the_labels_of_copies(stack, ask):
    shadow = (Step(StepKind.SHADOW, 0.0, 300.0, 10), Step(StepKind.WEIGHT, 100.0))
    strategy = replace(stack.strategy, steps=shadow, rules=RULES)
    with ask(label) as load:
        id, champion, _ = stack.start(strategy, wrong=40)
        state = stack.run(id)
        assert load.versions() == {champion}
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert state.reason.startswith("quality: "), state.reason


def test_labels_that_come_after_the_promotion_take_it_back(stack, ask):
    strategy = replace(stack.strategy, rules=RULES, probation=300.0)
    with ask() as load:
        id, champion, _ = stack.start(strategy, wrong=40)
        state = stack.run(id, "probation")
        assert state.phase is RolloutPhase.PROBATION, state.reason
        assert stack.champion == state.challenger.version
        load.tell = label
        state = stack.run(id)
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert state.reason.startswith("quality: "), state.reason
    assert stack.champion == champion
    stack.wait_for(lambda: stack.client.status().ready == {champion})


@pytest.mark.parametrize(("better", "phase"), [(False, "rolled-back"), (True, "promoted")])
def test_an_ab_test_is_decided_by_what_requests_brought(stack, ask, better, phase):
    revenue = Rule("revenue", RuleKind.MEAN, low=0.0, high=20.0)
    steps = (Step(StepKind.WEIGHT, 50.0, 0.5, 20), Step(StepKind.WEIGHT, 100.0))
    rules = (*RULES[:2], revenue)
    strategy = replace(
        stack.strategy, kind=Kind.AB, steps=steps, rules=rules, probation=0.0, early=False
    )
    champion = stack.champion

    def basket(number, version):
        more = (version != champion) is better
        return {"metrics": {"revenue": 4.0 * (number % 3) + (4.0 if more else 0.0)}}

    with ask(basket):
        id, _, challenger = stack.start(strategy)
        state = stack.run(id)
    assert state.phase.value == phase, state.words
    assert stack.champion == (challenger if better else champion)
    said = next(one.words for one in state.verdicts if one.name == "revenue")
    assert "at the challenger" in said
    assert ("no worse" if better else "rolled back") in said
