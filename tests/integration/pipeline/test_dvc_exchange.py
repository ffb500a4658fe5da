"""Work is shared with DVC in both directions: data, cache, run cache, remotes, lock files."""

from __future__ import annotations

import shutil

import pytest

from penstock.pipeline import plan, why

REMOTE = "[core]\n    remote = store\n['remote \"store\"']\n    url = {}\n"
PIPELINE = """\
stages:
  prep:
    cmd: mkdir -p clean && cp raw/a.csv clean/a.csv
    deps: [raw]
    outs: [clean]
  train:
    cmd: tr a-z A-Z < clean/a.csv > model.bin && echo 1 > score.yaml
    deps: [clean]
    params: [lr]
    outs: [model.bin]
    metrics:
    - score.yaml:
        cache: false
"""
FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": "lr: 0.1\n",
    "raw/a.csv": "a,b\n",
    "raw/b/c.csv": "c\n",
}


def test_data_that_dvc_added_is_restored_recorded_and_pushed(make_project, tmp_path):
    project = make_project()
    project.write(FILES)
    project.write({".dvc/config": REMOTE.format(tmp_path / "store")})
    project.dvc("add", "-q", "raw")
    project.commit()
    shutil.rmtree(project.root / "raw")
    assert project.outcomes(push=True) == {"raw.dvc": "restored", "prep": "ran", "train": "ran"}
    assert project.read("raw/b/c.csv") == "c\n"

    # Changed data gets a new digest, as `dvc repro` gives it one.
    project.write({"raw/a.csv": "a,b\n1,2\n"})
    assert project.outcomes() == {"raw.dvc": "ran", "prep": "ran", "train": "ran"}
    assert project.dvc("status") == "Data and pipelines are up to date.\n"
    project.dvc("push", "-q")

    # All bytes are lost but those of the remote: only what is needed comes back.
    shutil.rmtree(project.root / ".dvc" / "cache")
    for name in ("raw", "clean", "model.bin"):
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    run = project.run()
    assert run.outcome == "failed"
    assert "raw.dvc" in (run.error or "")
    assert "--pull" in (run.error or "")
    outcomes = project.outcomes(pull=True)
    assert outcomes == {"raw.dvc": "restored", "prep": "restored", "train": "restored"}
    assert project.read("model.bin") == "A,B\n1,2\n"
    assert "up to date" in project.dvc("status")
    shutil.rmtree(project.root / ".dvc" / "cache")
    project.dvc("pull", "-q")
    project.dvc("gc", "-w", "-f", "-q")
    assert set(project.outcomes().values()) == {"unchanged"}


def test_executions_of_dvc_are_restored_and_the_other_way_round(make_project):
    project = make_project(files=FILES)
    project.dvc("repro", "-q")
    (project.root / "dvc.lock").unlink()
    assert project.outcomes() == {"prep": "restored", "train": "restored"}
    project.write({"params.yaml": "lr: 0.2\n"})
    assert project.outcomes() == {"prep": "unchanged", "train": "ran"}
    project.write({"params.yaml": "lr: 0.1\n"})
    assert project.outcomes() == {"prep": "unchanged", "train": "restored"}
    project.write({"params.yaml": "lr: 0.2\n"})
    told = project.dvc("repro")
    assert "Stage 'train' is cached - skipping run, checking out outputs" in told
    assert set(project.outcomes().values()) == {"unchanged"}


@pytest.mark.parametrize("kind", ["hardlink", "symlink", "copy"])
def test_link_types_of_the_cache_are_honoured(make_project, kind):
    project = make_project(files={**FILES, ".dvc/config": f"[cache]\n    type = {kind}\n"})
    assert project.run().outcome == "succeeded"
    model, score = project.root / "model.bin", project.root / "score.yaml"
    assert model.is_symlink() == (kind == "symlink")
    assert (model.stat().st_nlink > 1) == (kind == "hardlink")
    # What Git tracks is never a link into the cache.
    assert not score.is_symlink()
    assert score.stat().st_nlink == 1
    score.unlink()
    model.unlink()
    assert project.outcomes()["train"] == "restored"
    assert not score.is_symlink()
    assert score.stat().st_nlink == 1
    project.write({"params.yaml": "lr: 7\n"})
    assert project.outcomes()["train"] == "ran"
    if kind != "copy":
        return
    assert "up to date" in project.dvc("status")


def test_a_lock_file_with_comments_and_forgotten_stages_keeps_them(make_project):
    project = make_project(files=FILES)
    project.run()
    old = project.read("dvc.lock")
    gone = (
        "  gone:\n    cmd: echo\n    outs:\n    - path: gone.txt\n      hash: md5\n"
        "      md5: d41d8cd98f00b204e9800998ecf8427e\n      size: 0\n"
    )
    project.write({"dvc.lock": old + gone, "params.yaml": "lr: 0.3\n"})
    project.run()
    assert gone in project.read("dvc.lock")
    assert project.read("dvc.lock").index("  prep:") < project.read("dvc.lock").index("  train:")
    project.write({"dvc.lock": "# keep me\n" + project.read("dvc.lock"), "params.yaml": "lr: 9\n"})
    project.run()
    assert project.read("dvc.lock").startswith("# keep me\n")
    assert "lr: 9" in project.read("dvc.lock")
    assert "up to date" in project.dvc("status")


def test_a_long_command_with_double_spaces_is_recorded_as_it_is(make_project):
    words = "  ".join(f"word{number}" for number in range(30))
    project = make_project(
        files={
            "dvc.yaml": f"stages:\n  dbl:\n    cmd: 'echo \"{words}\" > x'\n"
            "    deps: [a]\n    outs: [x]\n",
            "a": "",
        }
    )
    assert project.outcomes() == {"dbl": "ran"}
    assert project.outcomes() == {"dbl": "unchanged"}
    assert "up to date" in project.dvc("status")


def test_frozen_always_changed_and_callback_stages(make_project):
    text = (
        "stages:\n"
        "  cold:\n    cmd: cp a cold\n    deps: [a]\n    outs: [cold]\n    frozen: true\n"
        "  always:\n    cmd: cp a always\n    deps: [a]\n    outs: [always]\n"
        "    always_changed: true\n"
        "  call:\n    cmd: echo called\n"
    )
    project = make_project(files={"dvc.yaml": text.replace("    frozen: true\n", ""), "a": "1"})
    project.run()
    project.write({"dvc.yaml": text, "a": "2"})
    assert project.outcomes() == {"cold": "frozen", "always": "ran", "call": "ran"}
    assert project.read("cold") == "1"
    assert project.outcomes() == {"cold": "frozen", "always": "ran", "call": "ran"}
    (project.root / "cold").unlink()
    assert project.outcomes()["cold"] == "restored"
    assert project.read("cold") == "1"


def test_a_corrupt_object_of_the_cache_is_never_trusted(make_project):
    project = make_project(files=FILES)
    run = project.run()
    md5 = next(out.md5 for one in run.stages for out in one.outs if out.path == "model.bin")
    broken = project.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    broken.chmod(0o644)
    broken.write_bytes(b"rotten")
    (project.root / "model.bin").unlink()
    assert project.outcomes() == {"prep": "unchanged", "train": "ran"}
    assert project.read("model.bin") == "A,B\n"
    assert broken.read_bytes() == b"A,B\n"


def test_why_finds_the_byte_in_cache_or_git(make_project):
    project = make_project(files=FILES)
    project.run()
    project.commit()
    project.write({"raw/a.csv": "a,c\n", "raw/new.csv": "", "params.yaml": "lr: 0.4\n"})
    actions = {one.stage: one.action for one in plan(project.root).stages}
    assert actions == {"prep": "run", "train": "run"}
    found = why(project.root, "train")
    (change,) = found.changes
    assert (change.kind, change.what, change.old, change.new) == ("parameter", "lr", "0.1", "0.4")
    project.write({"clean/a.csv": "x,b\n"})
    changes = {change.what: change for change in why(project.root, "train").changes}
    (difference,) = changes["clean"].differences
    assert (difference.path, difference.offset, difference.line) == ("clean/a.csv", 0, 1)
    assert (difference.old, difference.new) == ("a,b", "x,b")
    assert changes["clean"].made_by == "prep"


def test_only_what_stages_that_must_run_need_is_fetched(make_project, tmp_path):
    text = (
        PIPELINE
        + "  report:\n    cmd: cp note report\n    deps: [model.bin, note]\n    outs: [report]\n"
    )
    project = make_project()
    project.write({**FILES, "dvc.yaml": text, "note": "1\n"})
    project.write({".dvc/config": REMOTE.format(tmp_path / "store")})
    project.dvc("add", "-q", "raw")
    assert project.run(push=True).outcome == "succeeded"
    project.commit()
    made = ("raw", "clean", "model.bin", "report")

    def lose() -> None:
        shutil.rmtree(project.root / ".dvc" / "cache", ignore_errors=True)
        for name in made:
            path = project.root / name
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def present() -> list[str]:
        return [name for name in made if (project.root / name).exists()]

    lose()
    assert set(project.outcomes(pull=True, needed=()).values()) == {"unchanged"}
    assert present() == []
    assert project.outcomes(pull=True, needed=["model.bin"])["train"] == "restored"
    assert present() == ["model.bin"]
    lose()
    project.write({"note": "2\n"})
    assert project.outcomes(pull=True, needed=()) == {
        "raw.dvc": "unchanged", "prep": "unchanged", "train": "restored", "report": "ran",
    }  # fmt: skip
    assert present() == ["model.bin", "report"]
    lose()
    project.write({"params.yaml": "lr: 5\n"})
    outcomes = project.outcomes(pull=True, needed=())
    assert outcomes["train"] == "ran"
    assert outcomes["raw.dvc"] == "unchanged"
    assert present() == ["clean", "model.bin", "report"]
    assert set(project.outcomes(pull=True).values()) <= {"unchanged", "restored"}
    assert present() == list(made)


def test_a_gitignore_in_a_directory_that_is_read_does_not_run_its_reader_again(make_project):
    text = (
        "stages:\n  write:\n    cmd: cp a data/made\n    deps: [a]\n    outs: [data/made]\n"
        "  read:\n    cmd: ls data > listing\n    deps: [data]\n    outs: [listing]\n"
    )
    project = make_project(files={"dvc.yaml": text, "a": "", "data/given": ""})
    assert project.outcomes() == {"write": "ran", "read": "ran"}
    assert project.outcomes() == {"write": "unchanged", "read": "unchanged"}
    assert project.read("data/.gitignore") == "/made\n"
    assert "up to date" in project.dvc("status")


def test_outputs_that_a_rule_ignores_already_get_no_entry(make_project):
    text = (
        "stages:\n  a:\n    cmd: mkdir -p models && echo > models/m && echo > 'b#1'\n"
        "    outs: [models, 'b#1']\n"
    )
    project = make_project(files={"dvc.yaml": text, ".gitignore": "/.penstock\nmodels/"})
    assert project.outcomes() == {"a": "ran"}
    assert project.read(".gitignore") == "/.penstock\nmodels/\n/b\\#1\n"
