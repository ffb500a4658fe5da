"""The generated configuration on the real Prometheus, and on the real Alertmanager."""

import json
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))  # for the servers of Debian
from prometheus_stack import Site, Started, drifted, free_port, quicken, retrained, run, tool, write

from penstock.journal import Journal
from penstock.monitors.exports.grafana import dashboard, expressions
from penstock.monitors.metrics import MetricsServer, text
from penstock.monitors.state import WatchState
from penstock.retraining.metrics import families


def test_promtool_accepts_configuration_rules_and_metrics(tmp_path):
    promtool = tool("promtool")
    write("prometheus", tmp_path)
    run(promtool, "check", "config", "prometheus.yml", cwd=tmp_path)
    assert "rules found" in run(promtool, "check", "rules", "penstock_rules.yml", cwd=tmp_path)
    with Journal(tmp_path / "journal.db") as journal:
        with journal.transaction() as tx:
            retrained(tx)
        page = text(drifted(), "mini", families(journal))
    done = subprocess.run(
        [promtool, "check", "metrics"], input=page,
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


def test_retrainings_are_counted_in_both_formats(tmp_path):
    with Journal(tmp_path / "journal.db") as journal:
        with journal.transaction() as tx:
            retrained(tx)
        pages = [
            text(WatchState(), "mini", families(journal), open_metrics=wanted)
            for wanted in (False, True)
        ]
    said = {
        name: float(value)
        for name, _, value in (
            line.rpartition(" ") for line in pages[0].splitlines() if not line.startswith("#")
        )
    }

    def of(name, **labels):
        inner = ",".join(f'{key}="{one}"' for key, one in {"model": "mini", **labels}.items())
        return said[f"penstock_{name}{{{inner}}}"]

    assert of("retrainings_total", trigger="drift", outcome="promoted") == 1
    assert of("retrainings_total", trigger="data", outcome="failed") == 1
    assert of("retrainings_total", trigger="schedule", outcome="refused") == 0
    assert of("retraining_running", phase="searched") == 1
    assert of("retraining_running", phase="started") == 0
    assert of("retraining_requests_open") == 1
    assert abs(of("retraining_last_run_timestamp_seconds") - time.time() + 7500) < 60
    assert of("retraining_last_failed") == 1
    assert of("retraining_vain_in_a_row") == 1
    assert of("retraining_predicted_gain", version="3", metric="log_loss") == 0.02
    assert of("retraining_realized_gain", version="3", metric="log_loss") == -0.01
    assert of("search_trials_total", state="complete") == 5
    assert of("search_trials_total", state="pruned") == 3
    assert of("search_seconds_total") == 42.5
    # In OpenMetrics, the family of a counter has no `_total`; its samples have.
    assert "# TYPE penstock_retrainings_total counter\n" in pages[0]
    assert "# TYPE penstock_retrainings counter\n" in pages[1]
    assert "# TYPE penstock_retraining_running gauge\n" in pages[1]
    assert [one for one in pages[0].splitlines() if "{" in one] == [
        one for one in pages[1].splitlines() if "{" in one
    ]


def test_every_alert_is_there(tmp_path):
    made = yaml.safe_load(write("prometheus", tmp_path)["penstock_rules.yml"])
    alerts = [one["alert"] for group in made["groups"] for one in group["rules"] if "alert" in one]
    assert sorted(alerts) == [
        "PenstockBadData", "PenstockBreakerOpen", "PenstockDrift", "PenstockErrors",
        "PenstockGatewayDown", "PenstockInputViolations", "PenstockLogLosing",
        "PenstockMonitorSilent", "PenstockNoWorkers", "PenstockQualityDeclined",
        "PenstockRetrainingFailed", "PenstockRetrainingInVain", "PenstockRetrainingWaits",
        "PenstockSlow", "PenstockStale", "PenstockUnwatched",
    ]  # fmt: skip


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


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (("severity=warning", "penstock_action=retrain"), "penstock,people"),
        (("severity=severe", "penstock_action=rollback"), "penstock,people"),
        (("severity=severe", "penstock_action=page"), "people"),
        (("severity=warning", "penstock_action=page"), "people"),
    ],
)
def test_people_hear_of_everything_and_penstock_of_what_it_acts_on(tmp_path, labels, told):
    write("alertmanager", tmp_path)
    words = ["config", "routes", "test", "--config.file=alertmanager.yml", *labels]
    assert run(tool("amtool"), *words, cwd=tmp_path).strip() == told


def test_the_receivers_that_are_suggested_are_receivers(tmp_path):
    text = write("alertmanager", tmp_path)["alertmanager.yml"]
    suggested = text.split("# - name: people\n")[1:]
    assert len(suggested) == 3
    for one in suggested:
        lines = [line.removeprefix("# ") for line in one.splitlines() if line.startswith("# ")]
        receiver = "\n".join(["- name: people", *lines, ""])
        changed = text.replace("- name: people\n", receiver, 1)
        mail = "global: {smtp_smarthost: 'localhost:25', smtp_from: a@example.org}\n"
        (tmp_path / "alertmanager.yml").write_text(mail + changed)
        run(tool("amtool"), "check-config", "alertmanager.yml", cwd=tmp_path)


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


@pytest.fixture
def started():
    running = []

    def start(url, words, cwd):
        running.append(Started(url, words, cwd))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture
def monitor(tmp_path):
    """What monitors found, as Prometheus scrapes it."""
    with Journal(tmp_path / "journal.db") as journal, journal.transaction() as tx:
        tx.put("monitor", "mini", drifted().to_dict())
        retrained(tx)
    server = MetricsServer(tmp_path / "journal.db", "mini", port=0, more=families).start()
    yield urllib.parse.urlparse(server.url).netloc
    server.stop()


def start_prometheus(started, folder):
    port = free_port()
    words = [tool("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
             f"--web.listen-address=127.0.0.1:{port}"]  # fmt: skip
    return started(f"http://127.0.0.1:{port}", words, folder)


def test_a_drift_reaches_a_webhook_through_prometheus_and_alertmanager(
    tmp_path, webhook, started, monitor
):
    port = free_port()
    write("prometheus", tmp_path)
    write("alertmanager", tmp_path, url=webhook.url)
    (tmp_path / "penstock-token").write_text("t0ken")
    quicken(tmp_path, f"127.0.0.1:{port}", monitor)
    words = [tool("prometheus-alertmanager", "alertmanager"), "--config.file=alertmanager.yml",
             "--storage.path=am", f"--web.listen-address=127.0.0.1:{port}",
             "--cluster.listen-address="]  # fmt: skip
    started(f"http://127.0.0.1:{port}", words, tmp_path)
    wanted = {"PenstockDrift", "PenstockQualityDeclined"}
    start_prometheus(started, tmp_path).until(lambda: wanted <= _told(webhook))
    path, headers, body = webhook.seen[0]
    assert path == "/hooks/alertmanager"
    assert headers["Authorization"] == "Bearer t0ken"
    assert body["version"] == "4"
    assert body["alerts"][0]["labels"]["penstock_action"] == "retrain"
    assert "penstock retrain" in body["alerts"][0]["annotations"]["command"]


def _told(webhook):
    return {one["labels"]["alertname"] for _, _, body in webhook.seen for one in body["alerts"]}


def test_every_query_of_dashboard_and_rules_finds_something_in_a_rollout(
    tmp_path, started, monitor
):
    """A gateway that splits, mirrors, checks and logs; no panel stays empty, no rule is void."""
    write("prometheus", tmp_path)
    site = Site(tmp_path)
    try:
        site.split(20.0)
        quicken(
            tmp_path, "127.0.0.1:1", monitor, urllib.parse.urlparse(site.client.status().url).netloc
        )
        one = start_prometheus(started, tmp_path)
        empty = set(expressions("mini"))
        weights = iter(range(21, 100))

        def nothing_is_empty():
            site.split(float(next(weights)))
            site.ask(30, 40, 50, 60, 12, 120)
            empty.difference_update({each for each in set(empty) if one.query(each)})
            return not empty

        one.until(nothing_is_empty)
        names = set(json.loads(one.get("/api/v1/label/__name__/values"))["data"])
    finally:
        site.stop()
    rules = yaml.safe_load((tmp_path / "penstock_rules.yml").read_text())
    written = " ".join(each["expr"] for group in rules["groups"] for each in group["rules"])
    assert set(re.findall(r"\bpenstock[_:][a-z0-9_:]+", written)) <= names
