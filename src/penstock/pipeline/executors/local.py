"""Runs stages as local processes, each command a process group of its own."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import threading
import time

from penstock.pipeline.executors.interface import Ended, Job

GRACE_SECONDS = 5.0
"""Time between SIGTERM and SIGKILL."""
_OPTIONS = {"bash": ("--noprofile", "--norc"), "zsh": ("--no-rcs",)}


class LocalExecutor:
    """An `Executor` on this machine.

    Args:
        keep_open: file descriptors that the processes inherit; the project's guard is one, so
            that it stays held as long as anything that a killed penstock started is alive.
    """

    def __init__(self, keep_open: tuple[int, ...] = ()) -> None:
        self._keep_open = keep_open
        self._running: dict[str, int] = {}
        self._stopped: set[str] = set()
        # A second signal may come while the handler of the first one is in `stop`.
        self._lock = threading.RLock()

    def run(self, job: Job) -> Ended:
        """Execute the commands of a job one after the other."""
        start = time.monotonic()
        deadline = None if job.timeout is None else start + job.timeout
        peak = 0
        for command in job.commands:
            try:
                process = self._start(job, command)
            except OSError as error:
                words = f"cannot start {command!r}: {error.strerror or error}"
                return Ended(127, time.monotonic() - start, None, command=command, error=words)
            if process is None:
                return Ended(-signal.SIGTERM, time.monotonic() - start, peak or None, stopped=True)
            timed_out = self._wait(job, process, deadline)
            code, memory = timed_out[0], timed_out[1]
            peak = max(peak, memory)
            if code != 0 or timed_out[2]:
                stopped = job.stage in self._stopped
                seconds = time.monotonic() - start
                return Ended(code, seconds, peak or None, timed_out[2], stopped, command)
        return Ended(0, time.monotonic() - start, peak or None)

    def stop(self, stage: str, *, now: bool = False) -> None:
        """End a job's whole process group."""
        with self._lock:
            self._stopped.add(stage)
            group = self._running.get(stage)
        if group is not None:
            _signal(group, signal.SIGKILL if now else signal.SIGTERM)

    def _start(self, job: Job, command: str) -> subprocess.Popen[bytes] | None:
        shell = job.env.get("SHELL") or "/bin/sh"
        options = _OPTIONS.get(os.path.basename(shell).lower(), ())  # noqa: PTH119 - one name
        with job.log.open("ab") as log, self._lock:
            if job.stage in self._stopped:
                return None
            process = subprocess.Popen(
                [shell, *options, "-c", command],
                cwd=job.cwd,
                env=job.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=self._keep_open,
            )
            self._running[job.stage] = process.pid
        return process

    def _wait(
        self, job: Job, process: subprocess.Popen[bytes], deadline: float | None
    ) -> tuple[int, int, bool]:
        """Return exit code, peak memory in bytes, and whether the time was over."""
        fired = threading.Event()
        timer: threading.Timer | None = None
        if deadline is not None:

            def expire() -> None:
                fired.set()
                _end(process.pid, GRACE_SECONDS)

            timer = threading.Timer(max(deadline - time.monotonic(), 0.0), expire)
            timer.daemon = True
            timer.start()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        if timer is not None:
            timer.cancel()
        with self._lock:
            self._running.pop(job.stage, None)
            left = fired.is_set() or job.stage in self._stopped
        if left:
            # The shell is gone; whatever else is in its group must not outlive it.
            _signal(process.pid, signal.SIGKILL)
        return code, _peak(usage.ru_maxrss), fired.is_set()


def _peak(measured: int) -> int:
    """Return the peak memory of a process in bytes, 0 when it cannot be told.

    Between fork and exec a child has our own memory, and Linux counts that too: what is not more
    than we use ourselves says nothing about the command.
    """
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    scale = 1 if sys.platform == "darwin" else 1024
    return measured * scale if measured > own else 0


def _end(group: int, grace: float) -> None:
    _signal(group, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while time.monotonic() < deadline:
        if not _signal(group, 0):
            return
        time.sleep(0.05)
    _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
        return True
    return False
