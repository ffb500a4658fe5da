"""`penstock watch`, as one look for scripts and as a process that listens, killed and started."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest

from penstock.domain.event import EventType
from penstock.domain.trigger import Request, TriggerKind
from penstock.journal import Journal
from penstock.triggers import Inbox
from penstock.triggers.inbox import RETRAINING

ALERT = {
    "version": "4",
    "status": "firing",
    "alerts": [
        {
            "status": "firing",
            "labels": {"alertname": "Drift", "penstock_action": "retrain"},
            "annotations": {"summary": "visits drift"},
            "startsAt": "2026-11-24T20:00:00Z",
            "fingerprint": "f1",
        }
    ],
}


def events(mini, type):
    with Journal(mini.root / ".penstock/journal.db") as journal:
        return list(journal.events(type=type))


def test_one_look_retrains_on_new_data_once_and_the_traffic_moves(mini):
    assert mini.ask("watch", "--once")["retraining"] is None  # what is there is known
    first = mini.ask("retrain")["retraining"]
    assert first["outcome"] == "promoted"
    with Journal(mini.root / ".penstock/journal.db") as journal:  # seen while that one began
        had = f"data:{journal.get(RETRAINING, first['id']).value['data']}"
        Inbox(journal).submit(Request(had, TriggerKind.DATA, "new data", time.time(), rows=10**6))
    assert mini.ask("watch", "--once")["retraining"] is None
    mini.more_data(seed=1)
    old = time.time() - 60
    os.utime(mini.root / "data/raw.csv", (old, old))
    seen = mini.ask("watch", "--once")
    assert [one["kind"] for one in seen["requests"]] == ["data"]
    assert seen["requests"][0]["rows"] == 400
    assert seen["decision"]["choice"] == "start"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        shown = mini.ask("retrain", "--history")["retrainings"]
        if shown[0]["outcome"]:
            break
        time.sleep(0.5)
    assert shown[0]["outcome"] == "promoted"
    assert shown[0]["kinds"] == ["data"]
    assert shown[0]["predicted"]["metric"] == "accuracy"
    assert mini.ask("status")["champion"]["version"] == 2
    again = mini.ask("watch", "--once")
    assert again["requests"] == []
    assert again["retraining"] is None
    (champion,) = [e for e in events(mini, EventType.CHAMPION_CHANGED) if e.data["version"] == "2"]
    with Journal(mini.root / ".penstock/journal.db") as journal:
        chain = [one.type for one in journal.causes(champion.id)]
    assert EventType.RETRAINING_STARTED in chain
    assert chain[-1] is EventType.RETRAINING_REQUESTED


def test_data_that_nobody_has_is_refused_at_its_place(mini):
    mini.edit("penstock.yaml", "data: data/raw.csv", "data: data/rwa.csv")
    error = mini.ask("watch", "--once", code=3)["error"]
    assert error["code"] == "retrain.no-data"
    (problem,) = error["problems"]
    lines = (mini.root / "penstock.yaml").read_text().splitlines()
    assert lines[problem["place"]["line"] - 1] == "  data: data/rwa.csv"
    assert problem["hint"] == "did you mean `data/raw.csv`?"


@contextlib.contextmanager
def watching(mini, *words):
    (mini.root / ".penstock").mkdir(exist_ok=True)
    where = mini.root / ".penstock/watch.url"
    where.unlink(missing_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", "watch", "--listen", "127.0.0.1:0", *words],
        cwd=mini.root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 60
        while not where.exists() or not where.read_text().endswith("\n"):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, where.read_text().strip()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def post(url, item, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, json.dumps(item).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)["message"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["message"]


@pytest.mark.timeout(200)
def test_an_alert_starts_one_retraining_through_kills(mini):
    mini.edit("penstock.yaml", "triggers: [data]", "triggers: [data, webhook]")
    mini.commit("Listen")
    with watching(mini, "--interval", "0.2") as (process, url):
        token = (mini.root / ".penstock/watch.token").read_text().strip()
        assert (mini.root / ".penstock/watch.token").stat().st_mode & 0o777 == 0o600
        hook = f"{url}/hooks/alertmanager"
        assert post(hook, ALERT, "")[0] == 401
        assert post(hook, ALERT, "guess")[0] == 401
        assert post(f"{url}/hooks/github", ALERT, token)[0] == 403
        assert post(hook, ALERT, token) == (202, "received")
        assert post(hook, ALERT, token) == (202, "received before")
        os.kill(process.pid, signal.SIGKILL)  # what was answered is kept
    with watching(mini, "--interval", "0.2") as (process, url):
        assert post(f"{url}/hooks/alertmanager", ALERT, token) == (202, "received before")
        deadline = time.monotonic() + 150
        while not events(mini, EventType.RETRAINING_FINISHED):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 130
    started = events(mini, EventType.RETRAINING_STARTED)
    assert len(started) == 1
    assert started[0].data["reason"] == "alert Drift: visits drift"
    assert events(mini, EventType.RETRAINING_FINISHED)[0].data["outcome"] == "promoted"


@pytest.mark.parametrize("words", ["here", "127.0.0.1:99999"])
def test_words_that_cannot_be_listened_to(mini, words):
    assert "watch.listen" in mini.penstock("watch", "--listen", words, "--json", code=2).stdout
