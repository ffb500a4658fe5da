"""`dvc` and penstock at the same time, in one project: each waits for, or is told of, the other."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from penstock.artifacts.dvclock import DvcLock

DVC = [sys.executable, "-m", "dvc"]
ENV = {**os.environ, "DVC_NO_ANALYTICS": "1"}
SLOW = """\
stages:
  slow:
    cmd: touch began && until [ -e go ]; do sleep 0.05; done && cp a slow
    deps: [a]
    outs: [slow]
  quick:
    cmd: cp b quick
    deps: [b]
    outs: [quick]
"""


def until(condition) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def in_background(project, **options):
    outcomes: dict[str, str] = {}
    thread = threading.Thread(target=lambda: outcomes.update(project.outcomes(**options)))
    thread.start()
    return thread, outcomes


@pytest.fixture
def slow(make_project):
    return make_project(files={"dvc.yaml": SLOW, "a": "1\n", "b": "2\n"})


def test_a_run_waits_for_dvc_and_then_finds_its_work_done(slow):
    with subprocess.Popen([*DVC, "repro", "-q"], cwd=slow.root, env=ENV) as theirs:
        until((slow.root / "began").exists)
        said: list[str] = []
        thread, outcomes = in_background(
            slow, listener=lambda one: said.append(one.text) if one.kind == "waiting" else None
        )
        until(lambda: said)
        slow.write({"go": ""})
        assert theirs.wait() == 0
    thread.join()
    assert outcomes == {"slow": "unchanged", "quick": "unchanged"}
    assert f"waiting for process {theirs.pid}" in said[0]
    assert "repro" in said[0]


def test_dvc_is_told_what_a_run_works_on(slow):
    thread, outcomes = in_background(slow, targets=["slow"])
    until((slow.root / "began").exists)
    table = json.loads(slow.read(".dvc/tmp/rwlock"))
    assert list(table["write"]) == [str(slow.root / "slow")]
    done = subprocess.run(
        [*DVC, "repro", "slow"], cwd=slow.root, env=ENV, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "is busy, it is being blocked by" in done.stderr
    assert f"(PID {os.getpid()}): penstock, stage slow" in done.stderr
    # What the run does not work on is free.
    slow.dvc("repro", "-q", "quick")
    slow.write({"go": ""})
    thread.join()
    assert outcomes == {"slow": "ran"}
    assert json.loads(slow.read(".dvc/tmp/rwlock")) == {}
    assert set(slow.outcomes().values()) == {"unchanged"}
    assert slow.dvc("status") == "Data and pipelines are up to date.\n"


def test_a_stage_may_call_dvc_and_dvc_may_call_penstock(make_project):
    calls = f"{shlex.join(DVC)} add -q other && cp a called"
    text = f"stages:\n  call:\n    cmd: {calls}\n    deps: [a]\n    outs: [called]\n"
    project = make_project(files={"dvc.yaml": text, "a": "1\n", "other": "2\n"})
    (project.root / "other").chmod(0o644)
    project.git("rm", "-q", "--cached", "other")
    assert project.outcomes() == {"call": "ran"}
    assert (project.root / "other.dvc").exists()

    script = (
        "from pathlib import Path; from penstock.pipeline import execute; "
        "assert execute(Path('.'), targets=['inner']).outcome == 'succeeded'"
    )
    text = (
        f'stages:\n  outer:\n    cmd: {sys.executable} -c "{script}" && cp inner outer\n'
        "    deps: [a]\n    outs: [outer]\n"
        "  inner:\n    cmd: cp a inner\n    deps: [a]\n    outs: [inner]\n"
    )
    project.write({"dvc.yaml": text})
    project.dvc("repro", "-q", "outer")
    assert project.read("outer") == "1\n"
    assert project.outcomes()["inner"] == "unchanged"


def test_the_lock_of_dvc_is_waited_for(slow):
    path = slow.root / ".dvc/tmp/lock"
    path.write_text(" 1\n")
    with path.open("r+") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        said: list[str] = []
        thread, outcomes = in_background(
            slow,
            targets=["quick"],
            listener=lambda one: said.append(one.text) if one.kind == "waiting" else None,
        )
        until(lambda: said)
        assert said[0].startswith("waiting for process 1")
        fcntl.flock(held, fcntl.LOCK_UN)
        thread.join()
    assert outcomes == {"quick": "ran"}


def test_entries_of_processes_that_are_gone_are_in_nobodys_way(slow):
    with subprocess.Popen(["true"]) as gone:
        pass
    entry = {"pid": gone.pid, "cmd": "dvc repro"}
    table = {"write": {str(slow.root / "quick"): entry}, "read": {str(slow.root / "b"): [entry]}}
    slow.write({".dvc/tmp/rwlock": json.dumps(table)})
    assert slow.outcomes(targets=["quick"]) == {"quick": "ran"}
    assert json.loads(slow.read(".dvc/tmp/rwlock")) == {}


def test_a_table_that_is_no_table_is_put_right(tmp_path: Path):
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    table = tmp_path / ".dvc/tmp/rwlock"
    for text in ("", "[1]", '{"write": 3}', '{"write": {"x": 1}, "read": {"y": {"pid": "z"}}}'):
        table.write_text(text)
        lock = DvcLock(tmp_path, print)
        lock.wait_until_idle()
        with lock.paths("s", [str(tmp_path / "in")], [str(tmp_path / "out")]), lock.held():
            entered = json.loads(table.read_text())
            assert list(entered["write"]) == [str(tmp_path / "out")]
        assert json.loads(table.read_text()) == {}
