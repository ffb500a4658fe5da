"""Debian's Prometheus and Alertmanager with the exported files, and something for them to see."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from penstock.config.settings import ModelSettings, MonitorSettings, ServeSettings, Settings
from penstock.domain.traffic import TrafficTable
from penstock.domain.version import Bundle
from penstock.gateway import GatewayClient, GatewayOptions, start_gateway
from penstock.inference.manner import Limit, Manner
from penstock.monitors.exports import files
from penstock.monitors.state import WatchState

DEADLINE = 120.0


def tool(*names):
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    pytest.fail(
        f"{names[0]} is not installed; .ci/run installs it, or: apt-get install "
        "--no-install-recommends prometheus prometheus-alertmanager"
    )


def settings(root, **more):
    return Settings(
        root,
        ModelSettings("mini", "models/model", "data/test.parquet", "late"),
        serve=ServeSettings(port=8080),
        monitor=MonitorSettings(stale_after=86_400.0),
        **more,
    )


def write(kind, folder, **more):
    made = files(kind, folder, settings(folder), **more)
    for name, content in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return made


def run(*words, cwd):
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


def drifted():
    """The state of a watcher that found everything that can be found."""
    drift = {
        "name": "drift of age", "outcome": "failed", "words": "", "kind": "drift",
        "blocking": False,
        "needs": None, "hint": None, "seconds": None,
        "evidence": [_evidence("age", 0.2, {"exceedance": 3.5})],
    }  # fmt: skip
    quality = {**drift, "name": "quality", "evidence": [_evidence("log_loss", 0.7, {})]}
    estimate = {**quality, "evidence": [_evidence("estimated log_loss", 0.5, {})]}
    data = {**drift, "name": "missing values", "evidence": []}
    now = time.time()
    return WatchState(
        version="3", began=now - 50, judged=9, streaks={"age": 2},
        windows=[{"since": now - 20, "until": now - 10, "rows": 1000, "outcome": "failed",
                  "exceedance": {"age": 3.5}}],
        verdicts={"drift": [drift], "quality": [quality], "estimate": [estimate], "data": [data]},
        quality={"rows": 500, "declined": True},
        alerts={"drift": {"severity": "severe"}},
    )  # fmt: skip


def retrained(tx):
    """Put retrainings into a journal: one promoted, one that failed, one under way."""
    gain = {"metric": "log_loss", "gain": 0.02}
    found = {"trials": 9, "pruned": 3, "failed": 1, "seconds": 42.5}
    for number, (kind, outcome, gained, more) in enumerate((
        ("drift", "promoted", True, {"predicted": gain, "found": found, "version": 3,
                                     "realised": {**gain, "gain": -0.01}}),
        ("data", "failed", False, {}),
        ("person", None, None, {}),
    )):  # fmt: skip
        began = time.time() - 9000 + 1000 * number
        name = f"retraining-{number}"
        tx.put("retraining", name, {
            "id": name, "requests": [{"kind": kind}], "started": began, "gained": gained,
            "finished": began + 500 if outcome else None, "outcome": outcome,
            "phase": "finished" if outcome else "searched", **more,
        })  # fmt: skip
    tx.put("retraining-request", "data:1", {"state": "open"})


def _evidence(name, value, details):
    plain = dict.fromkeys(("low", "high", "threshold", "n"))
    return {"name": name, "value": value, **plain, "comparison": "", "method": "", "unit": "",
            "details": details}  # fmt: skip


def quicken(folder, alertmanager, monitor, gateway=None):
    """The exported files, with seconds where they have minutes, and the ports of a test."""
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    config["scrape_configs"][1]["static_configs"][0]["targets"] = [monitor]
    if gateway:
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [gateway]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    if (folder / "alertmanager.yml").exists():
        routing = yaml.safe_load((folder / "alertmanager.yml").read_text())
        for one in (routing["route"], *routing["route"]["routes"]):
            one["group_wait"] = "0s"
        (folder / "alertmanager.yml").write_text(yaml.safe_dump(routing))


class Started:
    """A server from Debian, running until the test ends."""

    def __init__(self, url, words, cwd):
        self.url = url
        self.log = (cwd / f"{Path(words[0]).name}.log").open("w+")
        self.process = subprocess.Popen(words, cwd=cwd, stdout=self.log, stderr=self.log)
        self.until(lambda: self.get("/-/ready") is not None)

    def get(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise AssertionError(f"{path}: {error.read()!r}") from error
            return None
        except OSError:
            return None

    def query(self, expression):
        """Return what an expression is now; it fails the test when Prometheus refuses it."""
        path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        answer = json.loads(self.get(path))
        assert answer["status"] == "success", expression
        return answer["data"]["result"]

    def until(self, true):
        deadline = time.monotonic() + DEADLINE
        while not (found := true()):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                pytest.fail(f"{self.url} did not get there: {self.log.read()[-2000:]}")
            time.sleep(0.1)
        return found

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


CODE = "def load(path, mlmodel):\n    return lambda rows: [NUMBER] * len(rows)\n"
COLUMNS = [{"name": "age", "type": "double", "required": True}]
LIMITS = (Limit("age", 18.0, 99.0, nulls=False),)


class Site:
    """A real gateway in the middle of a rollout, whose requests are checked and logged."""

    def __init__(self, folder):
        self.folder = folder
        options = {"port": 0, "log_dir": str(folder / "observations"), "breaker_share": 0.9}
        self.client = start_gateway(folder / "serve", GatewayOptions(**options), wait=120)
        self.table = TrafficTable(
            bundles=(self._bundle("2"), self._bundle("3")), champion="3", challenger="2",
            shadow=True,
        )  # fmt: skip

    def _bundle(self, version):
        model = self.folder / f"model-{version}"
        (model / "code").mkdir(parents=True)
        (model / "code/numbered.py").write_text(CODE.replace("NUMBER", version))
        flavour = {"loader": "numbered:load", "code": "code"}
        signature = {"inputs": json.dumps(COLUMNS)}
        record = {"flavors": {"penstock": flavour}, "signature": signature}
        (model / "MLmodel").write_text(json.dumps(record))
        manner = self.folder / "manner.json"
        manner.write_text(json.dumps(Manner("warn", LIMITS).to_dict()))
        return Bundle("mini", version, str(model), sys.executable, manner=str(manner))

    def split(self, weight):
        """Change the split, and wait until both versions are ready."""
        generation = self.table.generation + 1
        self.table = replace(self.table, generation=generation, weight=weight)
        self.client.apply(self.table)
        deadline = time.monotonic() + DEADLINE
        while not {"2", "3"} <= (status := self.client.status()).ready:
            assert time.monotonic() < deadline, status
            time.sleep(0.05)

    def ask(self, *ages):
        """Ask for predictions, one request each."""
        url = self.client.status().url + "/invocations"
        for age in ages:
            body = json.dumps({"dataframe_split": {"columns": ["age"], "data": [[age]]}}).encode()
            headers = {"Content-Type": "application/json"}
            request = urllib.request.Request(url, body, headers)
            with urllib.request.urlopen(request, timeout=60) as answer:
                assert answer.status == 200

    def stop(self):
        GatewayClient(self.folder / "serve").stop()
