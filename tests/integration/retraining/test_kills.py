"""SIGKILL at any moment of retrainings, of `penstock watch` and of a search.

Nothing trains twice for one reason, no request that was acknowledged is lost, studies go on where
they were. PENSTOCK_RETRAIN_KILLS=25 makes it long.
"""

import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from penstock.domain.event import EventType
from penstock.journal import Journal
from penstock.tuning.studies import opened

KILLS = int(os.environ.get("PENSTOCK_RETRAIN_KILLS", "4"))
BEGAN = "2026-11-24T20:00:00Z"
COMMAND = (sys.executable, "-m", "penstock")
SEARCH = """
  search:
    trials: {trials}
    jobs: 2
    metric: validation.json:logloss
    direction: minimize
    params:
      strength: {{low: 0.001, high: 10, log: true}}
rollout:
"""


def begun(mini, *words, **environment):
    return subprocess.Popen(
        [*COMMAND, *words],
        cwd=mini.root,
        env=os.environ | environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def strike(process, *, group, after=0.0):
    """Kill a process alone, or with all that it started, unless it ends by itself before."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(after)
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if group else os.kill)(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def facts(mini):
    with Journal(mini.root / ".penstock/journal.db") as journal:
        yield journal


def retrainings(mini):
    with facts(mini) as journal:
        return [one.value for one in journal.records("retraining")]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def assert_each_began_and_ended_once(mini):
    """Hold the journal against itself; return the retrainings, oldest first."""
    found = sorted(retrainings(mini), key=lambda one: one["started"])
    with facts(mini) as journal:
        started, ended, registered, rollouts = (
            [event.subject for event in journal.events(type=type)]
            for type in (
                EventType.RETRAINING_STARTED,
                EventType.RETRAINING_FINISHED,
                EventType.VERSION_REGISTERED,
                EventType.ROLLOUT_STARTED,
            )
        )
        commits = {one.id: one.value["revision"]["commit"] for one in journal.records("run")}
        done = [
            (commits[event.subject], event.data["stage"])
            for event in journal.events(type=EventType.STAGE_FINISHED)
            if event.data["outcome"] == "ran"
        ]
    assert started == ended == [one["id"] for one in found]
    for subjects in (started, registered, rollouts, done):
        assert [one for one, count in collections.Counter(subjects).items() if count > 1] == []
    keys = [key for one in found for key in one["keys"]]
    assert len(set(keys)) == len(keys)
    return found


@pytest.mark.timeout(300 + 60 * KILLS)
def test_retrainings_killed_again_and_again_end_once_each(mini, tmp_path):
    drawn, tally, hits = random.Random(2013), tmp_path / "tally", collections.Counter()
    for number in range(KILLS):
        if all(one["finished"] for one in retrainings(mini)):
            mini.more_data(seed=number)  # a new reason
        process = begun(mini, "retrain", "--json", TALLY=str(tally))
        strike(process, group=number % 2 == 0, after=drawn.uniform(0.2, 16.0))
        hits.update(one.get("rows") for one in retrainings(mini) if not one["finished"])
    mini.penstock("retrain", "--json", env={"TALLY": str(tally)})
    found = assert_each_began_and_ended_once(mini)
    # The same data twice: nothing had changed, and nothing was trained or rolled out for it.
    outcomes = collections.defaultdict(list)
    for one in found:
        outcomes[one["data"]].append(one["outcome"])
    assert [[of.count("promoted"), set(of[1:])] for of in outcomes.values()] == [
        [1, {"unchanged"} if of[1:] else set()] for of in outcomes.values()
    ]
    # A training is done again only when a kill hit the retraining that it was for.
    trained = collections.Counter(one["rows"] for one in lines(tally))
    assert len(trained) == len(outcomes)
    assert all(count <= 1 + hits[2 * rows] for rows, count in trained.items())
    assert sum(trained.values()) < len(trained) + max(KILLS // 2, 1)
    assert mini.ask("status")["champion"]["version"] == len(outcomes)


class Senders:
    """Alerts with fingerprints of their own, each sent until it is acknowledged."""

    def __init__(self, mini):
        self.root = mini.root
        self.acknowledged = []
        self.waiting = []
        self._number = 0

    def add(self):
        self._number += 1
        self.waiting.append(f"f{self._number}")

    def send(self, process, seconds):
        """Send what waits, for as long as the process lives and the time lasts."""
        where, deadline = self.root / ".penstock/watch.url", time.monotonic() + seconds
        while self.waiting and time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError, urllib.error.URLError):
                url = where.read_text()
                if url.endswith("\n") and self._post(url.strip(), self.waiting[0]):
                    self.acknowledged.append(self.waiting.pop(0))
                    continue
            time.sleep(0.05)
        time.sleep(max(0.0, deadline - time.monotonic()))

    def _post(self, url, fingerprint):
        alert = {
            "status": "firing",
            "labels": {"alertname": "Drift", "penstock_action": "retrain"},
            "annotations": {"summary": f"visits drift, {fingerprint}"},
            "startsAt": BEGAN,
            "fingerprint": fingerprint,
        }
        body = json.dumps({"version": "4", "status": "firing", "alerts": [alert]}).encode()
        token = (self.root / ".penstock/watch.token").read_text().strip()
        request = urllib.request.Request(
            f"{url}/hooks/alertmanager", body, {"Authorization": f"Bearer {token}"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status == 202


@pytest.mark.timeout(300 + 60 * KILLS)
def test_a_watch_killed_again_and_again_loses_no_alert_and_answers_each_once(mini, tmp_path):
    mini.edit("penstock.yaml", "triggers: [data]", "triggers: [data, webhook]")
    mini.edit("penstock.yaml", "per_day: 50", "per_day: 1000")
    mini.commit("Listen")
    drawn, tally, senders = random.Random(1913), tmp_path / "tally", Senders(mini)
    words = ("watch", "--listen", "127.0.0.1:0", "--interval", "0.2")
    for number in range(KILLS):
        senders.add()
        if number % 3 == 1:
            mini.more_data(seed=number)
        process = begun(mini, *words, TALLY=str(tally))
        senders.send(process, drawn.uniform(0.5, 14.0))
        strike(process, group=number % 2 == 0)
    process = begun(mini, *words, TALLY=str(tally))
    try:
        deadline = time.monotonic() + 240
        while not settled(mini, senders):
            assert process.poll() is None
            assert time.monotonic() < deadline
            senders.send(process, 0.5)
    finally:
        process.terminate()
        process.wait(60)
    found = assert_each_began_and_ended_once(mini)
    answered = collections.Counter(key for one in found for key in one["keys"])
    with facts(mini) as journal:
        requests = {one.id: one.value for one in journal.records("retraining-request")}
    assert len(senders.acknowledged) == KILLS
    for fingerprint in senders.acknowledged:
        key = f"alert:{fingerprint}@{BEGAN}"
        assert answered[key] == 1
        assert fingerprint in requests[key]["reason"]
    assert {one["outcome"] for one in found} <= {"promoted", "unchanged"}
    of = collections.Counter(one["data"] for one in found if one["outcome"] == "promoted")
    assert set(of.values()) == {1}
    trained = collections.Counter(one["rows"] for one in lines(tally))
    assert sum(trained.values()) < len(trained) + max(KILLS // 2, 2)


def settled(mini, senders):
    with facts(mini) as journal:
        states = {one.value["state"] for one in journal.records("retraining-request")}
    ended = all(one["finished"] for one in retrainings(mini))
    return not senders.waiting and "open" not in states and ended


def complete(mini):
    """Return the trials of the studies on disk that came to their end: parameters and values."""
    folder = mini.root / ".penstock/studies"
    if not folder.exists():
        return {}
    with opened(folder) as storage:
        return {
            (study.study_name, trial.number): (trial.params["strength"], trial.values[0])
            for study in storage.get_all_studies()
            for trial in storage.get_all_trials(study._study_id)
            if trial.state.name == "COMPLETE"
        }


@pytest.mark.timeout(300 + 60 * KILLS)
def test_a_search_killed_again_and_again_goes_on_where_it_was(mini, tmp_path):
    mini.edit("penstock.yaml", "\nrollout:\n", SEARCH.format(trials=max(6, KILLS)))
    mini.commit("Search")
    drawn, tally = random.Random(1812), tmp_path / "tally"
    words = ("retrain", "--no-deploy", "--json")
    known = {}
    for number in range(KILLS):
        process = begun(mini, *words, TALLY=str(tally))
        strike(process, group=number % 2 == 0, after=drawn.uniform(0.5, 14.0))
        time.sleep(1.0)  # the trials see that nobody is there
        before = len(lines(tally))
        now = complete(mini)
        assert known.items() <= now.items()  # what ended stays as it was
        known = now
        ended = {strength for strength, _ in known.values()}
        again = [one for one in lines(tally)[before:] if one["strength"] in ended]
        assert again == []
        if any(one["finished"] for one in retrainings(mini)):
            break
    record = mini.ask(*words, env={"TALLY": str(tally)})["retraining"]
    assert record["outcome"] in ("registered", "unchanged")
    found = assert_each_began_and_ended_once(mini)
    assert known.items() <= complete(mini).items()
    studies = collections.Counter(study for study, _ in complete(mini))
    assert studies[found[0]["id"]] == found[0]["found"]["trials"] == max(6, KILLS)
    strengths = [strength for strength, _ in complete(mini).values()]
    assert len(set(strengths)) == len(strengths)
    runs = collections.Counter(one["strength"] for one in lines(tally))
    assert sum(runs.values()) <= len(runs) + 2 * KILLS
    assert not any(one["test"] for one in lines(tally) if one["strength"] != 0.001)
