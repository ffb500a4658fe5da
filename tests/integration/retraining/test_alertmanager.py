"""The whole chain: traffic drifts, Prometheus sees it, Alertmanager tells, penstock retrains.

Gateway, monitors, Prometheus and Alertmanager (Debian's) and `penstock watch` are processes of
their own, joined by the files that `penstock monitor export` writes; only their intervals are
shortened. Nothing but Alertmanager's webhook may ask for a retraining here.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))  # for the receiver of what is shipped
sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "monitors"))
from bulk_receiver import Receiver, refusals, ship
from kibana_objects import asked, read

from penstock.domain.event import EventType
from penstock.journal import Journal
from penstock.monitors.exports.streams import DATASETS, stream

TRAIN_DATA = "  target: bought\n  train_data: data/train.csv\n"
COLUMNS = ["age", "visits", "spent"]
SETTINGS = """
monitor:
  window: 300
  interval: 1s
  skew: false
"""


def tool(*names):
    for name in names:
        if found := shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
            return found
    pytest.fail(
        f"{names[0]} is not installed; .ci/run installs it, or: apt-get install "
        "--no-install-recommends prometheus prometheus-alertmanager rsyslog "
        "rsyslog-elasticsearch"
    )


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@contextlib.contextmanager
def running(words, cwd, log):
    with (cwd / log).open("wb") as out:
        process = subprocess.Popen(words, cwd=cwd, stdout=out, stderr=out)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def until(found, what, seconds=150):
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, what
        time.sleep(0.2)
    return value


def events(mini, type):
    with Journal(mini.root / ".penstock/journal.db") as journal:
        return list(journal.events(type=type))


def send(url, rows):
    """Send rows that are older by two standard deviations, fifty in a request."""
    drawn = np.random.default_rng(8).normal([2.0, 0.0, 0.0], size=(rows, 3))
    for part in drawn.reshape(-1, 50, 3).tolist():
        body = {"dataframe_split": {"columns": COLUMNS, "data": part}}
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{url}/invocations", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert len(json.load(answer)["predictions"]) == 50


def demand(hooks):
    """Ask for a rollback as Alertmanager does; return what penstock says."""
    alert = {
        "status": "firing",
        "labels": {"alertname": "PenstockErrors", "penstock_action": "rollback"},
        "annotations": {"summary": "5 % of the answers are errors"},
        "startsAt": "2026-11-24T20:00:00Z",
        "fingerprint": "f1",
    }
    body = json.dumps({"version": "4", "status": "firing", "alerts": [alert]}).encode()
    headers = {"Authorization": "Bearer t0ken-of-this-test"}
    request = urllib.request.Request(f"http://{hooks}/hooks/alertmanager", body, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["message"]


def configured(mini, gateway, metrics, hooks, alertmanager):
    """Export the configuration as a user does, and give it the ports and seconds of this test."""
    folder = mini.root / "monitoring"
    url = f"http://{hooks}"
    mini.penstock("monitor", "export", "prometheus", "-o", "monitoring")
    mini.penstock("monitor", "export", "alertmanager", "-o", "monitoring", "--url", url)
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    for job, target in zip(config["scrape_configs"], (gateway, metrics), strict=True):
        job["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    routing = yaml.safe_load((folder / "alertmanager.yml").read_text())
    routing["route"]["group_wait"] = routing["route"]["routes"][0]["group_wait"] = "0s"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(routing))
    (folder / "penstock-token").write_text("t0ken-of-this-test")
    (mini.root / ".penstock/watch.token").write_text("t0ken-of-this-test\n")
    return folder


@pytest.mark.timeout(280)
def test_a_drift_starts_a_retraining_through_prometheus_and_alertmanager(mini):
    programs = tool("prometheus"), tool("prometheus-alertmanager", "alertmanager")
    places = [f"127.0.0.1:{free_port()}" for _ in range(5)]
    gateway, metrics, hooks, prometheus, alertmanager = places
    serve = f"serve: {{port: {gateway.rpartition(':')[2]}, timeout: 1s, checks: warn}}" + SETTINGS
    mini.edit("penstock.yaml", "triggers: [data]", "triggers: [webhook]")
    mini.edit("penstock.yaml", "serve: {port: 0}", serve)
    mini.edit("penstock.yaml", "  target: bought\n", TRAIN_DATA)
    mini.commit("Watch")
    (mini.root / ".penstock").mkdir()
    folder = configured(mini, gateway, metrics, hooks, alertmanager)
    penstock = [sys.executable, "-m", "penstock"]
    with contextlib.ExitStack() as stack:

        def start(log, *words, cwd=folder):
            stack.enter_context(running(list(words), cwd, log))

        start("alertmanager.log", programs[1], "--config.file=alertmanager.yml",
              "--storage.path=am", f"--web.listen-address={alertmanager}",
              "--cluster.listen-address=")  # fmt: skip
        start("prometheus.log", programs[0], "--config.file=prometheus.yml",
              "--storage.tsdb.path=tsdb", f"--web.listen-address={prometheus}")  # fmt: skip
        assert mini.ask("retrain")["retraining"]["outcome"] == "promoted"
        send(f"http://{gateway}", 600)
        mini.more_data(seed=1)
        port = metrics.rpartition(":")[2]
        start("metrics.log", *penstock, "monitor", "metrics", "--port", port, cwd=mini.root)
        start("watch.log", *penstock, "watch", "--listen", hooks, "--interval", "0.5",
              cwd=mini.root)  # fmt: skip
        until(lambda: events(mini, EventType.RETRAINING_STARTED)[1:], "an order")
        until(lambda: events(mini, EventType.RETRAINING_FINISHED)[1:], "its end")
        # An alert whose label says so takes the champion back, once, however often it is told.
        told = [demand(hooks) for _ in range(2)]
        until(lambda: events(mini, EventType.CHAMPION_CHANGED)[2:], "a rollback")
    assert told == ["received", "received before"]
    champions = [one.data["version"] for one in events(mini, EventType.CHAMPION_CHANGED)]
    assert champions == ["1", "2", "1"]
    (drift,) = events(mini, EventType.DRIFT_DETECTED)
    assert drift.data["features"] == ["age", "prediction"]
    _, asked = events(mini, EventType.RETRAINING_REQUESTED)
    assert asked.data["kind"] == "webhook"
    _, ordered = events(mini, EventType.RETRAINING_STARTED)
    assert "PenstockDrift" in ordered.data["reason"]
    _, finished = events(mini, EventType.RETRAINING_FINISHED)
    assert finished.data["outcome"] == "promoted"
    with Journal(mini.root / ".penstock/journal.db") as journal:
        for version in ("1", "2"):  # made when it was registered, answers included
            kept = journal.get("reference", f"mini/{version}").value["reference"]
            assert [one["name"] for one in kept["features"]] == [*COLUMNS, "prediction"]
    assert len(list(mini.root.glob("mlartifacts/**/penstock/reference.json"))) == 2
    mini.penstock("serve", "--stop")
    check_what_is_shipped(mini, tool("rsyslogd"))


def check_what_is_shipped(mini, rsyslogd):
    """Send all that was logged with a real shipper; each field must fit the index template."""
    until(
        lambda: mini.ask("monitor", "logs") and lines(mini)["predictions"] == 600, "a settled log"
    )
    mini.penstock("monitor", "export", "elasticsearch", "-o", "elastic")
    template = json.loads((mini.root / "elastic/component-template.json").read_text())
    receiver = Receiver()
    try:
        ship(logged(mini), receiver, rsyslogd, mini.root / "rsyslog", sum(lines(mini).values()))
    finally:
        receiver.stop()
    assert receiver.faults == []
    found = receiver.documents
    assert set(found) == {stream(one, "mini") for one in DATASETS}
    known = template["template"]["mappings"]["properties"]
    sent = [one for documents in found.values() for one in documents]
    wrong = {fault for one in sent for fault in refusals(one, known)}
    assert wrong == set()
    predictions, story, log = (found[f"logs-penstock.{one}-mini"] for one in DATA_SETS)
    components = {one["log.logger"].removeprefix("penstock.") for one in log}
    assert components == {"cli", "watch", "gateway", "worker"}
    # From one request to the run that made the model which answered it, and to what came of it.
    (run,) = {one["penstock.run"] for one in predictions}
    assert len({one["http.request.id"] for one in predictions}) == 12
    told = {one["event.action"] for one in story if one.get("penstock.run") == run}
    assert {"run-started", "gate-judged", "version-registered", "rollout-promoted",
            "drift-detected", "champion-changed"} <= told  # fmt: skip
    versions = {one.get("penstock.version") for one in log if one["log.logger"].endswith("worker")}
    assert versions == {"1", "2"}
    assert {one["penstock.model"] for one in (*predictions, *story)} == {"mini"}
    mini.penstock("monitor", "export", "kibana", "-o", "elastic")
    check_what_kibana_would_find(read((mini.root / "elastic/penstock.ndjson").read_text()), found)


NOT_IN_THIS_RUN = {
    "failing.yX0", "errors.code", "errors.x", "errors.y", "versions.failedX0", "refused.y",
    "classes.class", "classes.x", "classes.y", "levels.info", "changes.aborted",
    "penstock-mini-failed-predictions",
}  # fmt: skip
"""Requests that fail, a candidate that is refused, answers in words, a rollout that is aborted."""


def check_what_kibana_would_find(objects, documents):
    """Each search, column and mark of the export finds records; all fields but words are there."""
    empty, fields = set(), set()
    for one in asked(objects):
        records = one.found(documents)
        if not records:
            empty.add(one.name)
        for name in one.fields:
            if not any(record.get(name) is not None for record in records or ()):
                fields.add((one.name, name))
    assert empty == NOT_IN_THIS_RUN
    absent = {name for where, name in fields if where not in NOT_IN_THIS_RUN}
    assert absent == {"penstock.prediction.text", "error.code", "error.message"}


DATA_SETS = ("predictions", "events", "log")


def logged(mini):
    """Return (data set, file) of all that a project logs."""
    state = mini.root / ".penstock"
    files = [*(state / "logs").glob("*.ndjson"), *(state / "serve/log").glob("*.ndjson")]
    named = {"predictions": "predictions", "events": "events"}
    return [(named.get(one.stem, "log"), one) for one in files if one.stem != "alerts"]


def lines(mini):
    found = dict.fromkeys(DATA_SETS, 0)
    for name, path in logged(mini):
        found[name] += len(path.read_text().splitlines())
    return found
