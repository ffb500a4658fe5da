"""What an executor owes to the engine, asked of the local one."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from penstock.pipeline.executors import Executor, Job, LocalExecutor


@pytest.fixture
def job(tmp_path):
    def make(*commands: str, timeout: float | None = None, **env: str) -> Job:
        whole = {"PATH": os.environ["PATH"], **env}
        return Job("train", commands, tmp_path, whole, tmp_path / "train.log", timeout)

    return make


def until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_commands_run_one_after_the_other_until_one_fails(job):
    executor: Executor = LocalExecutor()
    ended = executor.run(job("echo $WORD; x=1", "echo err >&2; exit 7", "echo never", WORD="out"))
    assert (ended.exit_code, ended.command) == (7, "echo err >&2; exit 7")
    assert not ended.timed_out
    assert job().log.read_text() == "out\nerr\n"
    ended = executor.run(job("kill -9 $$"))
    assert ended.exit_code == -signal.SIGKILL
    assert executor.run(job("true")).exit_code == 0


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_the_shell_is_the_users(job, shell):
    LocalExecutor().run(job("echo $0", SHELL=shell))
    assert job().log.read_text() == f"{shell}\n"


def test_what_cannot_be_started_is_not_an_exception(job):
    ended = LocalExecutor().run(job("true", SHELL="/no/such/shell"))
    assert ended.exit_code == 127
    assert ended.error is not None
    assert "cannot start 'true'" in ended.error


def test_a_time_limit_ends_the_whole_group_even_if_it_will_not(job):
    ended = LocalExecutor().run(job("trap '' TERM; sleep 600 & echo $! > child; wait", timeout=0.2))
    assert ended.timed_out
    child = int((job().cwd / "child").read_text())
    until(lambda: not Path(f"/proc/{child}").exists())


def test_stop_from_another_thread(job):
    executor = LocalExecutor()
    found = []
    thread = threading.Thread(
        target=lambda: found.append(executor.run(job("echo $$ > pid; sleep 600")))
    )
    thread.start()
    until((job().cwd / "pid").exists)
    executor.stop("train")
    executor.stop("other")
    executor.stop("train", now=True)
    thread.join(60)
    assert found[0].stopped
    # And one that has not begun does not begin.
    assert executor.run(job("echo never > never")).stopped
    assert not (job().cwd / "never").exists()
