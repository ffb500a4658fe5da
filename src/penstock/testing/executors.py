"""The exam of an executor: what the engine relies on, asked of any implementation.

Whoever writes an executor subclasses `ExecutorExam` in a test and gives a fixture; pytest does the
rest. Penstock's own executor takes the same exam.

    class TestMyExecutor(ExecutorExam):
        @pytest.fixture
        def executor(self):
            return MyExecutor(...)
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from penstock.pipeline.executors import Ended, Executor, Job


class ExecutorExam:
    """Tests for an executor. The fixture to give: ``executor``, one that has run nothing yet.

    Attributes:
        patience: seconds that a command may take to start, or to be ended.
    """

    patience: float = 120.0

    def job(
        self,
        folder: Path,
        *commands: str,
        stage: str = "train",
        timeout: float | None = None,
        **env: str,
    ) -> Job:
        """Return a job whose working directory and log are in a folder."""
        whole = {"PATH": os.environ["PATH"], **env}
        return Job(stage, commands, folder, whole, folder / f"{stage}.log", timeout)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + self.patience
        while not condition():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.02)

    def begin(self, executor: Executor, job: Job) -> tuple[threading.Thread, list[Ended]]:
        """Run a job in a thread of its own."""
        found: list[Ended] = []
        thread = threading.Thread(target=lambda: found.append(executor.run(job)), daemon=True)
        thread.start()
        return thread, found

    def test_commands_run_in_order_until_one_fails(
        self, executor: Executor, tmp_path: Path
    ) -> None:
        """Each in a shell of its own; standard output and error go to the log."""
        commands = ("x=1; echo $WORD", "echo $x err >&2; exit 7", "echo never")
        ended = executor.run(self.job(tmp_path, *commands, WORD="out"))
        assert (ended.exit_code, ended.command) == (7, commands[1])
        assert (ended.timed_out, ended.stopped) == (False, False)
        assert (tmp_path / "train.log").read_text() == "out\nerr\n"

    def test_success(self, executor: Executor, tmp_path: Path) -> None:
        """The command runs in the working directory, and its files are there when it has ended."""
        ended = executor.run(self.job(tmp_path, "echo here > made"))
        assert (ended.exit_code, ended.command, ended.error) == (0, "", None)
        assert 0 <= ended.seconds < self.patience
        assert (tmp_path / "made").read_text() == "here\n"

    def test_the_log_is_appended_to(self, executor: Executor, tmp_path: Path) -> None:
        """A further attempt does not wipe out what the first one said."""
        for word in ("one", "two ü"):
            executor.run(self.job(tmp_path, f"echo {word}"))
        assert (tmp_path / "train.log").read_text("utf-8") == "one\ntwo ü\n"

    def test_the_environment_is_the_jobs(self, executor: Executor, tmp_path: Path) -> None:
        """Nothing of it is lost, whatever stands in it."""
        odd = "a b  'c' \"d\" $HOME é"
        executor.run(self.job(tmp_path, 'printf %s "$ODD" > odd', ODD=odd))
        assert (tmp_path / "odd").read_text("utf-8") == odd

    def test_a_signal_is_a_negative_exit_code(self, executor: Executor, tmp_path: Path) -> None:
        """As of `subprocess`."""
        assert executor.run(self.job(tmp_path, "kill -9 $$")).exit_code == -signal.SIGKILL

    def test_jobs_run_side_by_side(self, executor: Executor, tmp_path: Path) -> None:
        """Each waits for the other here, so one after the other would never end."""
        meet = "touch {0}; while [ ! -e {1} ]; do sleep 0.02; done"
        jobs = [
            self.job(tmp_path, meet.format(*pair), stage=pair[0], timeout=self.patience)
            for pair in (("a", "b"), ("b", "a"))
        ]
        with ThreadPoolExecutor(2) as pool:
            assert [one.exit_code for one in pool.map(executor.run, jobs)] == [0, 0]

    def test_a_time_limit_ends_everything(self, executor: Executor, tmp_path: Path) -> None:
        """Also children that do not listen."""
        command = "trap '' TERM; (while :; do date +%N > alive; sleep 0.05; done) & wait"
        ended = executor.run(self.job(tmp_path, command, timeout=0.5))
        assert ended.timed_out
        self._nothing_writes(tmp_path / "alive")

    def test_stop_from_another_thread(self, executor: Executor, tmp_path: Path) -> None:
        """More than once, and of what does not run; whatever the job had started is gone."""
        command = "while :; do date +%N > alive; sleep 0.05; done"
        thread, found = self.begin(executor, self.job(tmp_path, command))
        self.until((tmp_path / "alive").exists)
        executor.stop("other")
        executor.stop("train")
        executor.stop("train", now=True)
        thread.join(self.patience)
        assert found
        assert found[0].stopped
        self._nothing_writes(tmp_path / "alive")

    def test_what_was_stopped_does_not_begin(self, executor: Executor, tmp_path: Path) -> None:
        """A stop may come before the thread of the job gets its turn."""
        executor.stop("train")
        assert executor.run(self.job(tmp_path, "echo never > never")).stopped
        assert not (tmp_path / "never").exists()

    def _nothing_writes(self, path: Path) -> None:
        before = path.read_text() if path.exists() else ""
        time.sleep(0.3)
        assert (path.read_text() if path.exists() else "") == before, "something still runs"
