"""The interface of an executor."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """One stage to execute.

    Attributes:
        stage: its address.
        commands: run one after the other, each in a shell of its own, until one fails.
        cwd: the working directory.
        env: the whole environment.
        log: file that standard output and error are appended to.
        timeout: seconds for all commands together, None for no limit.
    """

    stage: str
    commands: tuple[str, ...]
    cwd: Path
    env: dict[str, str] = field(repr=False)
    log: Path
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How the execution of a job ended.

    Attributes:
        exit_code: of the command that failed, else 0; negative for a signal.
        seconds: wall time.
        peak_memory: bytes, of the largest process; None when unknown.
        timed_out: whether it was stopped because of its time limit.
        stopped: whether it was stopped by `Executor.stop`.
        command: the command that failed, "" when none did.
        error: why nothing could be executed at all, None when something was.
    """

    exit_code: int
    seconds: float
    peak_memory: int | None = None
    timed_out: bool = False
    stopped: bool = False
    command: str = ""
    error: str | None = None


class Executor(Protocol):
    """Runs jobs somewhere.

    `run` is called from many threads at once and blocks until the job has ended; the output must
    be in `Job.log` by then, as it comes. It returns whatever happens: a failed command is an
    `Ended`, not an exception. `stop` may be called from any thread at any time, more than once,
    and also for a job that does not run; after it, nothing of the job may still be running when
    `run` returns.
    """

    def run(self, job: Job) -> Ended:
        """Execute a job and wait for its end."""

    def stop(self, stage: str, *, now: bool = False) -> None:
        """End a job: kindly first, by force after some seconds, or at once when `now`."""
