"""Somebody else's code in a process of its own: watched, limited, without penstock's secrets."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.domain.threads import held
from penstock.errors import StateError

_POLL_SECONDS = 0.05
_TAIL_LINES = 20
_SECRET = re.compile(
    r"(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|ACCESS_?KEY)", re.IGNORECASE
)


def without_secrets(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return penstock's variables without its secrets: a model's code has no use for them."""
    kept = {name: value for name, value in os.environ.items() if not _SECRET.search(name)}
    kept |= {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    kept |= {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    kept |= held(kept, 1)  # as in a serving worker
    return kept | dict(extra or {})


def watch(
    command: Sequence[str],
    log: Path,
    *,
    cwd: Path,
    environment: Mapping[str, str],
    timeout: float,
    memory: int,
) -> str | None:
    """Run a command to its end or to a limit; return what went wrong, in words, None for nothing.

    Args:
        command: program and arguments.
        log: file for all that it prints.
        cwd: where it stands.
        environment: all of its variables.
        timeout: seconds that it may take.
        memory: bytes that it and its children may hold together.

    Raises:
        StateError: ``gates.no-interpreter`` when it cannot be started.

    Resident memory is looked at twenty times a second. A limit on address space would be exact,
    but threads and memory maps reserve far more of that than they use.
    """
    with log.open("wb") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(environment),
                start_new_session=True,
            )
        except OSError as error:
            raise StateError(
                f"cannot start the model's interpreter {command[0]}: {error.strerror}",
                code="gates.no-interpreter",
                hint="its environment was deleted or never made; run `penstock run` again",
            ) from error
    deadline = time.monotonic() + timeout
    try:
        while True:
            try:
                return _ending(process.wait(_POLL_SECONDS))
            except subprocess.TimeoutExpired:
                held = _resident(process.pid)
                if held > memory:
                    return f"took more memory than allowed ({_mb(held)} of {_mb(memory)})"
                if time.monotonic() > deadline:
                    return f"took longer than {timeout:g} s and was stopped"
    finally:
        _kill(process)


def _ending(status: int) -> str | None:
    if status == 0:
        return None
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"crashed with {name}"
    return f"ended with status {status}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    family = [] if process.poll() is not None else _family(process.pid)
    for pid in (-process.pid, *family):
        try:
            os.killpg(-pid, signal.SIGKILL) if pid < 0 else os.kill(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            continue
    process.wait()


def _family(pid: int) -> list[int]:
    """Return a process and all that descend from it (Linux; elsewhere only itself)."""
    found, queue = [], [pid]
    while queue:
        one = queue.pop()
        found.append(one)
        try:
            text = Path(f"/proc/{one}/task/{one}/children").read_text(encoding="ascii")
        except OSError:
            continue
        queue.extend(int(child) for child in text.split())
    return found


def _resident(pid: int) -> int:
    total = 0
    for one in _family(pid):
        try:
            pages = int(Path(f"/proc/{one}/statm").read_text(encoding="ascii").split()[1])
        except (OSError, IndexError):
            continue
        total += pages * os.sysconf("SC_PAGE_SIZE")
    return total


def log_tail(log: Path) -> tuple[str, ...]:
    """Return the last lines of a log, without empty ones."""
    with log.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 16_384))
        lines = file.read().decode("utf-8", "replace").splitlines()
    return tuple(line.rstrip()[:500] for line in lines if line.strip())[-_TAIL_LINES:]


def _mb(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"
