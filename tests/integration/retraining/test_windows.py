"""Windows of data from the setting to the rows that were trained on, for real."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from penstock.domain.event import Event, EventType
from penstock.journal import Journal

DAY = 86_400.0
SPLIT = '''\
"""Take the rows of the window, a hundred a day until today, and divide them."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

frame = pd.read_csv("data/raw.csv")
window = yaml.safe_load(Path("params.yaml").read_text())["window"]
last = pd.Timestamp(window["end"])
day = last - pd.to_timedelta((len(frame) - 1 - np.arange(len(frame))) // 100, unit="D")
kept = frame[day >= pd.Timestamp(window["start"])]
part = np.arange(len(kept)) % 4
kept[part < 2].to_csv("data/train.csv", index=False)
kept[part == 2].to_csv("data/valid.csv", index=False)
kept[part == 3].to_csv("data/test.csv", index=False)
'''


@pytest.fixture
def windowed(mini, tmp_path):
    (mini.root / "src/split.py").write_text(SPLIT)
    (mini.root / "params.yaml").write_text(
        "strength: 0.1\nwindow: {start: '2000-01-01', end: '2000-01-01'}\n"
    )
    mini.edit(
        "dvc.yaml",
        "deps: [src/split.py, data/raw.csv]\n",
        "deps: [src/split.py, data/raw.csv]\n    params: [window]\n",
    )
    mini.edit("penstock.yaml", "triggers: [data]", "triggers: [drift]")
    mini.edit("penstock.yaml", " > 0.6 +/- 0.1", " > 0.5 +/- 0.2")
    mini.tally = tmp_path / "tally"
    return mini


def rows_learnt_from(mini):
    return json.loads(mini.tally.read_text().splitlines()[-1])["rows"]


def day_of(moment):
    return datetime.fromtimestamp(moment, UTC).date()


def test_a_sliding_window_reaches_the_stage(windowed):
    windowed.edit(
        "penstock.yaml", "min_rows: 0\n", "min_rows: 0\n  window: sliding\n  length: 8d\n"
    )
    windowed.commit("The newest eight days")
    record = windowed.ask("retrain", "--no-deploy", env={"TALLY": str(windowed.tally)})[
        "retraining"
    ]
    assert record["window"]["policy"] == "sliding"
    start = day_of(record["started"]) - timedelta(days=8)
    assert record["window"]["params"]["window.start"] == str(start)
    assert f"start: '{start}'" in windowed.git("show", "penstock/retrain:params.yaml")
    assert rows_learnt_from(windowed) == 450  # half of nine days, the first of them whole


def test_drift_that_was_found_is_answered_with_the_data_since_then(windowed):
    windowed.edit("penstock.yaml", "min_rows: 0\n", "min_rows: 0\n  window: since-change\n")
    windowed.commit("The data since the world changed")
    windowed.ask("watch", "--once")  # what is there is known
    since = time.time() - 5 * DAY
    with Journal(windowed.root / ".penstock/journal.db") as journal:
        found = {"monitor": "drift", "features": ["age"], "since": since}
        journal.append(Event(EventType.DRIFT_DETECTED, "mini/1", found))
    seen = windowed.ask("watch", "--once", env={"TALLY": str(windowed.tally)})
    assert [one["reason"] for one in seen["requests"]] == ["drift of age of mini/1"]
    (record,) = windowed.ask("retrain", "--history")["retrainings"]
    assert record["kinds"] == ["drift"]
    assert record["window"]["policy"] == "since-change"
    assert record["window"]["params"]["window.start"] == str(day_of(since))
    assert rows_learnt_from(windowed) == 300
    again = windowed.ask("watch", "--once")
    assert again["requests"] == []
