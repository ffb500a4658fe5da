"""The six steps of the demo, asserted from the journal, MLflow, Git and DVC, not from text."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.domain.event import EventType
from penstock.journal import Journal

MODEL = "flight-delay"
pytestmark = [
    pytest.mark.timeout(1800),
    # MLflow's own use of SQLAlchemy.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Demo:
    """A repository that a demo left, and what the demo said of itself."""

    def __init__(self, root, said):
        self.root, self.said = root, said
        self.journal = Journal(root / ".penstock" / "journal.db")

    def events(self, kind):
        return list(self.journal.events(type=kind))

    def rollout(self, version):
        found = [one.value for one in self.journal.records("rollout")]
        mine = [one for one in found if one["challenger"]["version"] == str(version)]
        return next(one for one in mine if one["operation"] == "rollout")

    def judgements(self):
        """Judgements in the order of their runs."""
        records = sorted(self.journal.records("judgement"), key=lambda one: one.id)
        return [one.value for one in records]

    def git(self, *words):
        done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, check=True)
        return done.stdout.decode()

    def dvc(self, *words):
        command = [sys.executable, "-m", "dvc", *words]
        return subprocess.run(
            command, cwd=self.root, capture_output=True, check=True
        ).stdout.decode()


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    root = tmp_path_factory.mktemp("demo") / "flights"
    done = subprocess.run(
        [sys.executable, "-m", "penstock", "demo", str(root), "--fast", "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=root.parent,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    demo = Demo(root, json.loads(done.stdout))
    yield demo
    demo.journal.close()


@pytest.fixture(scope="module")
def mlflow(demo):
    from mlflow.tracking import MlflowClient

    uri = f"sqlite:///{demo.root}/mlflow.db"
    return MlflowClient(uri, registry_uri=uri)


def test_every_fact_holds(demo):
    assert [one["text"] for one in demo.said["facts"] if not one["holds"]] == []
    assert {one["step"] for one in demo.said["facts"]} == {1, 2, 3, 4, 5, 6}


def test_step_1_the_first_model_is_registered_and_serves(demo, mlflow):
    first = demo.judgements()[0]
    assert first["outcome"] == "passed"
    assert first["champion"] is None
    run = demo.journal.get("run", first["candidate"]["run_id"]).value
    ran = {one["stage"] for one in run["stages"] if one["outcome"] == "ran"}
    assert {"weather", "clean@2013-01", "prepare", "train", "evaluate", "profile"} <= ran
    tests = [verdict for one in run["stages"] for verdict in one["verdicts"]]
    assert len(tests) >= 3
    assert {one["outcome"] for one in tests} == {"passed"}
    assert mlflow.get_model_version(MODEL, "1").tags["penstock.run_id"] == run["id"]


def test_step_2_only_what_depends_on_april_ran(demo):
    second = demo.judgements()[1]
    run = demo.journal.get("run", second["candidate"]["run_id"]).value
    outcomes = {one["stage"]: one["outcome"] for one in run["stages"]}
    for stage in ("weather", "clean@2013-01", "clean@2013-02", "clean@2013-03"):
        assert outcomes[stage] == "unchanged", stage
    for stage in ("clean@2013-04", "prepare", "train", "evaluate"):
        assert outcomes[stage] == "ran", stage
    assert second["champion"] == 1


def test_step_2_the_canary_rose_step_by_step_and_no_request_failed(demo):
    rollout = demo.rollout(2)
    assert rollout["phase"] in ("promoted", "probation", "rolled-back", "aborted")
    steps = [e for e in demo.events(EventType.ROLLOUT_STEPPED) if e.subject == rollout["id"]]
    weights = [e.data["weight"] for e in steps if "weight" in e.data]
    assert weights == [0.0, 5.0, 25.0, 100.0]
    met = demo.said["traffic"]["new data"]
    assert met["failed"] == 0
    assert met["sent"] > 300
    assert set(met["versions"]) == {"1", "2"}


def test_step_3_the_bad_commit_was_refused_with_numbers(demo, mlflow):
    refused = [one for one in demo.judgements() if one["outcome"] == "refused"]
    assert len(refused) == 1
    stopped = [one for one in refused[0]["verdicts"] if one["outcome"] == "failed"]
    assert [one["name"] for one in stopped] == ["candidate.roc_auc > 0.85 +/- 0.02"]
    (evidence,) = stopped[0]["evidence"]
    assert evidence["value"] < evidence["high"] < evidence["threshold"] == 0.85
    assert f"{evidence['value']:.4f}" in stopped[0]["words"]
    run_id = refused[0]["candidate"]["run_id"]
    found = mlflow.search_model_versions(f"name='{MODEL}'")
    assert run_id not in {one.tags["penstock.run_id"] for one in found}


@pytest.mark.parametrize(("version", "rule"), [(3, "errors"), (4, "latency")])
def test_step_4_a_model_that_is_bad_live_was_taken_back(demo, version, rule):
    judged = next(one for one in demo.judgements() if one.get("version") == version)
    assert judged["outcome"] == "passed", "nothing offline speaks against it"
    rollout = demo.rollout(version)
    assert rollout["phase"] == "rolled-back"
    # On a very busy machine an answer that failed may be found too slow before it is found wrong.
    assert rollout["reason"].startswith((rule, "latency"))
    if rule == "errors":
        assert rollout["errors"] > 0
    began = next(e for e in demo.events(EventType.ROLLOUT_STARTED) if e.subject == rollout["id"])
    (ended,) = (e for e in demo.events(EventType.ROLLOUT_ROLLED_BACK) if e.subject == rollout["id"])
    causes = [one.id for one in demo.journal.causes(ended.id)]
    assert began.id in causes, "the journal leads from the return to the start"


def test_step_4_hardly_a_caller_noticed(demo):
    for branch in ("no-imputer", "forest"):
        met = demo.said["traffic"][branch]
        assert met["failed"] < 0.01 * met["sent"], branch


def test_step_5_the_rollback_moved_alias_tag_and_traffic(demo, mlflow):
    assert int(mlflow.get_registered_model(MODEL).aliases["champion"]) == 1
    changes = [str(e.data["version"]) for e in demo.events(EventType.CHAMPION_CHANGED)]
    assert changes == ["1", "2", "1"], "versions 3 and 4 never were the champion"
    tags = demo.git("tag", "--list", f"{MODEL}#production#*").split()
    newest = max(tags, key=lambda tag: int(tag.rpartition("#")[2]))
    one = mlflow.get_model_version(MODEL, "1")
    assert demo.git("rev-parse", f"{newest}^{{commit}}").strip() == one.tags["git.commit"]
    met = demo.said["traffic"]["rollback"]
    assert met["failed"] == 0
    assert "1" in met["versions"]


def test_step_6_the_report_is_one_file_with_everything(demo):
    text = Path(demo.said["report"]).read_text()
    assert "Version 2 of flight-delay" in text
    for title in ("Gates", "Live traffic", "Quality on held-out data", "How it was made"):
        assert f"<h2>{title}</h2>" in text, title
    assert "http" not in text
    assert text.count("<svg") >= 6


def test_the_registry_tells_where_each_version_comes_from(demo, mlflow):
    found = {int(one.version): one for one in mlflow.search_model_versions(f"name='{MODEL}'")}
    assert sorted(found) == [1, 2, 3, 4]
    commits = demo.git("log", "--all", "--format=%H").split()
    for one in found.values():
        assert one.tags["git.commit"] in commits
    for version in (1, 2):
        tags = demo.git("tag", "--points-at", found[version].tags["git.commit"]).split()
        assert f"{MODEL}@v{version}.0.0" in tags, "what was a champion is a release"


def test_the_repository_is_left_clean(demo):
    assert "up to date" in demo.dvc("status")
    assert demo.git("status", "--porcelain") == ""
    assert demo.git("branch", "--show-current").strip() == "main"


def test_nothing_serves_any_more(demo):
    status = subprocess.run(
        [sys.executable, "-m", "penstock", "status", "--json"],
        cwd=demo.root,
        capture_output=True,
        check=True,
    )
    told = json.loads(status.stdout)
    assert told["champion"]["version"] == 1
    assert told["traffic"]["running"] is False


def test_the_same_commit_and_data_give_the_same_bytes(demo):
    for stage in ("src/prepare.py", "src/train.py"):
        subprocess.run([sys.executable, stage], cwd=demo.root, capture_output=True, check=True)
    assert "up to date" in demo.dvc("status"), "model and data by content, as dvc.lock has them"
