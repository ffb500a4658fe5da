"""A rehearsal of the stage that makes the model: on a sample, in a copy of the project."""

from contextlib import closing
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from penstock.artifacts import Store
from penstock.config.settings import DataGateSettings, ModelSettings
from penstock.domain.event import Event, EventType
from penstock.domain.revision import Revision
from penstock.domain.run import Run, StageOutcome, StageRun
from penstock.domain.verdict import Outcome
from penstock.gates import data_verdicts, rehearse, training_verdicts
from penstock.gates.project_tests import champion_rows
from penstock.journal import Journal

TRAIN = """
import pathlib, pickle
import pandas as pd
from nearest import Nearest

rows = pd.read_csv("data/train.csv")
assert len(rows) <= 502, "a rehearsal sees a sample"
pathlib.Path("models").mkdir(exist_ok=True)
with open("models/model.pkl", "wb") as file:
    pickle.dump(Nearest(rows[["a", "b"]], rows["late"]), file)
"""
NEAREST = """
import numpy as np

class Nearest:
    def __init__(self, x, y):
        self.x, self.y = np.asarray(x, dtype=float), np.asarray(y)
        self.feature_names_in_ = ["a", "b"]

    def predict(self, rows):
        rows = np.asarray(rows, dtype=float)
        return self.y[((rows[:, None] - self.x[None]) ** 2).sum(axis=2).argmin(axis=1)]
"""
MODEL = ModelSettings("demo", "models/model.pkl", "data/test.csv", "late")


@pytest.fixture
def project(tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "data").mkdir()
    for name, n in (("train", 3000), ("test", 200)):
        frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
        frame["late"] = (frame.a > 0).astype(int)
        frame.to_csv(tmp_path / "data" / f"{name}.csv", index=False)
    (tmp_path / "train.py").write_text(TRAIN)
    (tmp_path / "nearest.py").write_text(NEAREST)
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  train:\n    cmd: python train.py\n"
        "    deps: [train.py, nearest.py, data/train.csv]\n    outs: [models/model.pkl]\n"
    )
    return tmp_path


def test_a_stage_that_works(project):
    found = rehearse(project, "models/model.pkl", "late")
    assert [one.outcome for one in found] == [Outcome.PASSED] * 5, found
    assert not (project / "models").exists(), "the project itself is left alone"


def test_a_stage_that_fails_says_why(project):
    (project / "train.py").write_text("raise SystemExit('no graphics card')")
    python = "/no/python"  # a model that was never made is never loaded
    (found,) = training_verdicts("warn", MODEL, project, lambda: python, timeout=60)
    assert found.outcome is Outcome.FAILED
    assert not found.blocking
    assert "no graphics card" in found.words
    assert training_verdicts("off", MODEL, project, lambda: python, timeout=60) == ()


def test_a_model_that_no_stage_makes(project):
    (found,) = rehearse(project, "models/other.pkl", "late")
    assert found.outcome is Outcome.ERROR
    assert "no stage of dvc.yaml makes models/other.pkl" in found.words


def test_the_data_by_settings(project):
    found = data_verdicts(DataGateSettings(), MODEL, project)
    assert {one.name: one.outcome for one in found} == {
        "no feature gives late away": Outcome.FAILED,  # the target of this project is a > 0
        "labels are balanced enough": Outcome.PASSED,
    }
    assert not any(one.blocking for one in found)
    off = DataGateSettings(overlap="off", leakage="off", balance="off", drift="off")
    assert data_verdicts(off, MODEL, project) == ()


def test_drift_is_held_against_what_the_champion_learnt_from(project):
    """The champion's rows come back from the cache by their digest, whatever stands there now."""
    model = replace(MODEL, train_data="data/train.csv")
    train = project / "data" / "train.csv"
    assert champion_rows(project, model) is None
    with closing(Store.open(project)) as store:
        artifact = store.hash(train, name="data/train.csv")
        store.save(train, artifact)
    stage = StageRun("train", StageOutcome.RAN, deps=(artifact,))
    run = Run("run-1", Revision("0" * 40), 0.0, stages=(stage,))
    with Journal(project / ".penstock" / "journal.db") as journal, journal.transaction() as tx:
        tx.put("run", "run-1", run.to_dict())
        tx.put("version", "demo/1", {"run_id": "run-1", "source": "gone"})
        tx.append(Event(EventType.CHAMPION_CHANGED, "demo", {"version": "1"}))
    learnt = train.read_bytes()
    moved = pd.read_csv(project / "data" / "test.csv").assign(b=100.0)
    moved.to_csv(project / "data" / "test.csv", index=False)
    train.unlink()
    past = champion_rows(project, model)
    assert past.read_bytes() == learnt
    asked = DataGateSettings(overlap="off", leakage="off", balance="off", drift="block")
    (found,) = data_verdicts(asked, MODEL, project, reference=past)
    assert found.outcome is Outcome.FAILED
    assert found.stops
    assert "b shifted by" in found.words
