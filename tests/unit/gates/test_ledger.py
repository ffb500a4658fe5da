from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from penstock.domain.event import EventType
from penstock.errors import ConfigError
from penstock.gates import ConditionSpec, GateSpec, Ledger, judge
from penstock.gates.sketch import Sketch
from penstock.journal import Journal


@pytest.fixture
def ask(tmp_path, flights):
    """Judge a candidate of its own on a file, with a journal that is opened anew each time."""
    found = flights(2000)
    found.frame.to_parquet(tmp_path / "test.parquet")

    def judged(seed, file="test.parquet", noise=0.2, condition="n > 0.6 +/- 0.05", **spec):
        with Journal(tmp_path / "journal.db") as journal:
            return judge(
                GateSpec((ConditionSpec(condition),), **spec),
                candidate=found.model(noise, seed),
                champion=None,
                data=tmp_path / file,
                target="late",
                ledger=Ledger(journal),
                candidate_id=f"run-{seed}",
            )

    judged.folder, judged.frame = tmp_path, found.frame
    return judged


def test_each_candidate_is_one_use_and_a_repetition_is_none(ask):
    assert "judged 1 of 32" in ask(1)[0].words
    assert "judged 2 of 32" in ask(2)[0].words
    assert "judged 2 of 32" in ask(1)[0].words
    assert ask(1) == ask(1)


DISGUISES = {
    "renamed": lambda frame: frame,
    "shuffled": lambda frame: frame.sample(frac=1, random_state=0),
    "columns in another order": lambda frame: frame[list(frame.columns)[::-1]],
    "a few rows less": lambda frame: frame[:-150],
    "a row more": lambda frame: frame.iloc[[*range(len(frame)), 7]],
    "a column more": lambda frame: frame.assign(one=1, noise=np.arange(len(frame)) ** 2),
    "a column less": lambda frame: frame.drop(columns="row"),
    "another feature": lambda frame: frame.assign(row=frame["row"] * 2.5),
    "columns renamed": lambda frame: frame.rename(columns=str.upper),
    "smaller numbers": lambda frame: frame.astype({"delay": "float32"}),
}


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_test_set_is_known_again_by_its_content(tmp_path, disguise, suffix):
    rng = np.random.default_rng(4)
    frame = pd.DataFrame(
        {
            "row": np.arange(3000),
            "delay": rng.normal(size=3000),
            "day": pd.Timestamp("2013-01-01") + pd.to_timedelta(np.arange(3000), unit="h"),
            "late": rng.random(3000) < 0.2,
        }
    )
    frame.to_parquet(tmp_path / "test.parquet")
    other = tmp_path / f"other.{suffix}"
    changed = DISGUISES[disguise](frame)
    changed.to_parquet(other) if suffix == "parquet" else changed.to_csv(other, index=False)
    with Journal(tmp_path / "journal.db") as journal:
        for file, answers in ((tmp_path / "test.parquet", "1"), (other, "2")):
            account = Ledger(journal).begin(file, Sketch.of(file), "run", answers)
    assert [use.answers for use in account.uses] == ["1", "2"]


def test_other_rows_are_another_test_set(ask, flights):
    ask(1)
    flights(2000, seed=99).frame.assign(row=lambda f: f["row"] + 10_000).to_parquet(
        ask.folder / "fresh.parquet"
    )
    assert "judged 1 of 32" in ask(2, file="fresh.parquet")[0].words


def test_fresh_rows_of_the_same_world_are_another_test_set(tmp_path):
    rng = np.random.default_rng(5)
    with Journal(tmp_path / "journal.db") as journal:
        for answers in ("1", "2"):
            frame = pd.DataFrame(
                {
                    "hour": rng.integers(0, 24, 3000),
                    "carrier": rng.choice(["AA", "DL", "UA"], 3000),
                    "distance": rng.choice([500, 760, 1400, 2475], 3000),
                    "delay": rng.integers(-10, 60, 3000),
                    "late": rng.random(3000) < 0.2,
                }
            )
            account = Ledger(journal).begin(tmp_path / "t", Sketch.of(frame), "run", answers)
    assert [use.answers for use in account.uses] == ["2"]


def test_a_spent_test_set_stops_and_asks_for_fresh_rows(ask):
    for seed in range(3):
        assert not ask(seed, steps=3)[0].stops
    refused = ask(3, steps=3)[0]
    assert refused.stops
    assert "fresh rows" in refused.hint
    assert not ask(1, steps=3)[0].stops  # what it has said before may be said again


def test_a_test_set_is_retired_after_its_first_pass(ask):
    assert not ask(1, condition="n > 0.99 +/- 0.05", adaptivity="firstChange")[0].stops
    assert not ask(2, adaptivity="firstChange")[0].stops
    refused = ask(3, adaptivity="firstChange")[0]
    assert refused.stops
    assert "retired" in refused.words


def test_a_judgement_that_was_killed_counts_as_a_pass(ask):
    with Journal(ask.folder / "journal.db") as journal:
        sketch = Sketch.of(ask.folder / "test.parquet")
        Ledger(journal).begin(ask.folder / "test.parquet", sketch, "killed", "digest")
    assert ask(1, adaptivity="firstChange")[0].stops


KILLED = """
import os, signal, sys
from pathlib import Path
from penstock.gates import Ledger
from penstock.gates.sketch import Sketch
from penstock.journal import Journal

file = Path(sys.argv[1])
with Journal(file.parent / "journal.db") as journal:
    Ledger(journal).begin(file, Sketch.of(file), "killed", "digest")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_that_is_killed_before_it_decides_has_used_the_test_set(ask):
    file = ask.folder / "test.parquet"
    done = subprocess.run([sys.executable, "-c", KILLED, str(file)], check=False)
    assert done.returncode == -signal.SIGKILL
    with Journal(ask.folder / "journal.db") as journal:
        (account,) = Ledger(journal).accounts()
    assert [(one.candidate, one.passed) for one in account.uses] == [("killed", None)]
    refused = ask(1, adaptivity="firstChange")[0]
    assert refused.stops
    assert "retired" in refused.words


def test_uses_are_events(ask):
    ask(1)
    with Journal(ask.folder / "journal.db") as journal:
        (event,) = journal.events(type=EventType.TESTSET_USED)
        (account,) = Ledger(journal).accounts()
    assert event.subject == account.digest
    assert account.uses[0].candidate == "run-1"
    assert account.uses[0].passed


def test_unknown_adaptivity_is_told(ask):
    with pytest.raises(ConfigError, match="unknown adaptivity 'sometimes'"):
        ask(1, adaptivity="sometimes")


def test_sketches_do_not_depend_on_types_of_whole_numbers():
    one = pd.DataFrame({"a": np.arange(50), "b": list("xyzuv") * 10})
    other = pd.DataFrame({"b": pd.Categorical(one["b"]), "a": one["a"].astype("float32")})
    assert Sketch.of(one).digest == Sketch.of(other).digest
