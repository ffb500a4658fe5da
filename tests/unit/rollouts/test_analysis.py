"""The analysis: verdicts in words and numbers, and none without data."""

import json
import math
from dataclasses import replace

import pytest

from penstock.domain.rollout import DEFAULT_RULES, Rule, RuleKind, Strategy
from penstock.domain.traffic import LATENCY_BOUNDS, Counters
from penstock.domain.verdict import Outcome
from penstock.rollouts import Analysis


def counters(version, requests, errors=0, seconds=0.002, role=None, **more):
    latency = [0] * (len(LATENCY_BOUNDS) + 1)
    latency[next(i for i, bound in enumerate(LATENCY_BOUNDS) if seconds <= bound)] = requests
    role = role or ("champion" if version == "1" else "challenger")
    return Counters(version, role, "e", requests, errors, tuple(latency), **more)


def begun(strategy=None):
    analysis = Analysis(strategy or Strategy(), "1", "2")
    analysis.look([], stage=0, real=True)
    return analysis


def look(analysis, *found, stage=0, real=True):
    return {one.name: one for one in analysis.look(found, stage=stage, real=real)}


def test_accusation_in_words_and_numbers():
    verdicts = look(begun(), counters("1", 9_800, 3), counters("2", 520, 41))
    errors = verdicts["errors"]
    assert errors.outcome is Outcome.FAILED
    assert errors.stops
    assert errors.words.startswith(
        "errors: 41 of 520 at the challenger, 3 of 9,800 at the champion: e-value "
    )
    assert errors.words.endswith("> 40: rolled back")
    (evidence,) = errors.evidence
    assert evidence.threshold == pytest.approx(40.0)
    assert evidence.value > evidence.threshold
    assert evidence.n == 520
    assert evidence.details["challenger"] == [41, 520]
    assert json.dumps(errors.to_dict())


@pytest.mark.parametrize(
    "found", [(), (counters("1", 50),), (counters("2", 50, 50),), (counters("7", 50, 50),)]
)
def test_no_verdict_from_missing_data(found):
    verdicts = look(begun(), *found)
    assert {one.outcome for one in verdicts.values()} == {Outcome.INCONCLUSIVE}
    assert "no request of the" in verdicts["errors"].words


def test_acquittal_needs_evidence_and_says_how_much():
    analysis = begun()
    verdict = look(analysis, counters("1", 100), counters("2", 100))["errors"]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert 200 < verdict.needs < 2_000
    verdict = look(analysis, counters("1", 2_000), counters("2", 2_000))["errors"]
    assert verdict.outcome is Outcome.PASSED
    assert "no worse" in verdict.words


def test_copies_accuse_but_do_not_acquit():
    analysis = begun()
    copies = counters("2", 5_000, role="shadow")
    verdict = look(analysis, counters("1", 5_000), copies, real=False)["errors"]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    copies = counters("2", 5_100, 60, role="shadow")
    verdict = look(analysis, counters("1", 5_100), copies, real=False)["errors"]
    assert verdict.outcome is Outcome.FAILED


def test_latency_is_held_against_the_champion_of_earlier_looks():
    analysis = begun()
    first = look(analysis, counters("1", 500), counters("2", 500, seconds=0.2))["latency"]
    assert "no limit yet" in first.words
    assert first.outcome is Outcome.INCONCLUSIVE
    # One look could be one burst: a version is called slow when it stays so.
    second = look(analysis, counters("1", 600), counters("2", 600, seconds=0.2))
    assert second["latency"].outcome is Outcome.INCONCLUSIVE
    for n in (700, 800, 900):
        later = look(analysis, counters("1", n), counters("2", n, seconds=0.2))
    assert later["latency"].outcome is Outcome.FAILED
    assert "over 7.51 ms at the challenger" in second["latency"].words


def test_a_few_milliseconds_never_accuse():
    analysis = begun()
    for n in (500, 1_000, 1_500):
        fast = counters("1", n, seconds=0.0005)
        slower = counters("2", n, seconds=0.004)
        verdicts = look(analysis, fast, slower)
    assert verdicts["latency"].outcome is not Outcome.FAILED
    strict = Strategy(rules=(Rule("latency", RuleKind.TAIL, slack=0.0),))
    analysis = begun(strict)
    for n in (500, 1_000, 1_500, 2_000, 2_500):
        fast = counters("1", n, seconds=0.0005)
        slower = counters("2", n, seconds=0.004)
        verdicts = look(analysis, fast, slower)
    assert verdicts["latency"].outcome is Outcome.FAILED


def test_a_warning_does_not_stop():
    analysis = begun()
    for n in (200, 400, 600):
        verdicts = look(
            analysis,
            counters("1", n, predictions={"yes": n // 4, "no": n - n // 4}),
            counters("2", n, predictions={"yes": n - n // 4, "no": n // 4}),
        )
    scores = verdicts["scores"]
    assert scores.outcome is Outcome.FAILED
    assert not scores.stops
    assert scores.words.endswith(": a warning")


def test_very_many_labels_are_folded():
    analysis = begun()
    for n in range(1, 4):
        labels = {f"class {i}": n for i in range(300)}
        verdicts = look(
            analysis,
            counters("1", 300 * n, predictions=labels),
            counters("2", 300 * n, predictions=labels),
        )
    assert verdicts["scores"].outcome is Outcome.INCONCLUSIVE
    (scores,) = (one for one in analysis.rules if one.rule.name == "scores")
    assert len(scores.memory) <= 65


def test_mean_in_both_directions():
    rule = Rule("basket", RuleKind.MEAN, low=0.0, high=50.0, margin=1.0)
    for worse, mean, expected in (
        ("lower", 10.0, Outcome.FAILED),
        ("higher", 10.0, Outcome.PASSED),
    ):
        analysis = begun(Strategy(rules=(replace(rule, worse=worse),)))
        verdict = look(
            analysis,
            counters("1", 2_000, means={"basket": (2_000, 20.0 * 2_000)}),
            counters("2", 2_000, means={"basket": (2_000, mean * 2_000)}),
        )["basket"]
        assert verdict.outcome is expected
        assert "mean 10 over 2,000 at the challenger, 20 over 2,000" in verdict.words


def test_a_mean_that_was_not_measured_says_nothing():
    analysis = begun(Strategy(rules=(Rule("basket", RuleKind.MEAN),)))
    verdict = look(analysis, counters("1", 2_000), counters("2", 2_000))["basket"]
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert "0 values of the challenger, 0 of the champion; values are awaited" in verdict.words


def test_shares_of_alpha_add_up():
    analysis = begun()
    blocking = [rule for rule in DEFAULT_RULES if rule.on_alarm == "rollback"]
    total = math.fsum(math.exp(-analysis.bound(rule)) for rule in blocking)
    assert total == pytest.approx(Strategy().alpha)
    # A rule that only warns has a share as well, and takes nothing from the others.
    (warns,) = (rule for rule in DEFAULT_RULES if rule not in blocking)
    assert math.exp(-analysis.bound(warns)) < Strategy().alpha


def test_a_later_stage_is_not_diluted_by_an_earlier_one():
    diluted, staged = begun(), begun()
    for analysis, stage in ((diluted, 0), (staged, 1)):
        look(analysis, counters("1", 40_000, 400), counters("2", 40_000, 300))
        look(analysis, counters("1", 42_000, 420), counters("2", 42_000, 350), stage=stage)
    assert staged.evidence()["errors"] > diluted.evidence()["errors"]


def test_it_survives_json_at_every_look():
    whole, item = begun(), begun().to_dict()
    for n in (100, 300, 900):
        found = (
            counters("1", n, n // 50, predictions={"a": n}),
            counters("2", n, n // 30, predictions={"a": n - 1, "b": 1}),
        )
        expected = whole.look(found, stage=n // 300, real=True)
        split = Analysis(Strategy(), "1", "2", json.loads(json.dumps(item)))
        assert split.look(found, stage=n // 300, real=True) == expected
        item = split.to_dict()
    assert item == whole.to_dict()
