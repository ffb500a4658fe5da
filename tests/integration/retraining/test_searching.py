"""A search during a retraining: better parameters from validation data, the test data unseen."""

import json
import os
import signal
import subprocess
import sys
import time

from penstock.domain.event import EventType
from penstock.journal import Journal

SEARCH = """
  search:
    trials: 6
    jobs: 2
    metric: {metric}
    direction: minimize
    params:
      strength: {{low: 0.001, high: 10, log: true}}
rollout:
"""


def with_search(mini, metric="validation.json:logloss"):
    mini.edit("penstock.yaml", "\nrollout:\n", SEARCH.format(metric=metric))
    mini.commit("Search")


def trained(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_the_winner_is_trained_once_and_the_test_data_is_never_seen(mini, tmp_path):
    with_search(mini)
    tally = tmp_path / "tally"
    record = mini.ask("retrain", "--no-deploy", env={"TALLY": str(tally)})["retraining"]
    assert record["outcome"] == "registered"
    found = record["found"]
    assert found["trials"] == 6
    assert found["failed"] == 0
    assert found["params"]["strength"] > 0.001
    before, after = (found[name]["validation.json:logloss"] for name in ("before", "values"))
    assert after < before
    text = mini.git("show", "penstock/retrain:params.yaml")
    assert text.startswith("# How strongly to fit.\n")
    assert f"strength: {found['params']['strength']}" in text
    # The best trial's model came from the cache of runs: six trainings, none of them twice.
    runs = trained(tally)
    assert len({one["strength"] for one in runs}) == len(runs) == 6
    assert not any(one["test"] for one in runs)
    with Journal(mini.root / ".penstock/journal.db") as journal:
        assert len(list(journal.events(type=EventType.TESTSET_USED))) == 1  # the gate's own
    left = [path.name for path in (mini.root / ".penstock/worktrees").iterdir()]
    assert not [name for name in left if name.startswith("retraining-")]


def test_searching_by_the_test_data_is_refused(mini):
    with_search(mini, metric="metrics.json:logloss")
    record = mini.ask("retrain", code=3)["retraining"]
    assert record["outcome"] == "failed"
    assert record["error"]["code"] == "tuning.test-data"


def test_a_retraining_killed_again_and_again_ends_and_trains_nothing_twice(mini, tmp_path):
    with_search(mini)
    tally = tmp_path / "tally"
    words = [sys.executable, "-m", "penstock", "retrain", "--no-deploy", "--json"]
    env = os.environ | {"TALLY": str(tally)}
    mini.penstock("retrain", "--plan")  # warms caches, so that kills fall into the work
    for seconds in (3, 6, 9):
        process = subprocess.Popen(
            words, cwd=mini.root, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(seconds)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    record = mini.ask("retrain", "--no-deploy", env={"TALLY": str(tally)})["retraining"]
    with Journal(mini.root / ".penstock/journal.db") as journal:
        started = [one.subject for one in journal.events(type=EventType.RETRAINING_STARTED)]
        ended = [one.subject for one in journal.events(type=EventType.RETRAINING_FINISHED)]
        assert len(set(started)) == len(started)
        assert ended == started
        assert started[-1] == record["id"]
        versions = [one.subject for one in journal.events(type=EventType.VERSION_REGISTERED)]
        assert len(set(versions)) == len(versions)
    # Trials that had ended were not run again; those that a kill hit may have been.
    runs = trained(tally)
    strengths = {one["strength"] for one in runs}
    assert len(runs) <= len(strengths) + 2 * 3
    assert mini.ask("retrain", "--no-deploy")["retraining"]["outcome"] == "registered"
