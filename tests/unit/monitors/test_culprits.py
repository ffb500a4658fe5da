"""A classifier names what gives live rows away; predictions become lines for a shipper."""

import json
from dataclasses import replace

import numpy as np
import pytest

from penstock.errors import StateError
from penstock.monitors import build_reference
from penstock.monitors.culprits import find
from penstock.monitors.shipping import ship


def rows(rng, count, together):
    shared = rng.normal(size=count)
    return {
        "a": shared,
        "b": np.sqrt(together) * shared + np.sqrt(1 - together) * rng.normal(size=count),
        "c": rng.normal(size=count),
        "d": rng.choice(np.array(["x", "y"], object), count),
    }


def test_features_that_only_differ_together_are_named():
    rng = np.random.default_rng(3)
    train = rows(rng, 8000, 0.8)
    reference = build_reference(train)
    found = find(reference, train, rows(rng, 2000, 0.1))
    assert found.drifted
    assert set(list(found.shares)[:2]) == {"a", "b"}
    same = find(reference, train, rows(rng, 2000, 0.8))
    assert not same.drifted


def test_the_answers_are_no_feature_that_training_rows_have():
    rng = np.random.default_rng(3)
    train = rows(rng, 8000, 0.8)
    answers = build_reference({"prediction": rng.random(3000)})
    reference = build_reference(train)
    both = replace(reference, features={**reference.features, **answers.features})
    live = {**rows(rng, 2000, 0.8), "prediction": rng.random(2000)}
    assert not find(both, train, live).drifted


def test_a_clock_among_the_features_is_normal_to_be_told_apart_by():
    rng = np.random.default_rng(3)
    train = {**rows(rng, 8000, 0.8), "clock": np.arange(8000.0)}
    found = find(build_reference(train), train, {**rows(rng, 2000, 0.8), "clock": [9e3] * 2000})
    assert found.normal == 1.0  # an area is never greater
    assert not found.drifted


def test_too_few_rows_are_refused():
    rng = np.random.default_rng(3)
    train = rows(rng, 8000, 0.8)
    with pytest.raises(StateError, match="100 rows are too few"):
        find(build_reference(train), train, rows(rng, 100, 0.8))


def test_the_watcher_asks_about_the_last_window(world):
    world.champion("1")
    assert world.watcher().culprits() is None
    world.traffic(1001, shift=1.0)
    world.look()
    found = world.watcher().culprits()
    assert found.drifted
    assert next(iter(found.shares)) == "age"


def test_predictions_are_written_once(world, tmp_path):
    path = tmp_path / "predictions.ndjson"
    world.traffic(300)
    assert ship(world.log, world.journal, "mini", path, until=world.now) == 300
    assert ship(world.log, world.journal, "mini", path, until=world.now) == 0
    world.now += 30 * 3600
    world.traffic(20)
    assert ship(world.log, world.journal, "mini", path, until=world.now) == 20
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len({one["event.id"] for one in lines}) == len(lines) == 320
    assert lines[0]["penstock.features"]["carrier"] in {"AA", "DL", "UA"}
    assert ship(world.log, world.journal, "other", tmp_path / "x", until=0.0) == 0
