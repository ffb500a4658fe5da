"""`penstock plan`, `why` and `replay` as a person sees them; the view of a run."""

from __future__ import annotations

import json
import subprocess

import pytest
from click.testing import CliRunner

from penstock.cli.pipeline import clock, plan, why
from penstock.cli.progress import ProgressView
from penstock.cli.replay import replay
from penstock.domain.run import StageOutcome, StageRun
from penstock.errors import StateError
from penstock.journal import Journal
from penstock.pipeline import Progress, execute

DVC_YAML = """\
stages:
  prep:
    cmd: cp raw clean
    deps: [raw]
    outs: [clean]
  train:
    cmd: cp clean model
    deps: [clean]
    params: [lr]
    outs: [model]
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "raw").write_text("one\ntwo\n")
    (tmp_path / "params.yaml").write_text("lr: 0.1\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "begin"]):
        subprocess.run([*git, *arguments], check=True)
    with Journal(tmp_path / ".penstock" / "journal.db") as journal:
        run = execute(tmp_path, journal=journal)
        with journal.transaction() as tx:
            tx.put("run", run.id, run.to_dict())
    return tmp_path


def shown(command, project, *arguments, code=0):
    done = CliRunner().invoke(
        command, [*arguments, "-C", str(project)], standalone_mode=False, catch_exceptions=False
    )
    assert done.return_value == code
    return done.output


def test_plan(project):
    assert shown(plan, project) == "nothing to do: all 2 stages are up to date\n"
    assert shown(plan, project, "--all").splitlines()[1].startswith("up to date  prep")
    (project / "raw").write_text("one\nthree\n")
    lines = shown(plan, project).splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [
        ["STAGE", "TIME"],
        ["run", "prep"],
        ["perhaps", "train"],
    ]
    assert lines[1].endswith("raw changed")
    assert lines[2].endswith("prep runs")
    assert lines[3].startswith("0 of 2 stages are up to date; about ")
    data = json.loads(shown(plan, project, "train", "--json"))
    assert [one["action"] for one in data["stages"]] == ["run", "maybe"]


def test_why(project):
    text = shown(why, project, "prep")
    assert text.startswith("prep: up to date\nlast executed in run ")
    (project / "raw").write_text("one\nthree\n")
    (project / "params.yaml").write_text("lr: 0.2\n")
    assert shown(why, project, "prep").splitlines()[2:5] == [
        "    raw: first differs at line 2, byte 5",
        "      - two",
        "      + three",
    ]
    assert "  parameter lr: 0.1 -> 0.2\n" in shown(why, project, "train")
    assert json.loads(shown(why, project, "train", "--json"))["action"] == "run"


def test_replay(project):
    text = shown(replay, project, "last")
    assert "everything came out the same" in text
    with pytest.raises(StateError, match="no run is called nothing"):
        shown(replay, project, "nothing")


def test_durations_are_short():
    assert [clock(one) for one in (None, 0.44, 12.3, 185, 7260)] == [
        "", "0.4 s", "12 s", "3:05", "2:01:00",
    ]  # fmt: skip


@pytest.mark.parametrize("live", [False, True])
def test_the_view_of_a_run(capsys, live):
    done = StageRun("train", StageOutcome.RAN, seconds=1.25, peak_memory=20_000_000)
    with ProgressView(live=live) as view:
        view(Progress("plan", data={"stages": ["prep", "train"]}))
        view(Progress("waiting", text="waiting for process 7 (run)"))
        view(Progress("stage-started", "train", "raw changed", eta=3.0, data={"action": "run"}))
        view(Progress("stage-output", "train", "epoch 1"))
        view(Progress("stage-finished", "train", stage_run=done))
        view(
            Progress(
                "stage-finished",
                "score",
                stage_run=StageRun("score", StageOutcome.BLOCKED, error="needs train"),
            )
        )
        view(Progress("run-finished"))
    said = capsys.readouterr().err
    for line in (
        "waiting for process 7 (run)",
        "train | running: raw changed",
        "train | epoch 1",
        "train | done in 1.2 s, 20 MB",
        "score | not run: needs train",
    ):
        assert line in said


def test_a_quiet_view_says_nothing(capsys):
    view = ProgressView(quiet=True)
    view(Progress("stage-started", "train"))
    assert capsys.readouterr().err == ""
