"""The promise of the gates by simulation: what must not pass does not, what should pass does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from penstock.domain.verdict import Outcome
from penstock.gates import ConditionSpec, GateSpec, judge
from penstock.gates.confusion import Correlation
from penstock.gates.estimates import f_measure
from penstock.gates.fairness import Gap
from penstock.gates.predictions import Predictions
from penstock.stats import bounded, compare, proportions
from penstock.stats.calibration import Calibration
from penstock.stats.ranks import AreaSample
from penstock.stats.recall import RecallCurve

ALPHA = 0.05
RUNS = 400


def at_most(misses: int, runs: int, alpha: float = ALPHA) -> bool:
    """Whether so many misses are no evidence, at one in a hundred thousand, of a broken promise."""
    return proportions.lower(misses, runs, 1e-5) <= alpha


def test_lower_bounds_of_bounded_means_are_above_the_truth_as_seldom_as_promised():
    rng = np.random.default_rng(1)
    for draw, mean in (
        (lambda: rng.beta(0.5, 4.5, 500), 0.1),
        (lambda: (rng.random(500) < 0.02).astype(float), 0.02),
        (lambda: rng.random(500), 0.5),
    ):
        misses = sum(bounded.lower_mean(draw(), 0, 1, ALPHA) > mean for _ in range(RUNS))
        assert at_most(misses, RUNS)
        misses = sum(bounded.upper_mean(draw(), 0, 1, ALPHA) < mean for _ in range(RUNS))
        assert at_most(misses, RUNS)


@pytest.mark.parametrize("area", [0.5, 0.75, 0.95])
def test_bounds_of_areas(area):
    rng = np.random.default_rng(2)
    shift = 2**0.5 * float(ndtri(area))
    low = high = 0
    for _ in range(RUNS):
        labels = rng.random(600) < 0.3
        found = AreaSample.of(labels, [(1.0, rng.normal(size=600) + shift * labels)])
        low += found.lower(ALPHA) > area
        high += found.upper(ALPHA) < area
    assert at_most(low, RUNS)
    assert at_most(high, RUNS)


def test_bounds_of_a_difference_of_areas():
    rng = np.random.default_rng(3)
    misses = 0
    for _ in range(RUNS):
        labels = rng.random(600) < 0.3
        signal = rng.normal(size=600) + labels
        models = [signal + 0.5 * rng.normal(size=600) for _ in range(2)]
        found = AreaSample.of(labels, [(1.0, models[0]), (-1.0, models[1])])
        misses += not found.lower(ALPHA) <= 0 <= found.upper(ALPHA)
    assert at_most(misses, RUNS, 2 * ALPHA)


def test_bounds_of_the_calibration_error():
    rng = np.random.default_rng(4)
    for bias, truth in ((0.0, 0.0), (0.1, 0.1)):
        misses = 0
        for _ in range(RUNS):
            chance = rng.random(1000) * 0.9
            found = Calibration.of(rng.random(1000) < chance + bias, chance)
            misses += not found.lower(ALPHA) <= truth <= found.upper(ALPHA)
        assert at_most(misses, RUNS, 2 * ALPHA)


def test_bounds_of_gaps_between_groups():
    rng = np.random.default_rng(5)
    for rates in ([0.3, 0.3, 0.3], [0.2, 0.3, 0.35]):
        misses = 0
        for _ in range(RUNS):
            trials = np.array([200, 400, 300])
            found = Gap(("a", "b", "c"), rng.binomial(trials, rates).astype(float), trials * 1.0)
            truth = max(rates) - min(rates)
            misses += not found.lower(ALPHA) <= truth <= found.upper(ALPHA)
        assert at_most(misses, RUNS, 2 * ALPHA)


def test_bounds_of_f1():
    rng = np.random.default_rng(6)
    true, false, missed = 0.2, 0.1, 0.15
    truth, misses = 2 * true / (2 * true + false + missed), 0
    for _ in range(RUNS):
        tp, fp, fn, _ = rng.multinomial(500, [true, false, missed, 1 - true - false - missed])
        low = f_measure(proportions.lower(tp, tp + fp + fn, ALPHA))
        misses += low > truth
    assert at_most(misses, RUNS)
    assert misses > RUNS * ALPHA / 5  # and exact, not merely safe


@pytest.mark.parametrize(("margin", "differ"), [(-0.02, 0.1), (0.0, 0.05), (0.03, 0.2)])
def test_paired_test_promotes_as_seldom_as_promised(margin, differ):
    rng = np.random.default_rng(7)
    wins, losses, _ = rng.multinomial(
        800, [(differ + margin) / 2, (differ - margin) / 2, 1 - differ], RUNS
    ).T
    p = [
        compare.paired_p_value(int(b), int(c), 800, margin, nuisance=ALPHA / 20)
        for b, c in zip(wins, losses, strict=True)
    ]
    promoted = sum(one <= ALPHA for one in p)
    assert at_most(promoted, RUNS)
    assert promoted > RUNS * ALPHA / 5


def _rows(rng, n: int, chance: float) -> tuple[pd.DataFrame, Predictions]:
    truth = (rng.random(n) < 0.5).astype(np.int64)
    labels = np.where(rng.random(n) < chance, truth, 1 - truth)
    frame = pd.DataFrame({"y": truth, "part": np.arange(n) % 4})
    return frame, Predictions(True, None, labels, None, np.array([0, 1]), n=n)


def test_a_candidate_with_one_broken_slice_is_promoted_as_seldom_as_promised():
    # All slices must pass, so the one that is broken has the whole error for itself.
    rng = np.random.default_rng(8)
    spec = GateSpec(
        (ConditionSpec("candidate.accuracy > 0.7 on slice part=*"),), reliability=0.95, steps=1
    )
    promoted = 0
    for _ in range(150):
        frame, model = _rows(rng, 800, 0.95)
        broken = frame["part"].to_numpy() == 0
        wrong = rng.random(800) >= 0.7
        answers = np.where(broken, np.where(wrong, 1 - frame["y"], frame["y"]), model.labels)
        found = Predictions(True, None, answers, None, model.classes, n=800)
        verdicts = judge(spec, candidate=found, champion=None, data=frame, target="y")
        promoted += not any(one.stops for one in verdicts)
    assert at_most(promoted, 150)


def test_a_good_candidate_fails_as_seldom_as_promised_over_all_slices():
    # Mode fn-free: slices share the error, Holm's way.
    rng = np.random.default_rng(9)
    spec = GateSpec(
        (ConditionSpec("candidate.accuracy > 0.7 on slice part=*"),),
        reliability=0.95,
        mode="fn-free",
        steps=1,
    )
    failed = 0
    for _ in range(150):
        frame, model = _rows(rng, 800, 0.7001)
        verdicts = judge(spec, candidate=model, champion=None, data=frame, target="y")
        failed += any(one.outcome is Outcome.FAILED for one in verdicts)
    assert at_most(failed, 150)


def test_climbing_on_one_test_set_fools_no_gate():
    """One hundred commits, none truly better; each keeps what looked better on the test set."""
    rng = np.random.default_rng(10)
    n, commits = 2000, 100
    truth = (rng.random(n) < 0.5).astype(np.int64)
    frame = pd.DataFrame({"y": truth})
    spec = GateSpec(
        (ConditionSpec("candidate.accuracy > 0.5 +/- 0.1"),),
        reliability=0.95,
        adaptivity="full",
        steps=commits,
    )
    best = (rng.random(n) < 0.5).astype(np.int64)
    naive, passed = 0, 0
    for _ in range(commits):
        labels = np.where(rng.random(n) < 0.05, 1 - best, best)
        model = Predictions(True, None, labels, None, np.array([0, 1]), n=n)
        (verdict,) = judge(spec, candidate=model, champion=None, data=frame, target="y")
        passed += verdict.outcome is Outcome.PASSED
        if (labels == truth).sum() > (best == truth).sum():
            best, naive = labels, naive + 1
    assert naive > 10  # "higher is better" promotes again and again
    assert (best == truth).mean() > 0.55  # and believes in it
    assert passed == 0


def test_bounds_of_average_precision():
    rng = np.random.default_rng(11)
    for digits, truth in ((1, 0.6283), (9, 0.6392)):  # with ties, and without
        low = high = 0
        for _ in range(RUNS):
            positive = rng.random(400) < 0.2
            scores = np.round(rng.normal(size=400) + 1.5 * positive, digits)
            found = RecallCurve.of(scores, positive)
            low += found.lower(0.5) > truth
            high += found.upper(0.5) < truth
        assert at_most(low, RUNS, 0.5)
        assert at_most(high, RUNS, 0.5)


def test_bounds_of_matthews_correlation():
    rng = np.random.default_rng(12)
    shares = [0.2, 0.1, 0.15, 0.55]
    truth, misses = Correlation(tuple(1e6 * one for one in shares)).value, 0
    for _ in range(RUNS):
        found = Correlation(tuple(rng.multinomial(500, shares).astype(float)))
        misses += not found.lower(ALPHA) <= truth <= found.upper(ALPHA)
    assert at_most(misses, RUNS, 2 * ALPHA)
