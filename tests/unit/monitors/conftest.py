"""A project with a journal, a prediction log, and training data; no processes."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from penstock.config.settings import ModelSettings, MonitorSettings, Settings
from penstock.domain.event import Event, EventType
from penstock.inference.frames import INVOCATIONS_JSON
from penstock.journal import Journal
from penstock.monitors import Watcher
from penstock.observations import Observations
from penstock.observations.records import Feedback, Record

START = 1_700_000_000.0


def frame(rng, n, *, shift=0.0):
    carrier = rng.choice(["AA", "DL", "UA"], p=[0.5, 0.3, 0.2], size=n)
    return pd.DataFrame(
        {
            "age": rng.normal(40 + 10 * shift, 10, n).round(2),
            "delay": np.where(rng.random(n) < 0.6, 0.0, rng.exponential(20, n)).round(1),
            "carrier": carrier,
        }
    )


class World:
    """Plays the gateway: traffic and labels go into the log, the clock is moved by hand."""

    def __init__(self, root: Path):
        self.root = root
        self.rng = np.random.default_rng(11)
        self.now = START
        self.sent = 0
        train = frame(self.rng, 20_000)
        train["late"] = (self.rng.random(20_000) < 0.3).astype(int)
        (root / "data").mkdir(parents=True)
        train.to_parquet(root / "data/train.parquet")
        self.settings = Settings(
            root,
            ModelSettings(
                "mini", "models/model", "data/train.parquet", "late",
                train_data="data/train.parquet",
            ),
            monitor=MonitorSettings(window=1000),
        )  # fmt: skip
        self.journal = Journal(root / ".penstock/journal.db", clock=lambda: self.now)
        self.log = Observations(root / ".penstock/observations")

    def configure(self, **changes):
        monitor = replace(self.settings.monitor, **changes)
        self.settings = replace(self.settings, monitor=monitor)

    def champion(self, version):
        self.journal.append(
            Event(EventType.CHAMPION_CHANGED, f"mini/{version}", {"version": version})
        )

    def traffic(
        self, rows, *, version="1", shift=0.0, score=None, change=None, seconds=60.0, prefix="r"
    ):
        """Send requests of one row each, spread over some seconds; return ids and scores."""
        table = frame(self.rng, rows, shift=shift)
        if change:
            table = change(table)
        score = self.rng.beta(2, 3, rows).round(3) if score is None else score
        records, ids = [], []
        values = table.astype(object).where(table.notna(), None).to_numpy().tolist()
        for k, row in enumerate(values):
            self.sent += 1
            ids.append(f"{prefix}{self.sent}")
            body = {"dataframe_split": {"columns": list(table.columns), "data": [row]}}
            answer = json.dumps({"predictions": [float(score[k])]}).encode()
            moment = self.now + seconds * k / rows
            records.append(
                Record(ids[-1], moment, version, "champion", 200, 0.001, INVOCATIONS_JSON,
                       json.dumps(body).encode(), answer)
            )  # fmt: skip
        self.log.append_batch(records, model="mini")
        self.now += seconds
        return ids, np.asarray(score)

    def labels(self, ids, labels):
        self.log.append_feedback(
            [Feedback(id, self.now, 0, float(y), {}) for id, y in zip(ids, labels, strict=True)]
        )
        self.now += 1.0

    def watcher(self, **more):
        return Watcher(self.root, self.settings, self.journal, settle=0.0, **more)

    def look(self, **more):
        self.now += 1.0
        return self.watcher(**more).look(self.now)

    def events(self, type=None):
        return list(self.journal.events(type=type))


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path / "project")
    yield made
    made.journal.close()
