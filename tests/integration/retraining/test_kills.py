"""A retraining with its rollout, killed at any moment: one training, one version, one rollout."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from penstock.domain.event import EventType
from penstock.journal import Journal

KILLS = int(os.environ.get("PENSTOCK_RETRAIN_KILLS", "4"))


@pytest.mark.timeout(900)
def test_killed_again_and_again_it_ends_once(mini):
    drawn = random.Random(2013)
    words = [sys.executable, "-m", "penstock", "retrain", "--json"]
    for _ in range(KILLS):
        process = subprocess.Popen(
            words,
            cwd=mini.root,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        time.sleep(drawn.uniform(0.3, 9.0))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    mini.penstock("retrain", "--json")
    with Journal(mini.root / ".penstock/journal.db") as journal:

        def of(type):
            return [event.subject for event in journal.events(type=type)]

        started, ended = of(EventType.RETRAINING_STARTED), of(EventType.RETRAINING_FINISHED)
        assert ended == started
        assert len(set(started)) == len(started)
        taken = [key for one in journal.records("retraining") for key in one.value["keys"]]
        assert len(set(taken)) == len(taken)
        outcomes = [one.value["outcome"] for one in journal.records("retraining")]
        # The data never changed, so all after the first found nothing to do.
        assert sorted(set(outcomes)) in (["promoted"], ["promoted", "unchanged"])
        assert outcomes.count("promoted") == 1
        assert len(of(EventType.VERSION_REGISTERED)) == 1
        assert len(of(EventType.ROLLOUT_STARTED)) == 1
    assert mini.ask("status")["champion"]["version"] == 1
