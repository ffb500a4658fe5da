"""What never gets as far as a number: signature, scan, training and stage tests on real flights."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from penstock.demo import data
from penstock.demo.project import TEMPLATE, Project, begin_git, environment
from penstock.domain.run import StageOutcome
from penstock.gates import StageTest, StageTests, scan, signature_gate, training_test
from penstock.pipeline import execute

MONTH = "clean@2013-01"
LEARNT = "it can learn a few rows by heart"
WEATHER_TEST = """
import pandas as pd


def test_each_airport_has_weather():
    rows = pd.read_parquet("data/weather.parquet")
    assert set(rows["origin"]) == {"EWR", "JFK", "LGA"}
"""
TRIAL = '''
"""How the model of the flights learns, on any rows; and two mistakes that people make."""

import numpy as np
from columns import FEATURES
from train import build

PARAMS = {"trees": 80, "depth": 3, "learning_rate": 0.2, "subsample": 0.5}


def learn(flights, target, seed):
    return build({**PARAMS, "seed": seed}).fit(flights[FEATURES], flights[target])


def unseeded(flights, target):
    return learn(flights, target, int(np.random.default_rng().integers(2**31)))


def shuffled(flights, target, seed):
    late = np.random.default_rng(seed).permutation(flights[target])
    return learn(flights.assign(**{target: late}), target, seed)
'''
MAKE = """
import pandas as pd
import train
from pathlib import Path

flights = pd.read_parquet("data/clean/2013-01.parquet").head(400)
flights["air_time"] = flights["planned"]
params = {"trees": 3, "depth": 2, "learning_rate": 0.2, "subsample": 0.5, "seed": 1}
known, numbers = train.FEATURES, train.NUMBERS
for name, more in (("champion", []), ("candidate", ["air_time"])):
    train.FEATURES, train.NUMBERS = [*known, *more], [*numbers, *more]
    model = train.build(params).fit(flights[train.FEATURES], flights["late"])
    train.save(model, flights, Path("models") / name)
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """Return the flights project with a tenth of January, and a test of its weather."""
    root = tmp_path_factory.mktemp("flights") / "project"
    shutil.copytree(TEMPLATE, root, ignore=shutil.ignore_patterns("__pycache__"))
    found = Project(root)
    begin_git(found)
    (root / ".gitignore").write_text("/.penstock\n__pycache__/\n")
    (root / "tests/test_weather.py").write_text(WEATHER_TEST)
    (root / "src/trial.py").write_text(TRIAL)
    data.write_month("2013-01", root / "data/flights/2013-01.parquet", share=0.1)
    data.write_weather(root / "data/weather.csv")
    found.commit("Predict late arrivals of January")
    return found


@pytest.fixture(scope="module")
def flights(project) -> Path:
    """Return the rows of January, made by the project's own stages."""
    assert set(run_to_clean(project).values()) == {StageOutcome.RAN}
    return project.root / "data/clean/2013-01.parquet"


@pytest.fixture(scope="module")
def models(project, flights) -> Path:
    """Return a folder with a champion, and a candidate that wants one column more."""
    folder = project.root / "models"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", MAKE],
        cwd=project.root,
        env={**environment(), "PYTHONPATH": str(project.root / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def run_to_clean(project: Project) -> dict[str, StageOutcome]:
    mapping = [StageTest("weather", "after", ("tests/test_weather.py",))]
    run = execute(project.root, targets=[MONTH], hooks=StageTests(project.root, mapping))
    return {one.stage: one.outcome for one in run.stages}


def test_a_failing_test_of_the_weather_stops_the_flights(project, flights):
    assert set(run_to_clean(project).values()) == {StageOutcome.UNCHANGED}
    weather = project.root / "data/weather.csv"
    whole = weather.read_text()
    weather.write_text("".join(one for one in whole.splitlines(True) if "LGA" not in one))
    mapping = [StageTest("weather", "after", ("tests/test_weather.py",))]
    run = execute(project.root, targets=[MONTH], hooks=StageTests(project.root, mapping))
    found = {one.stage: one for one in run.stages}
    assert found["weather"].outcome is StageOutcome.FAILED
    (verdict,) = found["weather"].verdicts
    assert verdict.words.startswith("1 failed; tests/test_weather.py::test_each_airport")
    assert "LGA" in verdict.words
    assert found[MONTH].outcome is StageOutcome.BLOCKED
    weather.write_text(whole)
    assert StageOutcome.FAILED not in run_to_clean(project).values()


def test_callers_of_the_champion_fit_or_are_told_what_is_missing(models):
    same = signature_gate(models / "champion", models / "champion")
    assert (same.outcome.value, "all 13 inputs" in same.words) == ("passed", True), same.words
    more = signature_gate(models / "candidate", models / "champion")
    assert more.outcome.value == "failed"
    assert more.words == "callers of the champion would break: new required input air_time (double)"
    fewer = signature_gate(models / "champion", models / "candidate")
    assert fewer.outcome.value == "passed"
    assert "input air_time is not wanted any more" in fewer.words


class Runs:
    """Makes a file when it is loaded, as any command could be run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.mark}",)


def test_a_pickle_that_runs_code_is_not_loaded(models, tmp_path):
    good = scan(models / "champion")
    assert (good.outcome.value, good.evidence[0].value) == ("passed", 0.0), good.words
    bad = tmp_path / "candidate"
    shutil.copytree(models / "champion", bad)
    (pickled,) = bad.glob("*.pkl")
    pickled.write_bytes(pickle.dumps([Runs(tmp_path / "ran"), pickled.read_bytes()]))
    found = scan(bad)
    assert found.outcome.value == "failed"
    assert found.stops
    assert f"loading the model could run code: {pickled.name}: " in found.words
    assert "system" in found.words
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("function", "failing", "words"),
    [
        ("learn", set(), ""),
        ("unseeded", {"the same seed gives the same model"}, "100.0% of the answers differ"),
        ("shuffled", {"the loss falls", LEARNT}, "the best constant answer"),
    ],
)
def test_training_on_a_few_flights(project, flights, function, failing, words):
    found = training_test(f"src/trial.py:{function}", flights, "late", root=project.root, rows=200)
    failed = {one.name: one.words for one in found if one.outcome.value != "passed"}
    assert set(failed) == failing, failed
    assert all(words in said for said in failed.values())
