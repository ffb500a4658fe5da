"""The generated configuration on the real Prometheus, and on the real Alertmanager."""

import json
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

from penstock.config.settings import ModelSettings, MonitorSettings, ServeSettings, Settings
from penstock.gateway import metrics as gateway_metrics
from penstock.journal import Journal
from penstock.monitors.exports import files
from penstock.monitors.exports.grafana import dashboard, expressions
from penstock.monitors.metrics import MetricsServer, text
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
        (folder / name).write_text(content)
    return made


def run(*words, cwd):
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def free_port():
    import socket

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


def _evidence(name, value, details):
    plain = dict.fromkeys(("low", "high", "threshold", "n"))
    return {"name": name, "value": value, **plain, "comparison": "", "method": "", "unit": "",
            "details": details}  # fmt: skip


def test_promtool_accepts_configuration_rules_and_metrics(tmp_path):
    promtool = tool("promtool")
    write("prometheus", tmp_path)
    run(promtool, "check", "config", "prometheus.yml", cwd=tmp_path)
    assert "rules found" in run(promtool, "check", "rules", "penstock_rules.yml", cwd=tmp_path)
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text(drifted(), "mini"),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_monitors_answer_in_openmetrics_when_asked(tmp_path):
    with Journal(tmp_path / "journal.db") as journal, journal.transaction() as tx:
        tx.put("monitor", "mini", drifted().to_dict())
    server = MetricsServer(tmp_path / "journal.db", "mini", port=0).start()
    try:
        for accept in ("application/openmetrics-text", "text/plain"):
            request = urllib.request.Request(server.url, headers={"Accept": accept})
            with urllib.request.urlopen(request, timeout=30) as answer:
                page = answer.read().decode()
                assert answer.headers["Content-Type"].startswith(accept)
            assert page.endswith("# EOF\n") is (accept != "text/plain")
            assert 'penstock_quality_declined{model="mini",version="3"} 1' in page
    finally:
        server.stop()


def test_the_rules_pass_their_unit_tests(tmp_path):
    promtool = tool("promtool")
    write("prometheus", tmp_path)
    assert "SUCCESS" in run(promtool, "test", "rules", "penstock_rules_test.yml", cwd=tmp_path)


def test_unit_tests_of_rules_can_fail(tmp_path):
    promtool = tool("promtool")
    write("prometheus", tmp_path)
    rules = tmp_path / "penstock_rules.yml"
    rules.write_text(rules.read_text().replace("penstock_quality_declined == 1", "vector(0) == 1"))
    with pytest.raises(AssertionError, match="FAILED"):
        run(promtool, "test", "rules", "penstock_rules_test.yml", cwd=tmp_path)


def test_amtool_accepts_the_routing(tmp_path):
    made = write("alertmanager", tmp_path, url="https://penstock.example.org")
    assert "https://penstock.example.org/hooks/alertmanager" in made["alertmanager.yml"]
    said = run(tool("amtool"), "check-config", "alertmanager.yml", cwd=tmp_path)
    assert "2 receivers" in said


def known_metrics():
    """Names of all metrics that the gateway and the monitors really write."""
    source = Path(gateway_metrics.__file__).read_text()
    names = set(re.findall(r'"(penstock_[a-z_]+)"', source))
    names |= {f"penstock_shadow_{one}_total" for one in ("compared", "differed")}
    names |= {f"penstock_split_{one}_percent" for one in ("wanted", "observed")}
    names |= {f"penstock_log_{one}_total" for one in ("written", "dropped")}
    names |= {f"penstock_request_seconds_{one}" for one in ("bucket", "sum", "count")}
    return names | set(re.findall(r"^# TYPE (\S+)", text(drifted(), "mini"), re.MULTILINE))


def test_every_name_in_rules_and_dashboard_is_one_that_is_written(tmp_path):
    rules = yaml.safe_load(files("prometheus", tmp_path, settings(tmp_path))["penstock_rules.yml"])
    written = [one["expr"] for group in rules["groups"] for one in group["rules"]]
    used = set(re.findall(r"\bpenstock_[a-z0-9_]+", " ".join([*written, *expressions("mini")])))
    assert used - known_metrics() == set()
    recorded = {one["record"] for group in rules["groups"] for one in group["rules"]
                if "record" in one}  # fmt: skip
    asked = set(re.findall(r"\bpenstock:[a-z0-9_:]+", " ".join([*written, *expressions("mini")])))
    assert asked <= recorded


def test_the_dashboard_fills_its_grid_without_gaps_or_overlaps():
    taken = set()
    for panel in dashboard("mini")["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


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


@pytest.fixture
def started():
    running = []

    def start(url, words, cwd):
        running.append(Started(url, words, cwd))
        return running[-1]

    yield start
    for one in running:
        one.stop()


def test_a_drift_reaches_a_webhook_through_prometheus_and_alertmanager(tmp_path, webhook, started):
    prometheus, alertmanager = tool("prometheus"), tool("prometheus-alertmanager", "alertmanager")
    with Journal(tmp_path / "journal.db") as journal, journal.transaction() as tx:
        tx.put("monitor", "mini", drifted().to_dict())
    server = MetricsServer(tmp_path / "journal.db", "mini", port=0).start()
    ports = free_port(), free_port()
    try:
        write("prometheus", tmp_path)
        write("alertmanager", tmp_path, url=webhook.url)
        (tmp_path / "penstock-token").write_text("t0ken")
        _quicken(tmp_path, urllib.parse.urlparse(server.url).netloc, ports[1])
        started(
            f"http://127.0.0.1:{ports[1]}",
            [alertmanager, "--config.file=alertmanager.yml", "--storage.path=am",
             f"--web.listen-address=127.0.0.1:{ports[1]}", "--cluster.listen-address="],
            tmp_path,
        )  # fmt: skip
        one = started(
            f"http://127.0.0.1:{ports[0]}",
            [prometheus, "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
             f"--web.listen-address=127.0.0.1:{ports[0]}"],
            tmp_path,
        )  # fmt: skip
        wanted = {"PenstockDrift", "PenstockQualityDeclined"}
        one.until(lambda: wanted <= _told(webhook))
        for expression in expressions("mini"):
            path = "/api/v1/query?" + urllib.parse.urlencode({"query": expression})
            assert json.loads(one.get(path))["status"] == "success", expression
    finally:
        server.stop()
    path, headers, body = webhook.seen[0]
    assert path == "/hooks/alertmanager"
    assert headers["Authorization"] == "Bearer t0ken"
    assert body["version"] == "4"
    assert body["alerts"][0]["labels"]["penstock_action"] == "retrain"
    assert "penstock retrain" in body["alerts"][0]["annotations"]["command"]


def _told(webhook):
    return {one["labels"]["alertname"] for _, _, body in webhook.seen for one in body["alerts"]}


def _quicken(folder, target, port):
    """The generated files, with seconds where they have minutes, and the ports of this test."""
    config = yaml.safe_load((folder / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
    config["scrape_configs"][1]["static_configs"][0]["targets"] = [target]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    routing = yaml.safe_load((folder / "alertmanager.yml").read_text())
    routing["route"]["group_wait"] = routing["route"]["routes"][0]["group_wait"] = "0s"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(routing))
