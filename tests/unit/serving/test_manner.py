"""The limits that requests are held against: from the training data, and from a person."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from penstock import bundles
from penstock.config import load_settings
from penstock.domain.version import ModelVersion
from penstock.inference.manner import Limit, Manner
from penstock.journal import Journal

VERSION = ModelVersion("prices", 3, "d" * 32, "run-1", "c" * 40, "/nowhere")
YAML = """
model: {{name: prices, path: m, test_data: data/test.csv, train_data: data/train.csv, target: y}}
serve: {serve}
"""


@pytest.fixture
def project(tmp_path):
    """A project with training data, and a function from its `serve:` to the manner of a version."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "age": np.r_[18.0, 98.0, rng.uniform(18, 98, 398)],
            "fare": np.r_[np.nan, 0.0, 100.0, rng.uniform(0, 100, 397)],
            "town": rng.choice(["Ulm", "Bonn"], 400),
            "note": [f"note {k}" for k in range(400)],
            "y": 1,
        }
    )
    (tmp_path / "data").mkdir()
    frame.to_csv(tmp_path / "data" / "train.csv", index=False)

    def manner(serve: str) -> Manner:
        (tmp_path / "penstock.yaml").write_text(YAML.format(serve=serve))
        journal = Journal(tmp_path / ".penstock" / "journal.db")
        try:
            return bundles.manner_of(VERSION, tmp_path, load_settings(tmp_path), journal)
        finally:
            journal.close()

    return manner


def test_nothing_is_checked_unless_asked_for(project):
    assert project("{port: 1}") == Manner()
    assert project("{batch: all}") == Manner(batch="all")


def test_limits_come_from_the_training_data(project):
    made = project("{checks: warn}")
    assert made.mode == "warn"
    limits = {one.name: one for one in made.limits}
    assert limits["age"] == Limit("age", 10.0, 106.0, nulls=False)
    assert limits["fare"] == Limit("fare", -10.0, 110.0, nulls=True)
    assert limits["town"] == Limit("town", values=("Bonn", "Ulm"), nulls=False)
    assert limits["note"].nulls is False
    assert Manner.from_dict(json.loads(json.dumps(made.to_dict()))) == made


def test_a_person_knows_better(project):
    made = project(
        "{checks: {mode: reject, margin: 0, ignore: note, "
        "fields: {age: {min: 0, nulls: true}, town: {values: [Ulm, Bonn, Trier]}}}}"
    )
    limits = {one.name: one for one in made.limits}
    assert "note" not in limits
    assert limits["age"] == Limit("age", 0.0, 98.0, nulls=True)
    assert limits["town"] == Limit("town", values=("Ulm", "Bonn", "Trier"), nulls=False)
    assert (limits["fare"].low, limits["fare"].high) == (0.0, 100.0)


def test_settings_are_kept_and_read_back(project, tmp_path):
    project("{checks: {mode: warn, fields: {a: {max: 5}}, breaker: 30%}}")
    first, again = load_settings(tmp_path), load_settings(tmp_path)
    assert first == again
    assert again.serve.checks.breaker.share == 0.3
    options = bundles.gateway_options(tmp_path, again, 0)
    assert (options.breaker_share, options.breaker_pause) == (0.3, 30.0)
