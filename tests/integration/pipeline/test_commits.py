"""A commit in its own worktree, and a recorded run once more."""

from __future__ import annotations

import pytest

from penstock.domain.run import Run
from penstock.errors import StateError, UsageError
from penstock.pipeline import replay, revision, run_commit

FILES = {
    "dvc.yaml": """\
stages:
  prep:
    cmd: tr a-z A-Z < raw > clean
    deps: [raw]
    outs: [clean]
  train:
    cmd: sh train.sh
    deps: [clean, train.sh]
    outs: [model]
    metrics:
    - m.json:
        cache: false
""",
    "raw": "abc\n",
    "train.sh": "cp clean model\necho '{\"auc\": 0.5}' > m.json\n",
}


def test_a_commit_runs_beside_the_work_tree(make_project):
    project = make_project(files=FILES)
    first = project.git("rev-parse", "HEAD").strip()
    project.write({"raw": "xyz\n"})
    project.commit("other data")
    project.write({"raw": "dirty\n", "untracked": "mine\n"})
    before = project.files(".")
    run, base = run_commit(project.root, first)
    assert run.outcome == "succeeded", run.error
    assert run.revision.commit == first
    assert not run.revision.dirty
    assert (base / "model").read_text() == "ABC\n"
    assert base.parent == project.root / ".penstock" / "worktrees"
    mine = {name for name in before if not name.startswith((".git/", ".penstock/", ".dvc/"))}
    after = project.files(".")
    assert {name: after[name] for name in mine} == {name: before[name] for name in mine}
    (train,) = [one for one in run.stages if one.stage == "train"]
    assert train.log is not None
    assert (project.root / train.log).exists()

    again, same = run_commit(project.root, first[:12])
    assert same == base
    assert {one.outcome.value for one in again.stages} == {"unchanged"}
    # The cache is the project's: what the worktree made is there for everybody.
    project.git("checkout", "-q", "--force", first)
    assert set(project.outcomes().values()) == {"restored"}
    assert "up to date" in project.dvc("status")
    with pytest.raises(UsageError, match="knows no commit 'nowhere'"):
        run_commit(project.root, "nowhere")


def test_worktrees_of_old_commits_are_removed(make_project):
    project = make_project(files=FILES)
    for number in range(5):
        project.write({"raw": f"{number}\n"})
        project.commit()
        run_commit(project.root, "HEAD")
    assert len(list((project.root / ".penstock" / "worktrees").iterdir())) == 3
    assert project.git("worktree", "list").count(".penstock/worktrees") == 3


def test_a_replay_names_the_first_stage_that_differs(make_project):
    project = make_project(files=FILES)
    run = project.run()
    with pytest.raises(StateError, match="differed from its commit"):
        replay(
            project.root,
            Run.from_dict({**run.to_dict(), "revision": {**run.revision.to_dict(), "dirty": True}}),
        )
    report = replay(project.root, run)
    assert report.same, report.to_dict()
    assert [one.outcome for one in report.artifacts] == ["identical"] * 3
    assert {one.outcome.value for one in report.replayed.stages} == {"ran"}

    project.write(
        {"train.sh": "cp clean model\necho >> model\nprintf '{\"auc\": 0.5%s}' $$ > m.json\n"}
    )
    project.commit("not repeatable")
    run = project.run()
    report = replay(project.root, run)
    assert not report.same
    assert report.first_difference == "train"
    outcomes = {one.path: one.outcome for one in report.artifacts}
    assert outcomes == {"clean": "identical", "m.json": "different", "model": "identical"}
    assert replay(project.root, run, tolerance=0.5).same
    (metrics,) = [one for one in report.artifacts if one.path == "m.json"]
    assert set(metrics.details) == {"auc"}


@pytest.mark.parametrize(
    ("more", "dirty"), [("", False), ("    frozen: true\n", True), ("    persist: x\n", True)]
)
def test_outputs_kept_in_git_are_no_change_of_a_person(make_project, more, dirty):
    out = "größe m.json: {cache: false" + (", persist: true}" if "persist" in more else "}")
    text = f"stages:\n  s:\n    cmd: touch 'größe m.json'\n    outs:\n    - {out}\n"
    text += more if "frozen" in more else ""
    project = make_project(files={"dvc.yaml": text, "größe m.json": "1", "notes": "mine"})
    project.commit("with the metrics")
    assert not revision(project.root).dirty
    project.write({"größe m.json": "2"})
    assert revision(project.root).dirty is dirty
    project.write({"notes": "changed"})
    assert revision(project.root).dirty
    project.write({"notes": "mine", "dvc.yaml": "stages: ["})
    assert revision(project.root).dirty
