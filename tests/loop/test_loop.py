"""The loop with real parts, judged by the journal, MLflow, DVC, Git and HTTP."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

from mlflow.tracking import MlflowClient

from penstock.domain.event import EventType
from penstock.journal import Journal


def predict(url, rows):
    body = json.dumps({"dataframe_split": {"columns": ["age", "visits", "spent"], "data": rows}})
    request = urllib.request.Request(
        f"{url}/invocations", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["predictions"], answer.headers["X-Penstock-Version"]


def assert_kept_in_mlflow(root, walk, verdict):
    """Find exactly one MLflow run of a walk, with the verdicts as tags and with all evidence."""
    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    (experiment,) = [one for one in client.search_experiments() if one.name == "mini"]
    wanted = f"tags.`penstock.run_id` = '{walk['run']['id']}'"
    (run,) = client.search_runs([experiment.experiment_id], wanted)
    assert run.data.tags["gate.verdict"] == verdict
    stopped = [one["name"] for one in walk["verdicts"] if one["outcome"] == "failed"]
    assert run.data.tags.get("gate.stopped_by", "") == "; ".join(stopped)
    folder = Path(run.info.artifact_uri.removeprefix("file://"))
    kept = json.loads((folder / "gates" / "verdicts.json").read_text())
    assert kept == walk["verdicts"]


def test_a_commit_becomes_a_served_version_and_a_rollback_takes_it_back(mini, live):
    client = MlflowClient(f"sqlite:///{mini.root}/mlflow.db")
    first = mini.ask("run", "--deploy")
    assert first["outcome"] == "done"
    assert first["version"]["version"] == 1
    assert first["rollout"]["phase"] in ("promoted", "probation")
    assert client.get_model_version_by_alias("mini", "champion").version in (1, "1")
    status = mini.ask("status")
    assert status["champion"]["version"] == 1
    url = status["traffic"]["url"]
    assert predict(url, [[0.0, 3.0, 0.0], [3.0, -3.0, 0.0]]) == ([1, 0], "1")

    again = mini.ask("run")
    assert not again["new"]
    assert again["run"]["id"] == first["run"]["id"]
    dvc = subprocess.run(
        ["dvc", "status"],
        cwd=mini.root,
        env=os.environ | {"DVC_NO_ANALYTICS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "up to date" in dvc.stdout

    mini.commit("Lock the first run")
    mini.edit("params.yaml", "strength: 1.0", "strength: 0.5")
    mini.commit("Regularise more")
    second = mini.ask("run")
    ran = {one["stage"]: one["outcome"] for one in second["run"]["stages"]}
    assert ran == {"prepare": "unchanged", "train": "ran", "evaluate": "ran"}
    assert second["version"]["version"] == 2
    refused = mini.penstock("rollback", code=5)
    assert "no previous champion" in refused.stderr

    with live(url) as seen:
        deployed = mini.ask("deploy")
        assert deployed["rollout"]["phase"] in ("promoted", "probation")
        assert client.get_model_version_by_alias("mini", "champion").version in (2, "2")
        assert client.get_model_version_by_alias("mini", "previous").version in (1, "1")
        rolled = mini.ask("rollback", "--reason", "second thoughts")
        assert rolled["rollout"]["phase"] == "rolled-back"
    assert {status for status, _ in seen} == {200}
    assert {version for _, version in seen} == {"1", "2"}
    status = mini.ask("status")
    assert status["champion"]["version"] == 1
    assert status["traffic"]["split"] == {"1": 100.0}
    assert status["warnings"] == []
    assert sorted(mini.git("tag").split()) == [
        "mini#production#1",
        "mini#production#2",
        "mini#production#3",
        "mini@v1.0.0",
        "mini@v2.0.0",
    ]
    assert "second thoughts" in mini.git("tag", "-n9", "--list", "mini#production#3")
    again = mini.ask("run", "--deploy", code=1)
    assert "tries it again" in again["note"]
    assert mini.ask("status")["champion"]["version"] == 1


def test_a_refused_candidate_leaves_the_champion_alone(mini):
    mini.ask("run", "--deploy")
    mini.commit("Lock")
    mini.edit("src/train.py", 'frame["bought"]', '1 - frame["bought"]')
    mini.commit("Flip the target by mistake")
    refused = mini.ask("run", "--deploy", code=1)
    assert refused["outcome"] == "refused"
    assert refused["version"] is None
    stopping = [one for one in refused["verdicts"] if one["outcome"] == "failed"]
    assert any("accuracy" in one["name"] for one in stopping)
    assert all(one["words"] for one in stopping)
    assert mini.ask("status")["champion"]["version"] == 1
    again = mini.ask("run", code=1)
    assert not again["new"]
    assert_kept_in_mlflow(mini.root, refused, "refused")
    with Journal(mini.root / ".penstock" / "journal.db") as journal:
        refusals = list(journal.events(type=EventType.CANDIDATE_REFUSED))
        assert len(refusals) == 1
        chain = [event.type for event in journal.causes(refusals[0].id)]
    assert chain == [
        EventType.CANDIDATE_REFUSED,
        EventType.CANDIDATE_MADE,
        EventType.RUN_FINISHED,
        EventType.RUN_STARTED,
        EventType.TRIGGER_FIRED,
    ]


def test_uncommitted_changes_run_but_do_not_become_a_version(mini):
    mini.edit("params.yaml", "strength: 1.0", "strength: 2.0")
    tried = mini.ask("run")
    assert tried["version"] is None
    assert "no commit holds" in tried["note"]
    assert_kept_in_mlflow(mini.root, tried, "passed")
    mini.commit("Mean it")
    done = mini.ask("run")
    assert done["version"]["version"] == 1
    assert done["version"]["commit"] == mini.git("rev-parse", "HEAD")
    assert done["run"]["id"] == tried["run"]["id"]


def test_two_runs_at_once_make_one_version(mini):
    words = [sys.executable, "-m", "penstock", "run", "--json"]
    pair = [
        subprocess.Popen(words, cwd=mini.root, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    said = [json.loads(one.communicate(timeout=240)[0]) for one in pair]
    assert [one.returncode for one in pair] == [0, 0], said
    assert [one["version"]["version"] for one in said] == [1, 1]
    with Journal(mini.root / ".penstock" / "journal.db") as journal:
        assert len(list(journal.events(type=EventType.CANDIDATE_PASSED))) == 1
        assert len(list(journal.events(type=EventType.VERSION_REGISTERED))) == 1


def test_a_condition_that_cannot_be_read_stops_before_any_stage_runs(mini):
    mini.edit("penstock.yaml", "candidate.accuracy", "candidate.acuracy")
    told = mini.ask("run", code=3)
    assert told["error"]["code"] == "gates.unknown-metric"
    assert not (mini.root / "models").exists()


def test_a_deployment_of_uncommitted_changes_says_that_it_was_not_done(mini):
    mini.edit("params.yaml", "strength: 1.0", "strength: 2.0")
    tried = mini.ask("run", "--deploy", code=5)
    assert (tried["outcome"], tried["version"]) == ("held-back", None)


def test_latency_and_memory_are_measured_where_the_model_will_serve(mini):
    mini.edit(
        "penstock.yaml",
        "gates:\n",
        "gates:\n  - candidate.latency_p99 < 20s\n  - candidate.memory < 1MB\n",
    )
    mini.commit("Ask for more than can be had")
    refused = mini.ask("run", code=1)
    verdicts = {one["name"]: one for one in refused["verdicts"]}
    quick = verdicts["candidate.latency_p99 < 20s"]
    assert quick["outcome"] == "passed"
    assert 0 < quick["evidence"][0]["value"] < 20
    heavy = verdicts["candidate.memory < 1MB"]
    assert heavy["outcome"] == "failed"
    assert heavy["evidence"][0]["value"] > 20e6
    assert not (mini.root / ".penstock" / "serve").exists()


OWN = """
from money import price


def earned(target, predicted):
    return price() * (target == predicted)
"""


def test_own_code_is_judged_anew_and_an_unreachable_registry_stops_no_verdict(mini, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    (mini.root / "src" / "earnings.py").write_text(OWN)
    (mini.root / "src" / "money.py").write_text("def price():\n    return 1\n")
    (mini.root / "src" / "other.py").write_text("unused = 1\n")
    mini.edit("penstock.yaml", "gates:", "gates:\n  - candidate.earnings:earned(low=0, high=9) > 8")
    mini.commit("Ask what a candidate earns")
    (mini.root / "mlartifacts").write_text("in the way")
    refused = mini.ask("run", code=1)
    assert refused["outcome"] == "refused"
    assert "the verdicts are in the journal" in refused["note"]

    mini.edit("penstock.yaml", "serve:", "registry: {tracking_uri: 'http://127.0.0.1:9'}\nserve:")
    mini.edit("src/other.py", "1", "2")
    down = mini.ask("run", code=1)
    assert (down["outcome"], down["new"]) == ("refused", False)
    assert down["verdicts"] == refused["verdicts"]
    assert "127.0.0.1:9" in down["note"]
    assert "the verdicts are in the journal, the next run tries again" in down["note"]

    (mini.root / "mlartifacts").unlink()
    mini.edit("penstock.yaml", "registry: {tracking_uri: 'http://127.0.0.1:9'}\n", "")
    kept = mini.ask("run", code=1)
    assert (kept["new"], kept["note"]) == (False, "")
    assert_kept_in_mlflow(mini.root, refused, "refused")

    # What the metric imports is part of the question: the same model is judged again.
    mini.edit("src/money.py", "1", "2")
    again = mini.ask("run", code=1)
    assert again["new"]
    first, second = (one["verdicts"][-3]["evidence"][0] for one in (refused, again))
    assert first["name"] == second["name"] == "candidate.earnings:earned(low=0.0, high=9.0)"
    assert second["value"] == 2 * first["value"]


def test_metrics_in_git_that_a_killed_run_wrote_keep_no_version_from_being_registered(mini):
    mini.penstock("run", "evaluate")  # nothing is judged, as when a run is killed before that
    mini.commit("With the metrics")
    mini.edit("params.yaml", "seed: ", "seed: 1")
    mini.commit("Other rows")
    mini.penstock("run", "evaluate")
    assert mini.git("status", "--porcelain", "metrics.json")
    walk = mini.ask("run")
    assert walk["version"]["version"] == 1, walk.get("note")

    # What a stage reads is another matter.
    mini.edit("params.yaml", "seed: 1", "seed: 2")
    assert mini.ask("run")["version"] is None
