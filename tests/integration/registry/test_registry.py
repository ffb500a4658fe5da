"""The registry on a real MLflow store and a real Git repository."""

import subprocess

import pytest
from mlflow.tracking import MlflowClient

from penstock.domain.revision import Revision
from penstock.domain.run import Candidate, Run
from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import StateError, UnavailableError
from penstock.registry import Registry, ReleaseRegistrar, ReleaseTags


@pytest.fixture
def root(tmp_path):
    for words in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "A"],
        ["config", "user.email", "a@example.org"],
        ["commit", "-q", "--allow-empty", "-m", "first"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    model = tmp_path / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    return tmp_path


def commit_of(root):
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=root, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def register(registry, root, run_id):
    candidate = Candidate(
        run_id, "churn", str(root / "model"), f"digest-{run_id}", {"auc": 0.8}, {"depth": "3"}
    )
    run = Run(run_id, Revision(commit_of(root), "main"), started=1.0, finished=2.0)
    return registry.register(candidate, run, [Verdict("g", Outcome.PASSED, "fine")])


def test_a_judged_candidate_has_one_run_whether_it_becomes_a_version_or_not(root):
    registry = Registry(root)
    candidate = Candidate("run-1", "churn", str(root / "model"), "d", {"auc": 0.8}, {"depth": "3"})
    run = Run("run-1", Revision(commit_of(root), "main"), started=1.0, finished=2.0)
    said = [
        Verdict("candidate.auc > 0.9", Outcome.FAILED, "auc is 0.8, surely below 0.9"),
        *(Verdict(f"slice {number}", Outcome.PASSED, "fine " * 40) for number in range(200)),
    ]
    kept = registry.keep(candidate, run, said, "3")
    assert registry.keep(candidate, run, said, "3") == kept
    assert registry.versions("churn") == []
    found = registry.client.get_run(kept)
    assert found.data.metrics == {"auc": 0.8}
    tags = found.data.tags
    assert tags["gate.verdict"] == "refused"
    assert tags["gate.stopped_by"] == "candidate.auc > 0.9"
    assert tags["penstock.champion"] == "3"
    assert tags["gate.verdict/candidate.auc _ 0.9"] == "failed: auc is 0.8, surely below 0.9"
    assert "see gates/verdicts.json" in tags["mlflow.note.content"]
    assert registry.client.list_artifacts(kept, "model") == []

    version = registry.register(candidate, run, [Verdict("g", Outcome.PASSED, "fine")], against="3")
    tags = registry.client.get_run(kept).data.tags
    assert (version.version, tags["gate.verdict"]) == (1, "passed")
    assert "gate.verdict/candidate.auc _ 0.9" not in tags
    assert registry.client.get_model_version("churn", "1").run_id == kept
    assert registry.client.list_artifacts(kept, "model")


def test_verdicts_that_cannot_be_kept_say_so(root):
    (root / "mlartifacts").write_text("in the way")
    registry = Registry(root)
    candidate = Candidate("run-1", "churn", str(root / "model"), "d", {}, {})
    run = Run("run-1", Revision(commit_of(root), "main"), started=1.0, finished=2.0)
    with pytest.raises(UnavailableError) as caught:
        registry.keep(candidate, run, [Verdict("g", Outcome.FAILED, "no")])
    assert caught.value.code == "registry.unavailable"


def test_versions_aliases_and_tags_are_what_an_mlflow_client_reads(root):
    registry = Registry(root)
    assert registry.versions("churn") == []
    assert registry.alias("churn", "champion") is None
    first = register(registry, root, "run-1")
    again = register(registry, root, "run-1")
    assert again == first
    second = register(registry, root, "run-2")
    assert (first.version, second.version) == (1, 2)

    registrar = ReleaseRegistrar(registry, root, "churn")
    for _ in range(2):
        registrar.promote("1", "rollout-a", "first")
    for _ in range(2):
        registrar.promote("2", "rollout-b", "better")
    registrar.promote("1", "rollback-c", "worse after all")

    client = MlflowClient(f"sqlite:///{root}/mlflow.db")
    assert client.get_model_version_by_alias("churn", "champion").version in ("1", 1)
    assert client.get_model_version_by_alias("churn", "previous").version in ("2", 2)
    tags = client.get_model_version("churn", "1").tags
    assert tags["penstock.run_id"] == "run-1"
    assert tags["git.commit"] == commit_of(root)
    run = client.get_run(client.get_model_version("churn", "1").run_id)
    assert run.data.metrics == {"auc": 0.8}

    names = sorted(tag.tag for tag in ReleaseTags(root).all())
    assert names == [
        "churn#production#1",
        "churn#production#2",
        "churn#production#3",
        "churn@v1.0.0",
        "churn@v2.0.0",
    ]
    assert ReleaseTags(root).current("churn", "production") == 1


def test_a_quick_look_sees_what_mlflow_sees(root):
    registry = Registry(root)
    register(registry, root, "run-1")
    register(registry, root, "run-2")
    registry.set_alias("churn", "champion", 2)
    registry.client.create_model_version("churn", source=f"{root}/model")
    registry.client.delete_model_version("churn", "3")
    quick = Registry(root)
    assert quick.versions("churn") == registry.versions("churn")
    assert [one.version for one in quick.versions("churn")] == [2, 1]
    for alias in ("champion", "previous"):
        assert quick.alias("churn", alias) == registry.alias("churn", alias)
    assert quick.versions("other") == []
    assert quick._client is None


def test_gto_reads_our_tags(root):
    registry = Registry(root)
    register(registry, root, "run-1")
    ReleaseRegistrar(registry, root, "churn").promote("1", "rollout-a", "first")
    done = subprocess.run(
        ["gto", "check-ref", "churn#production#1", "--json"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert '"stage": "production"' in done.stdout
    assert '"version": "v1.0.0"' in done.stdout


def test_an_unknown_version_says_which_there_are(root):
    registry = Registry(root)
    register(registry, root, "run-1")
    with pytest.raises(StateError) as caught:
        registry.get("churn", 7)
    assert caught.value.code == "registry.unknown-version"
    assert caught.value.hint == "registered versions: 1"
