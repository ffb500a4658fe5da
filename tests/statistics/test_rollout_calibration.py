"""The real decision and analysis, by simulation: false rollbacks at most alpha, and power.

The long version (2,000 rollouts per row, beside the rules of other tools) is benchmarks/rollouts.
"""

from dataclasses import replace
from statistics import median

import pytest

from penstock.domain.rollout import (
    DEFAULT_RULES,
    RolloutPhase,
    Rule,
    RuleKind,
    Step,
    StepKind,
    Strategy,
)
from penstock.rollouts import RolloutState, advance
from penstock.rollouts.state import ApplyTable, StartTarget
from penstock.testing.fakes import Behaviour, FakeTarget
from penstock.testing.simulation import bundle, simulate

ALPHA = 0.05
STRATEGY = Strategy(
    steps=(
        Step(StepKind.SHADOW, 0.0, 8.0, 50),
        Step(StepKind.WEIGHT, 5.0, 10.0, 10),
        Step(StepKind.WEIGHT, 25.0, 10.0, 50),
        Step(StepKind.WEIGHT, 100.0),
    ),
    rules=tuple(replace(rule, on_alarm="rollback") for rule in DEFAULT_RULES),
    interval=0.5,
    probation=20.0,
    early=False,
    alpha=ALPHA,
)


def same(drift=None, **how):
    behaviour = Behaviour(**how)

    def run(seed, rate=120.0, strategy=STRATEGY):
        target = FakeTarget({"1": behaviour, "2": behaviour}, rate=rate, seed=seed, drift=drift)
        return simulate(strategy, behaviour, behaviour, target=target)

    return run


@pytest.mark.parametrize(
    "world",
    [
        same(error_rate=0.005),
        same(error_rate=0.01, drift=lambda seconds: 6.0 if 12 <= seconds < 22 else 1.0),
        same(error_rate=0.2, latency=0.05, spread=0.8, classes=(0.25, 0.25, 0.25, 0.25)),
    ],
    ids=["quiet", "incident-on-both", "noisy"],
)
def test_false_rollbacks_stay_below_alpha(world):
    runs = 100
    ends = [world(seed).state.phase for seed in range(runs)]
    assert ends.count(RolloutPhase.ROLLED_BACK) / runs <= ALPHA
    assert ends.count(RolloutPhase.PROMOTED) / runs >= 1 - ALPHA


def test_copies_only_and_no_copies_are_calibrated_too():
    behaviour = Behaviour(error_rate=0.02)
    for strategy in (
        replace(STRATEGY, steps=(STRATEGY.steps[0], STRATEGY.steps[-1]), probation=0.0),
        replace(STRATEGY, steps=STRATEGY.steps[1:], mirror=False),
    ):
        ends = [simulate(strategy, behaviour, behaviour, rate=200, seed=s) for s in range(60)]
        assert sum(end.went_back for end in ends) / 60 <= ALPHA


@pytest.mark.parametrize(
    ("bad", "blamed", "seconds"),
    [
        (Behaviour(error_rate=0.03), "errors", 25.0),
        (Behaviour(slow_share=0.2, slow_factor=20.0), "latency", 10.0),
        (Behaviour(latency=0.02), "latency", 12.0),
        (Behaviour(latency=0.2), "latency", 5.0),
        (Behaviour(classes=(0.5, 0.5)), "scores", 15.0),
    ],
)
def test_what_is_worse_is_found_soon_and_by_the_right_rule(bad, blamed, seconds):
    good = Behaviour(error_rate=0.001)
    for seed in range(10):
        end = simulate(STRATEGY, good, bad, rate=120.0, seed=seed)
        assert end.went_back
        assert end.blamed == blamed
        assert end.seconds <= seconds


def test_a_regression_that_begins_late_is_found_although_all_went_well_before():
    good = Behaviour(error_rate=0.005)
    for seed in range(10):
        end = simulate(
            STRATEGY, good, good, rate=600.0, seed=seed, change=(30.0, Behaviour(error_rate=0.05))
        )
        assert end.went_back
        assert end.seconds < 40.0


def test_a_business_metric_counts():
    rule = Rule("conversion", RuleKind.MEAN, margin=0.01)
    strategy = replace(STRATEGY, rules=(rule,), steps=(Step(StepKind.WEIGHT, 50.0, 30.0, 50),))
    high, low = Behaviour(means={"conversion": 0.4}), Behaviour(means={"conversion": 0.25})
    assert all(simulate(strategy, high, low, rate=200, seed=s).went_back for s in range(10))
    ends = [simulate(strategy, high, high, rate=200, seed=s) for s in range(40)]
    assert sum(end.went_back for end in ends) <= 2


def test_lower_may_be_better():
    rule = Rule("returns", RuleKind.MEAN, worse="higher", margin=0.01)
    strategy = replace(STRATEGY, rules=(rule,), steps=(Step(StepKind.WEIGHT, 50.0, 30.0, 50),))
    few, many = Behaviour(means={"returns": 0.1}), Behaviour(means={"returns": 0.3})
    assert simulate(strategy, few, many, rate=200).went_back
    assert not simulate(strategy, many, few, rate=200).went_back


def test_a_fixed_limit_for_latency():
    rule = Rule("latency", RuleKind.TAIL, slo=0.1)
    strategy = replace(STRATEGY, rules=(rule,))
    fine, slow = Behaviour(latency=0.02), Behaviour(latency=0.3)
    assert simulate(strategy, fine, slow, rate=120).went_back
    # Ten times slower, and still within the limit.
    assert not simulate(strategy, Behaviour(latency=0.001), Behaviour(latency=0.01)).went_back


def test_a_strict_limit_is_about_the_quantile_alone():
    strict = Rule("latency", RuleKind.TAIL, tolerance=0.5, strict=True)
    steps = (Step(StepKind.WEIGHT, 50.0, 30.0, 50), Step(StepKind.WEIGHT, 100.0))
    strategy = replace(STRATEGY, rules=(strict,), steps=steps, probation=0.0)
    good = Behaviour(latency=0.05)
    slow = Behaviour(latency=0.05, slow_share=0.03, slow_factor=10.0)
    assert simulate(strategy, good, slow, rate=400).went_back
    assert not any(simulate(strategy, good, good, rate=400, seed=s).went_back for s in range(5))
    # Half as slow again is tolerated, exactly.
    edge = Behaviour(latency=0.075)
    assert not any(simulate(strategy, good, edge, rate=400, seed=s).went_back for s in range(5))


def test_copies_of_successes_only_do_not_accuse_on_probation():
    class Selective(FakeTarget):
        """Copies only what the champion could answer; both fail on the same requests."""

        def behaviour(self, version):
            on_probation = self.table.champion == "2"
            return Behaviour(error_rate=0.0 if on_probation and version == "1" else 0.02)

    both = Behaviour(error_rate=0.02)
    strategy = replace(STRATEGY, probation=60.0)
    for seed in range(20):
        target = Selective({}, rate=300.0, seed=seed)
        end = simulate(strategy, both, both, target=target)
        assert end.state.phase is RolloutPhase.PROMOTED


def test_labels_and_metrics_do_not_accuse_who_is_no_worse():
    rules = (
        Rule("quality", RuleKind.QUALITY, margin=0.0),
        Rule("revenue", RuleKind.MEAN, low=0.0, high=1.0),
    )
    strategy = replace(STRATEGY, rules=rules)
    both = Behaviour(means={"quality": 0.85, "revenue": 0.3})
    ends = [simulate(strategy, both, both, rate=200, seed=seed) for seed in range(80)]
    assert sum(end.went_back for end in ends) / 80 <= ALPHA


@pytest.mark.parametrize(
    ("rule", "good", "bad", "seconds"),
    [
        # Three requests in ten fail for reasons of their own: a fifth more is found.
        (
            Rule("errors", RuleKind.RATE),
            Behaviour(error_rate=0.30),
            Behaviour(error_rate=0.36),
            30.0,
        ),
        # No request is in the tail that was not before; each takes a fifth longer.
        (
            Rule("latency", RuleKind.TAIL, tolerance=0.0, slack=0.0),
            Behaviour(latency=0.05),
            Behaviour(latency=0.06),
            10.0,
        ),
        (
            Rule("quality", RuleKind.QUALITY),
            Behaviour(means={"quality": 0.90}),
            Behaviour(means={"quality": 0.85}),
            30.0,
        ),
    ],
    ids=["frequent-errors", "slower-throughout", "less-often-right"],
)
def test_small_differences_are_found(rule, good, bad, seconds):
    steps = (Step(StepKind.WEIGHT, 50.0, 120.0, 50), Step(StepKind.WEIGHT, 100.0))
    strategy = replace(STRATEGY, rules=(rule,), steps=steps, probation=0.0)
    ends = [simulate(strategy, good, bad, rate=400.0, seed=seed) for seed in range(10)]
    assert all(end.went_back for end in ends)
    assert sorted(end.seconds for end in ends)[5] <= seconds


def test_a_regression_in_the_middle_of_a_step_is_found_soon():
    rule = Rule("errors", RuleKind.RATE)
    steps = (Step(StepKind.WEIGHT, 50.0, 300.0, 50), Step(StepKind.WEIGHT, 100.0))
    strategy = replace(STRATEGY, rules=(rule,), steps=steps)
    good = Behaviour(error_rate=0.005)
    for seed in range(6):
        end = simulate(
            strategy, good, good, rate=1200.0, seed=seed, change=(60.0, Behaviour(error_rate=0.02))
        )
        assert end.went_back
        assert end.seconds < 70.0


def test_what_is_said_to_be_needed_is_about_what_it_takes():
    rule = Rule("quality", RuleKind.QUALITY, margin=0.05)
    behaviour = Behaviour(means={"quality": 0.9})
    steps = (Step(StepKind.WEIGHT, 50.0, 1e9, 10), Step(StepKind.WEIGHT, 100.0))
    strategy = replace(STRATEGY, rules=(rule,), steps=steps, max_seconds=1e9)
    ratios = []
    for seed in range(12):
        said = foretold(strategy, behaviour, seed)
        total = said[-1][0]
        halfway = [one for one in said if one[0] <= total / 2 and one[1] is not None]
        ratios += [halfway[-1][1] / (total - halfway[-1][0])] if halfway else []
    assert len(ratios) >= 6
    assert 1 / 3 <= median(ratios) <= 3


def foretold(strategy, behaviour, seed):
    """What was said at each look: requests seen, more requests needed; until the acquittal."""
    target = FakeTarget({"1": behaviour, "2": behaviour}, rate=100.0, seed=seed)
    state = RolloutState("rollout-1", "model", strategy, bundle("1"), bundle("2"))
    said, now = [], 0.0
    while not state.verdicts or state.verdicts[0].outcome != "passed":
        state, effects = advance(state, target.observe(), now=now)
        for effect in effects:
            if isinstance(effect, StartTarget):
                target.start()
            elif isinstance(effect, ApplyTable):
                target.apply(effect.table)
        needs = state.verdicts[0].needs if state.verdicts else None
        said.append((state.requests, needs))
        target.pass_time(0.5)
        now += 0.5
        assert now < 3_600
    return said
