"""SIGKILL in the middle of a look: every window is judged once, every alert told, none invented.

PENSTOCK_LOOK_KILLS=25 makes it long.
"""

import json
import os
import random
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pandas as pd

from penstock.domain.event import Event, EventType
from penstock.inference.frames import INVOCATIONS_JSON
from penstock.journal import Journal
from penstock.monitors.watch import MOST_WINDOWS
from penstock.observations import Observations
from penstock.observations.records import Record

START = 1_700_000_000.0
KILLS = int(os.environ.get("PENSTOCK_LOOK_KILLS", "5"))
WINDOWS = 6 * KILLS
SCRIPT = """
import sys
from pathlib import Path
from penstock.config.settings import ModelSettings, MonitorSettings, NotifierSettings, Settings
from penstock.journal import Journal
from penstock.monitors import Watcher
root = Path(sys.argv[1])
model = ModelSettings("mini", "m", "train.parquet", "y", train_data="train.parquet")
notify = (NotifierSettings("log"),)
settings = Settings(root, model, monitor=MonitorSettings(window=400, notify=notify))
with Journal(root / ".penstock/journal.db") as journal:
    watcher = Watcher(root, settings, journal, settle=0.0)
    print("ready", flush=True)
    watcher.look()
print("done", flush=True)
"""


def project(root):
    rng = np.random.default_rng(4)
    pd.DataFrame({"a": rng.normal(size=20_000), "b": rng.normal(size=20_000), "y": 0}).to_parquet(
        root / "train.parquet"
    )
    log = Observations(root / ".penstock/observations")
    records = []
    for k in range(WINDOWS * 400 + 50):
        shift = 1.0 if k > WINDOWS * 400 // 3 else 0.0
        row = [rng.normal() + shift, rng.normal()]
        body = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": [row]}}).encode()
        answer = json.dumps({"predictions": [rng.normal()]}).encode()
        moment = START + k * 0.01
        records.append(
            Record(f"r{k}", moment, "1", "champion", 200, 0.001, INVOCATIONS_JSON, body, answer)
        )
    log.append_batch(records)
    with Journal(root / ".penstock/journal.db", clock=lambda: START) as journal:
        journal.append(Event(EventType.CHAMPION_CHANGED, "mini/1", {"version": "1"}))


def look(root, *, kill_after=None):
    """Take a look in a process; return whether it came to its end."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    if kill_after is not None:
        time.sleep(kill_after)
        process.kill()
    said = process.stdout.read()
    process.stdout.close()
    process.wait(120)
    return said == "done\n"


def test_killed_looks_leave_nothing_twice_and_nothing_out(tmp_path):
    project(tmp_path)
    drawn = random.Random(6)
    ended = [look(tmp_path, kill_after=drawn.uniform(0.0, 1.0)) for _ in range(KILLS)]
    assert ended.count(False) > KILLS // 2
    for _ in range(WINDOWS // MOST_WINDOWS + 1):
        assert look(tmp_path)
    with Journal(tmp_path / ".penstock/journal.db") as journal:
        raised = list(journal.events(type=EventType.ALERT_RAISED))
        judged = [one.data for one in journal.events(type=EventType.MONITOR_JUDGED)
                  if one.data["monitor"] == "drift"]  # fmt: skip
        detected = list(journal.events(type=EventType.DRIFT_DETECTED))
        state = journal.get("monitor", "mini").value
    assert len(judged) == state["judged"] == WINDOWS
    for before, after in pairwise(judged):
        assert before["until"] == after["since"]
    assert sum(one["rows"] for one in judged) == WINDOWS * 400
    assert len(detected) == 1
    about = [(one.data["key"], one.data["since"]) for one in raised]
    assert len(set(about)) == len(about)  # a share may come and go, each time it is told once
    assert {key for key, _ in about} == {"data: values out of range", "drift"}
    assert [key for key, _ in about].count("drift") == 1
    assert state["outbox"] == []
    lines = (tmp_path / ".penstock/logs/alerts.ndjson").read_text().splitlines()
    told = {json.loads(line)["event.id"] for line in lines}
    keys = ((one.data["key"], one.data["since"], one.data["severity"]) for one in raised)
    wanted = {f"mini/1/{key}/{int(since)}/{severity}/firing" for key, since, severity in keys}
    assert {one for one in told if one.endswith("/firing")} == wanted
