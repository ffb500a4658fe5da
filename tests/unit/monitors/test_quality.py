"""Quality: labels that arrive late, decline that is real, estimates beside it."""

from typing import get_args

import numpy as np

from penstock.config.schema_upkeep import Followed
from penstock.config.settings import QualitySettings
from penstock.domain.event import EventType
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.monitors.losses import ALIASES, LOSSES


def quality(verdicts, name="quality"):
    return next(one for one in verdicts if one.name == name)


def follow(world, days, honest=True, rows=300):
    """Send traffic; its labels come a day later. Honest labels are as likely as the score says."""
    verdicts = ()
    for _ in range(days):
        ids, score = world.traffic(rows, seconds=3600.0)
        world.now += 20 * 3600.0
        chance = score if honest else 1.0 - score
        world.labels(ids, world.rng.random(rows) < chance)
        verdicts = world.look()
    return verdicts


def test_without_labels_nothing_is_said(world):
    world.champion("1")
    world.traffic(1001)
    assert not [one for one in world.look() if one.kind == "quality"]


def test_labels_that_agree_with_the_scores_are_no_decline(world):
    world.champion("1")
    verdict = quality(follow(world, 12))
    assert verdict.outcome is Outcome.PASSED
    assert verdict.evidence[0].details["labelled"] == 3600
    assert verdict.evidence[0].name == "log_loss"
    assert world.events(EventType.QUALITY_DECLINED) == []


def test_a_decline_is_found_and_told_once(world):
    world.champion("1")
    follow(world, 6)
    turned = world.now
    verdict = quality(follow(world, 5, honest=False))
    assert verdict.outcome is Outcome.FAILED
    (event,) = world.events(EventType.QUALITY_DECLINED)
    assert event.data["value"] > event.data["tolerated"]
    assert abs(event.data["since"] - turned) < 2 * 86_400
    (alert,) = world.events(EventType.ALERT_RAISED)
    assert alert.data["key"] == "quality"
    assert "penstock retrain" in alert.data["command"]


def test_the_estimate_stands_beside_and_says_what_it_assumes(world):
    world.champion("1")
    follow(world, 6)
    _, score = world.traffic(1001)
    verdict = quality(world.look(), "estimated quality")
    truth = world.rng.random(len(score)) < score
    sure = np.where(truth, score, 1 - score).clip(1e-3)
    assert abs(verdict.evidence[0].value - float(-np.log(sure).mean())) < 0.06
    assert "blind" in verdict.words
    assert verdict.outcome is Outcome.PASSED


def test_what_the_gates_measured_is_what_is_normal(world):
    evidence = (Evidence("candidate.accuracy", 0.95, low=0.94, comparison=">"),)
    verdict = Verdict("candidate.accuracy > 0.9", Outcome.PASSED, "", evidence=evidence)
    with world.journal.transaction() as tx:
        tx.put("version", "mini/1", {"run_id": "run-1", "source": ""})
        tx.put("judgement", "run-1", {"verdicts": [verdict.to_dict()]})
    world.configure(quality=QualitySettings(metric="accuracy", decline=0.02))
    world.champion("1")
    found = quality(follow(world, 2))
    assert found.outcome is Outcome.FAILED
    assert found.evidence[0].details["baseline_from"] == "at the gates"
    assert round(found.evidence[0].threshold, 3) == 0.08


def test_labels_of_other_versions_are_not_counted(world):
    world.champion("1")
    ids, score = world.traffic(400, version="2")
    world.now += 3600
    world.labels(ids, score > 0.5)
    (verdict,) = [one for one in world.look() if one.kind == "quality"]
    assert verdict.outcome is Outcome.INCONCLUSIVE


def test_a_label_is_counted_once_however_often_one_looks(world):
    world.champion("1")
    ids, score = world.traffic(400)
    world.labels(ids, score > 0.5)
    world.look()
    world.look()
    assert world.watcher().state().quality["rows"] == 400


def test_the_configuration_knows_every_metric_that_can_be_followed():
    assert set(get_args(Followed)) == {*LOSSES, *ALIASES}
