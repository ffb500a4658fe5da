"""Killed at any instant: status tells the truth, and the next command carries on.

PENSTOCK_KILLS=50 makes it long.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys

import pytest
from mlflow.tracking import MlflowClient

from penstock.domain.event import EventType
from penstock.journal import Journal

KILLS = int(os.environ.get("PENSTOCK_KILLS", "25"))
LONGEST = 6.0


def start(root):
    """Start `penstock run --deploy` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "penstock", "run", "--deploy", "--json"],
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.timeout(1500)
def test_status_is_true_and_work_goes_on_after_every_kill(mini, live):
    client = MlflowClient(f"sqlite:///{mini.root}/mlflow.db")
    drawn = random.Random(20130101)
    with live(mini.url, connections=1):
        for number in range(KILLS):
            if number % 5 == 4:
                mini.edit("params.yaml", "strength: ", "strength: 1")
                mini.commit(f"Change {number}")
            process = start(mini.root)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(drawn.uniform(0.0, LONGEST))
            kill(process)
            check(mini.ask("status"), client)
        assert mini.ask("run")["outcome"] == "done"
        assert mini.ask("deploy")["outcome"] == "done"
        status = mini.ask("status")
        assert status["champion"]["version"] == status["newest"]["version"]
        assert status["traffic"]["split"] == {str(status["champion"]["version"]): 100.0}
    check_journal(mini, client)


def check(status, client):
    """What status says is what MLflow holds, and there are never two champions."""
    versions = client.search_model_versions("name='mini'") if status["versions"] else []
    assert status["versions"] == len(versions)
    assert all(one.tags["penstock.run_id"] and one.tags["git.commit"] for one in versions)
    runs = [one.tags["penstock.run_id"] for one in versions]
    assert len(runs) == len(set(runs))
    if status["champion"] is not None:
        holder = client.get_model_version_by_alias("mini", "champion")
        assert int(holder.version) == status["champion"]["version"]
    split = status["traffic"]["split"]
    assert sum(split.values()) in (0.0, 100.0)
    assert set(split) <= {str(one.version) for one in versions}


def check_journal(mini, client):
    """Every version was registered once, every change of champion leads back to a trigger."""
    with Journal(mini.root / ".penstock" / "journal.db") as journal:
        registered = [event.subject for event in journal.events(type=EventType.VERSION_REGISTERED)]
        assert sorted(set(registered)) == sorted(registered)
        assert len(registered) == len(client.search_model_versions("name='mini'"))
        for event in journal.events(type=EventType.CHAMPION_CHANGED):
            assert journal.causes(event.id)[-1].type is EventType.TRIGGER_FIRED
