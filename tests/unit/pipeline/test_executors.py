"""The local executor: the exam that every executor takes, and what is its own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from penstock import plugins
from penstock.pipeline import execute
from penstock.pipeline.executors import Job, LocalExecutor
from penstock.testing.executors import ExecutorExam


class TestLocalExecutor(ExecutorExam):
    @pytest.fixture
    def executor(self) -> LocalExecutor:
        return LocalExecutor()


@pytest.fixture
def job(tmp_path):
    def make(*commands: str, timeout: float | None = None, **env: str) -> Job:
        whole = {"PATH": os.environ["PATH"], **env}
        return Job("train", commands, tmp_path, whole, tmp_path / "train.log", timeout)

    return make


def test_it_is_found_by_its_name():
    assert plugins.load("penstock.executors", "local") is LocalExecutor


class Counting(LocalExecutor):
    """Somebody else's executor: commands run where it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.stages: list[str] = []

    def run(self, job):
        self.stages.append(job.stage)
        return super().run(job)


def test_the_engine_gives_every_stage_to_the_executor(tmp_path: Path):
    (tmp_path / "dvc.yaml").write_text(
        "stages:\n  a: {cmd: echo a > a, outs: [a]}\n  b: {cmd: cp a b, deps: [a], outs: [b]}\n"
    )
    executor = Counting()
    assert execute(tmp_path, executor=executor).outcome == "succeeded"
    assert executor.stages == ["a", "b"]
    assert execute(tmp_path, executor=executor).outcome == "succeeded"
    assert executor.stages == ["a", "b"]


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_the_shell_is_the_users(job, shell):
    LocalExecutor().run(job("echo $0", SHELL=shell))
    assert job().log.read_text() == f"{shell}\n"


def test_what_cannot_be_started_is_not_an_exception(job):
    ended = LocalExecutor().run(job("true", SHELL="/no/such/shell"))
    assert ended.exit_code == 127
    assert ended.error is not None
    assert "cannot start 'true'" in ended.error
