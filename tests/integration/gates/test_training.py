"""The training gate on train functions that work, and on those that fail in the usual ways."""

import numpy as np
import pandas as pd
import pytest

from penstock.domain.verdict import Outcome
from penstock.errors import ConfigError
from penstock.gates import training_test

TRAIN = '''
import numpy as np


class Nearest:
    """One-nearest-neighbour: learns anything by heart."""

    def __init__(self, x, y):
        self.x, self.y = np.asarray(x, dtype=float), np.asarray(y)

    def predict(self, rows):
        rows = np.asarray(rows, dtype=float)
        far = ((rows[:, None, :] - self.x[None]) ** 2).sum(axis=2)
        return self.y[far.argmin(axis=1)]


def good(frame, target, seed):
    return Nearest(frame.drop(columns=[target]), frame[target])


def shuffled(frame, target):
    y = np.random.default_rng(1).permutation(frame[target])
    return Nearest(frame.drop(columns=[target]), y)


calls = []


def unseeded(frame, target):
    """Flips another label at each call, as a generator that nobody seeded would."""
    calls.append(1)
    y = frame[target].to_numpy().copy()
    y[len(calls)] = 1 - y[len(calls)]
    return Nearest(frame.drop(columns=[target]), y)


def broken(frame, target):
    raise RuntimeError("cannot converge")


def unsavable(frame, target):
    model = good(frame, target, 0)
    model.hook = lambda: None
    return model


class Forgetful(Nearest):
    def __getstate__(self):
        return {"x": self.x, "y": self.y * 0}


def forgetful(frame, target):
    return Forgetful(frame.drop(columns=[target]), frame[target])
'''
ALL = {
    "training works": Outcome.PASSED,
    "the loss falls": Outcome.PASSED,
    "a saved model answers the same": Outcome.PASSED,
    "the same seed gives the same model": Outcome.PASSED,
    "it can learn a few rows by heart": Outcome.PASSED,
}
FAILED = Outcome.FAILED


@pytest.fixture
def project(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    frame["late"] = (frame.a > 0).astype(int)
    frame.to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "train.py").write_text(TRAIN)
    return tmp_path


@pytest.mark.parametrize(
    ("function", "changed"),
    [
        ("train.py:good", {}),
        ("train:shuffled", {"the loss falls": FAILED, "it can learn a few rows by heart": FAILED}),
        ("train.py:unseeded", {"the same seed gives the same model": FAILED}),
        ("train.py:forgetful", {"a saved model answers the same": FAILED}),
    ],
)
def test_each_question_has_its_own_answer(project, function, changed):
    found = training_test(function, project / "train.csv", "late", root=project, rows=100)
    assert {one.name: one.outcome for one in found} == {**ALL, **changed}
    assert all(one.kind == "training-test" for one in found)


def test_training_that_fails_and_models_that_cannot_be_saved(project):
    (broken,) = training_test("train.py:broken", project / "train.csv", "late", root=project)
    assert broken.words == "training failed: RuntimeError: cannot converge"
    found = training_test("train.py:unsavable", project / "train.csv", "late", root=project)
    saved = next(one for one in found if one.name == "a saved model answers the same")
    assert "cannot be saved" in saved.words


def test_a_function_without_a_name_is_an_error(project):
    with pytest.raises(ConfigError, match="does not name a train function"):
        training_test("train.py", project / "train.csv", "late", root=project)
