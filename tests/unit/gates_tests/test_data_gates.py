"""Tests of the data: each kind passes on good data and fails for the right reason."""

import numpy as np
import pandas as pd
import pytest

from penstock.domain.verdict import Outcome
from penstock.errors import ConfigError
from penstock.gates.data_gates import balance, data_tests, drift, overlap
from penstock.gates.leakage import target_leakage, time_leakage


def rows(n, *, seed=0, start="2013-01-01", shift=0.0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "delay": rng.normal(shift, 1, n),
            "carrier": rng.choice(list("abcdef"), n),
            "when": pd.Timestamp(start) + pd.to_timedelta(rng.integers(0, 1000, n), unit="h"),
            "id": np.arange(n) + 1_000_000 * seed,
        }
    )
    frame["late"] = (frame.delay + rng.normal(size=n) > shift).astype(int)
    return frame


TRAIN, TEST = rows(4000), rows(1000, seed=1, start="2013-06-01")


def test_good_data_passes_everything(tmp_path):
    TRAIN.to_parquet(tmp_path / "train.parquet")
    TEST.to_csv(tmp_path / "test.csv", index=False)
    verdicts = data_tests(
        tmp_path / "test.csv",
        "late",
        train=tmp_path / "train.parquet",
        reference=tmp_path / "train.parquet",
        time_column="when",
        id_columns=["id"],
        policies={"balance": "block"},
    )
    assert len(verdicts) == 5
    assert [one.outcome for one in verdicts] == [Outcome.PASSED] * 5, verdicts
    assert [one.blocking for one in verdicts] == [False, False, False, True, False]


def test_overlap_by_identifier_and_by_row():
    leaked = pd.concat([TEST, TRAIN.head(100)])
    by_id = overlap(TRAIN, leaked, id_columns=["id"])
    assert by_id.outcome is Outcome.FAILED
    assert "100 of 1,100" in by_id.words
    by_row = overlap(TRAIN.drop(columns="id"), leaked.drop(columns="id"))
    assert by_row.outcome is Outcome.FAILED
    assert overlap(TRAIN, TEST).outcome is Outcome.PASSED


def test_rows_that_repeat_by_nature_are_no_overlap():
    verdict = overlap(TRAIN[["carrier", "late"]], TEST[["carrier", "late"]])
    assert verdict.outcome is Outcome.PASSED
    assert "repeat by nature" in verdict.words


@pytest.mark.parametrize(
    "leak",
    [
        lambda f: f.late * 7 + 0.001 * f.delay,
        lambda f: -f.late,
        lambda f: f.late.map({0: "x", 1: "y"}),
        lambda f: f.late.map({0: None, 1: 3.5}),
        lambda f: (f.late * 2 - 1).abs() * f.late,
    ],
    ids=["number", "falling", "code", "missing", "odd"],
)
def test_a_feature_that_gives_the_target_away(leak):
    verdict = target_leakage(TRAIN.assign(leak=leak(TRAIN)), "late")
    assert verdict.outcome is Outcome.FAILED
    assert "leak (1.0000)" in verdict.words


def test_an_identifier_gives_nothing_away():
    verdict = target_leakage(TRAIN.assign(name=[f"row {k}" for k in range(len(TRAIN))]), "late")
    assert verdict.outcome is Outcome.PASSED
    assert verdict.evidence[0].details["features"]["name"] < 0.6


def test_a_measured_target_and_many_classes():
    measured = TRAIN.assign(late=TRAIN.delay * 2 + 1)
    assert target_leakage(measured, "late").outcome is Outcome.FAILED
    assert target_leakage(measured.drop(columns="delay"), "late").outcome is Outcome.PASSED
    classes = TRAIN.assign(late=TRAIN.carrier)
    assert target_leakage(classes, "late").outcome is Outcome.FAILED


def test_too_few_rows_are_inconclusive():
    assert target_leakage(TRAIN.head(5), "late").outcome is Outcome.INCONCLUSIVE


def test_time_leakage():
    assert time_leakage(TRAIN, TEST, "when").outcome is Outcome.PASSED
    mixed = time_leakage(TRAIN, rows(100, seed=2), "when")
    assert mixed.outcome is Outcome.FAILED
    assert "later than the first test row" in mixed.words
    future = TEST.assign(landed=TEST.when + pd.Timedelta("1h"))
    assert "landed lies after when in 100.0%" in time_leakage(TRAIN, future, "when").words
    assert time_leakage(TRAIN, TEST, "nope").outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("labels", "outcome", "words"),
    [
        ([0, 1] * 50, Outcome.PASSED, "50 of 100"),
        ([0] * 100, Outcome.FAILED, "the same label"),
        ([0, 1, None] * 50, Outcome.FAILED, "have no label"),
        ([0] * 100 + [1] * 10, Outcome.INCONCLUSIVE, "below 30"),
        (list(np.linspace(0, 1, 100)), Outcome.PASSED, "100 distinct"),
        ([], Outcome.FAILED, "have no label"),
    ],
)
def test_balance(labels, outcome, words):
    verdict = balance(pd.Series(labels))
    assert verdict.outcome is outcome
    assert words in verdict.words


def test_labels_that_nothing_was_trained_on():
    verdict = balance(pd.Series([0, 1, 2] * 50), pd.Series([0, 1]))
    assert verdict.outcome is Outcome.FAILED
    assert "2" in verdict.words


def test_drift_needs_a_large_and_real_shift():
    ignore = ("late", "when", "id")
    assert drift(TRAIN, TEST, ignore=ignore).outcome is Outcome.PASSED
    shifted = drift(TRAIN, rows(1000, seed=3, shift=1.0), ignore=ignore)
    assert shifted.outcome is Outcome.FAILED
    assert "delay shifted by" in shifted.words
    few = drift(TRAIN, rows(8, seed=4), ignore=ignore)
    assert few.outcome is Outcome.PASSED
    gone = drift(TRAIN, TEST.drop(columns="carrier"), ignore=ignore)
    assert "carrier is gone" in gone.words
    unknown = drift(TRAIN, TEST.assign(carrier="z"), ignore=ignore)
    assert "carrier shifted by" in unknown.words


def test_bad_files_are_errors_in_words(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        data_tests(tmp_path / "x.csv", "late")
    (tmp_path / "bad.parquet").write_bytes(b"no")
    with pytest.raises(ConfigError, match="cannot be read"):
        data_tests(tmp_path / "bad.parquet", "late")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ConfigError, match="no column late") as caught:
        data_tests(tmp_path / "t.csv", "late")
    assert "a, b" in caught.value.hint
