"""The pytest plugin, as a project's tests see it: real pytest, a real model."""

import os
import shutil
import subprocess
import sys

import pytest

from penstock.domain.event import Event, EventType
from penstock.gates import StageTest, StageTests, Subjects
from penstock.journal import Journal

MODEL_TESTS = """
import pytest
from penstock.testing import directional, invariance, minimum_functionality


def test_minimum(candidate):
    seen = minimum_functionality(candidate, [{"a": 5.0, "b": 0.0}, {"a": 4.0, "b": 1.0}], 1)
    assert (seen.n, seen.held, seen.share) == (2, 2, 1.0)


def test_minimum_on_labelled_rows(candidate, test_data):
    minimum_functionality(candidate, test_data.where("a > 2"), at_least=0.8)


def test_invariance(candidate, test_data):
    invariance(candidate, test_data, {"id": 7})
    invariance(candidate, test_data, lambda rows: rows.assign(b=rows.b + 1e-9), within=1e-6)


def test_direction(candidate, test_data):
    directional(candidate, test_data.sample(50), {"a": lambda a: a + 1}, expect="up")


def test_behaviour_that_fails_says_what_it_saw(candidate, test_data):
    rows = test_data.sample(50)
    with pytest.raises(AssertionError, match=r"0 of 50 scores go down .*row 0: 0\\.\\d+ became"):
        directional(candidate, rows, {"a": lambda a: a + 1}, expect="down")
    with pytest.raises(AssertionError, match=r"of 50 answers stay the same under the change"):
        invariance(candidate, rows, {"a": lambda a: -a})
    with pytest.raises(AssertionError, match=r"0 of 1 cases are right .*row 0: 1, expected 0"):
        minimum_functionality(candidate, {"a": 5.0, "b": 0.0}, 0)
    with pytest.raises(AssertionError, match="no rows"):
        invariance(candidate, test_data.where("a > 1000"), {"id": 1})
    with pytest.raises(KeyError, match="no column 'colour'"):
        invariance(candidate, rows, {"colour": 1})
    with pytest.raises(ValueError, match="'up' or 'down'"):
        directional(candidate, rows, {"a": 1}, expect="sideways")


def test_predictions(predictions, test_data):
    assert predictions.n == len(test_data) == len(test_data.labels)
    assert (predictions.labels == test_data.labels).mean() > 0.65


def test_run(run):
    assert run.root.name


def test_champion(candidate, champion, test_data):
    assert (candidate.predict(test_data) == champion.predict(test_data)).mean() > 0.5
"""


@pytest.fixture
def project(tmp_path, models):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_model.py").write_text(MODEL_TESTS)
    shutil.copytree(models / "sklearn", tmp_path / "models" / "model")
    shutil.copytree(models / "proba", tmp_path / "champions" / "1")
    shutil.copy(models / "test.parquet", tmp_path / "test.parquet")
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  train:\n    cmd: 'true'\n    outs: [models/model]\n"
    )
    (tmp_path / "penstock.yaml").write_text(
        "model: {name: demo, path: models/model, test_data: test.parquet, target: late}\n"
    )
    return tmp_path


def pytest_in(project, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-rs", *arguments],
        cwd=project,
        env={k: v for k, v in os.environ.items() if not k.startswith(("PENSTOCK_", "PYTEST_"))},
        capture_output=True,
        text=True,
        check=False,
    )


def test_by_hand_and_around_a_stage(project):
    by_hand = pytest_in(project)
    assert by_hand.returncode == 0, by_hand.stdout
    assert "there is no champion yet" in by_hand.stdout

    # The journal names a champion: the same tests now find it, and one that passed is remembered.
    with Journal(project / ".penstock" / "journal.db") as journal, journal.transaction() as tx:
        tx.put("version", "demo/1", {"source": str(project / "champions" / "1")})
        tx.append(Event(EventType.CHAMPION_CHANGED, "demo", {"version": "1"}))
    assert Subjects.find(project).champion == project / "champions" / "1"
    tests = StageTests(project, [StageTest("train", "after", ("tests/test_model.py",))])
    (found,) = tests.after("train")
    assert found.words == "8 passed"
    (again,) = tests.after("train")
    assert again.evidence[0].details["remembered"]

    # Another champion is another question.
    (project / "champions" / "1" / "more.txt").write_text("x")
    tests = StageTests(project, [StageTest("train", "after", ("tests/test_model.py",))])
    (changed,) = tests.after("train")
    assert not changed.evidence[0].details["remembered"]


def test_without_a_model_tests_fail_in_words(project):
    shutil.rmtree(project / "models")
    found = pytest_in(project, "-k", "minimum_on or test_run")
    assert found.returncode == 1
    assert "there is no candidate" in found.stdout
    assert "run the stage that makes it" in found.stdout
    assert "Traceback" not in found.stdout


def test_outside_of_a_project_only_the_fixtures_complain(tmp_path):
    (tmp_path / "test_x.py").write_text(
        "def test_plain(): pass\n\ndef test_model(candidate): pass\n"
    )
    found = pytest_in(tmp_path)
    assert "1 passed" in found.stdout
    assert "penstock.yaml" in found.stdout
    assert "Traceback" not in found.stdout


def test_the_plugin_costs_nothing_until_it_is_used():
    code = (
        "import sys, penstock.testing.plugin\n"
        "heavy = {'numpy', 'pandas', 'mlflow', 'pydantic', 'scipy', 'yaml', 'sqlite3'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert found.stdout.decode().strip() == "[]"


def test_subjects_travel_through_variables(tmp_path):
    made = Subjects(
        root=tmp_path,
        model="demo",
        candidate=tmp_path / "m",
        champion=tmp_path / "c",
        champion_python="/usr/bin/python3",
        test_data=tmp_path / "t.csv",
        target="late",
        task="classification",
        positive="yes",
        run_id="run-1",
    )
    assert Subjects.from_environment(made.environment()) == made
    assert Subjects.from_environment({}) is None
