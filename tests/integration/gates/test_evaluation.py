"""Models of every flavour answer in a process of their own; those that cannot are a value."""

import pickle
import sys
import textwrap

import numpy as np
import pytest

from penstock.errors import ConfigError, StateError
from penstock.gates import evaluate

MB = 2**20


def ask(models, name, target="late", *, data="test.parquet", **more):
    more = {"latency_requests": 20, "latency_seconds": 1.0, **more}
    return evaluate(models / name, sys.executable, models / data, target, **more)


@pytest.fixture(scope="module")
def logistic(models):
    return ask(models, "sklearn")


@pytest.mark.parametrize("name", ["sklearn", "xgboost", "xgboost-booster", "lightgbm-booster"])
def test_classifiers_give_labels_and_probabilities(models, rows, logistic, name):
    found = logistic if name == "sklearn" else ask(models, name)
    assert found.ok, found.error
    assert found.n == len(rows)
    assert found.classes.tolist() == [0, 1]
    assert found.scores.shape == (len(rows), 2)
    assert found.scores.sum(axis=1) == pytest.approx(1)
    assert (found.labels == (found.score_of(1) >= 0.5)).mean() > 0.99
    assert (found.labels == rows.late).mean() > 0.65
    assert 0 < found.latency_p50 <= found.latency_p99
    assert found.latency_n >= 20
    assert 10 * MB < found.memory < found.memory_peak + 100 * MB
    assert found.size > 500
    assert found.nonfinite == 0


def test_text_classes_keep_their_names(models, rows):
    found = ask(models, "sklearn-text", "late_name")
    assert found.classes.tolist() == ["no", "yes"]
    assert set(found.labels) == {"no", "yes"}
    assert (found.labels == rows.late_name).mean() > 0.65


def test_regression_gives_values(models, rows):
    found = ask(models, "sklearn-value", "value")
    assert not found.is_classification
    assert found.labels is not None
    assert np.corrcoef(found.labels, rows.value)[0, 1] > 0.9
    assert np.array_equal(found.labels, found.scores)


def test_pyfunc_from_code_and_probabilities_as_answers(models, rows, logistic):
    rule = ask(models, "pyfunc")
    assert rule.ok, rule.error
    assert rule.labels.tolist() == (rows.a > 0).astype(int).tolist()
    assert rule.scores is None
    proba = ask(models, "proba")
    assert proba.ok, proba.error
    assert proba.labels.tolist() == logistic.labels.tolist()
    assert proba.scores.shape == (len(rows), 2)


def test_csv_in_batches_without_a_target_gives_the_same(models, logistic):
    found = ask(models, "sklearn", "no_such_column", data="test.csv", batch_rows=7)
    assert found.scores == pytest.approx(logistic.scores)
    assert found.labels.tolist() == logistic.labels.tolist()


def bad_model(folder, body):
    """Write a pickle whose class does what `body` says, in a module beside it."""
    (folder / "bad_model.py").write_text(
        "import os, sys, time\nclass Bad:\n    def predict(self, x):\n"
        + textwrap.indent(textwrap.dedent(body), " " * 8)
    )
    (folder / "bad.pkl").write_bytes(b"\x80\x04\x8c\tbad_model\x8c\x03Bad\x93)\x81.")
    return folder / "bad.pkl"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise ValueError('no such thing')", "ValueError: no such thing"),
        ("os.kill(os.getpid(), 11)", "crashed with SIGSEGV"),
        ("print('going down', flush=True); os._exit(4)", "going down"),
        ("return [1, 2, 3]", "answered 3 rows for"),
        ("time.sleep(600)", "took longer than 15 s"),
        ("hog = bytearray(900 * 2**20); time.sleep(600)", "more memory than allowed"),
    ],
)
def test_a_model_that_cannot_answer_is_a_value(models, tmp_path, body, words):
    limits = {"timeout": 15.0} if "longer" in str(words) else {"timeout": 120.0}
    found = evaluate(
        bad_model(tmp_path, body),
        sys.executable,
        models / "test.parquet",
        "late",
        memory=700 * MB,
        latency_requests=0,
        cwd=tmp_path,
        **limits,
    )
    assert not found.ok
    assert found.labels is None
    assert words in found.error


def test_a_model_that_lacks_columns_says_which(models, tmp_path, rows):
    rows.drop(columns=["b"]).to_parquet(tmp_path / "t.parquet")
    found = evaluate(models / "sklearn", sys.executable, tmp_path / "t.parquet", "late")
    assert not found.ok
    assert "lacks columns that the model wants: b" in found.error


def test_nan_is_counted(models, tmp_path):
    path = bad_model(tmp_path, "return [float('nan')] * 2 + [1.5] * (len(x) - 2)")
    found = evaluate(
        path,
        sys.executable,
        models / "test.parquet",
        "value",
        latency_requests=0,
        cwd=tmp_path,
        task="regression",
    )
    assert found.ok, found.error
    assert found.nonfinite == 2


def test_secrets_stay_with_penstock(models, tmp_path):
    path = bad_model(tmp_path, "raise ValueError(str(sorted(os.environ)))")
    found = evaluate(
        path,
        sys.executable,
        models / "test.parquet",
        "late",
        cwd=tmp_path,
        environment={"PLAIN_VARIABLE": "1"},
    )
    assert "PLAIN_VARIABLE" in found.error
    assert "DO_NOT_TRACK" in found.error
    assert "TOKEN" not in found.error


def test_the_serving_path_measures_instead(models, tmp_path):
    path = bad_model(tmp_path, "return [0.5] * len(x)")

    def ask(serving):
        rows = models / "test.parquet"
        return evaluate(path, sys.executable, rows, "late", serving=serving, cwd=tmp_path)

    found = ask(lambda _path: (0.001, 0.002, 5e7))
    assert found.served
    assert (found.latency_p50, found.latency_p99, found.memory) == (0.001, 0.002, 5e7)

    def refuse(_path):
        raise StateError("the port is busy", code="x")

    failed = ask(refuse)
    assert not failed.ok
    assert "could not be served: the port is busy" in failed.error


def test_an_environment_that_cannot_read_parquet_is_handed_plain_rows(models, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nsys.modules['pyarrow'] = sys.modules['fastparquet'] = None\n"
    )
    path = bad_model(tmp_path, "return (x['a'] > 0).astype(int)")
    found = evaluate(
        path,
        sys.executable,
        models / "test.parquet",
        "late",
        cwd=tmp_path,
        latency_requests=0,
        environment={"PYTHONPATH": str(tmp_path)},
    )
    assert found.ok, found.error
    assert found.n == 300


def test_wrong_paths_are_errors_of_the_caller(models, tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        evaluate(tmp_path / "absent", sys.executable, models / "test.parquet", "late")
    with pytest.raises(ConfigError, match="does not exist"):
        evaluate(models / "sklearn", sys.executable, tmp_path / "absent.csv", "late")
    with pytest.raises(StateError, match="cannot start"):
        evaluate(models / "sklearn", "/no/python", models / "test.parquet", "late")


def test_pickles_made_by_hand_are_what_they_say(tmp_path):
    """The hand-made pickle above asks for the class by name and nothing else."""
    import pickletools

    data = bad_model(tmp_path, "return x").read_bytes()
    assert [op.name for op, _, _ in pickletools.genops(data)][-1] == "STOP"
    assert pickle.HIGHEST_PROTOCOL >= 4
