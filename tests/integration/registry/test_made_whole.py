"""SIGKILL while MLflow's store is made for the first time: it is there whole, or not at all."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from penstock.errors import UnavailableError
from penstock.registry import Registry, embedded

KILLS = int(os.environ.get("PENSTOCK_REGISTRY_KILLS", "6"))
LONGEST = 2.0
"""Seconds before a kill, at most: longer than the making takes."""
SCRIPT = """
import sys
from pathlib import Path
import mlflow.tracking
from penstock.registry import Registry
registry = Registry(Path(sys.argv[1]))
print("ready", flush=True)
registry.client
print("made", flush=True)
"""


def test_a_store_whose_making_was_killed_is_made_by_the_next(tmp_path):
    drawn, fates = random.Random(1851), []
    for number in range(KILLS):
        root = tmp_path / str(number)
        root.mkdir()
        with subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(root)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout.readline() == "ready\n"
            time.sleep(drawn.uniform(0.0, LONGEST))
            os.kill(process.pid, signal.SIGKILL)
        store = root / "mlflow.db"
        fates.append(store.exists())
        if store.exists():
            assert embedded.read_versions(store, "churn") == []
            assert embedded.read_alias(store, "churn", "champion") == 0
        client = Registry(root).client
        assert client.create_registered_model("churn").name == "churn"
        assert client.get_experiment_by_name("Default") is not None
        assert [path.name for path in (root / ".penstock").iterdir()] == ["mlflow.lock"]
    assert not all(fates)


def test_a_store_that_was_half_made_is_said_to_be_unusable(tmp_path):
    with sqlite3.connect(tmp_path / "mlflow.db") as connection:
        connection.execute("create table issues (id integer)")  # as a kill may leave it
    with pytest.raises(UnavailableError, match=r"cannot open the MLflow store .*mlflow\.db"):
        _ = Registry(tmp_path).client
