"""One writer at a time in a project. Others wait and say so; readers never wait.

The guard is a lock on ``.penstock/pipeline.lock`` that the processes of stages inherit: when
penstock is killed outright, the guard stays held until what it had started is gone too. Whoever
comes next ends such leftovers, so that two writers of one output can never meet.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from penstock.artifacts.home import initialise_dvc, own_directory
from penstock.errors import UnavailableError
from penstock.pipeline.durable import cannot_write

MARK = "PENSTOCK_GUARD"
"""Environment variable by which the processes of a project's stages are known."""
_POLL_SECONDS = 0.05


@contextlib.contextmanager
def held(
    root: Path, waiting: Callable[[str], None], *, timeout: float | None = None
) -> Iterator[int]:
    """Hold the guard of a project.

    Args:
        root: of the project.
        waiting: called once, with a sentence, when somebody else holds it.
        timeout: seconds to wait, None for ever.

    Yields:
        The file descriptor that the processes of stages must inherit.

    Raises:
        UnavailableError: ``pipeline.busy`` after the timeout; ``disk.write``.
    """
    path = root / ".penstock" / "pipeline.lock"
    try:
        own_directory(root)
        initialise_dvc(root)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise cannot_write(path, error) from error
    try:
        _acquire(descriptor, root, waiting, timeout)
        note = {
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "command": " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])[:200],  # noqa: PTH119
            "since": time.time(),
        }
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(note).encode(), 0)
        yield descriptor
        os.ftruncate(descriptor, 0)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    finally:
        os.close(descriptor)


def is_held(root: Path) -> bool:
    """Whether somebody holds the guard of a project."""
    try:
        descriptor = os.open(root / ".penstock" / "pipeline.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _try(descriptor)
    finally:
        os.close(descriptor)


def _acquire(
    descriptor: int, root: Path, waiting: Callable[[str], None], timeout: float | None
) -> None:
    start = time.monotonic()
    said = False
    while not _try(descriptor):
        owner = _owner(descriptor)
        pid = owner.get("pid")
        here = owner.get("host") == os.uname().nodename
        if here and isinstance(pid, int) and not _alive(pid):
            if not said:
                waiting("ending what a killed run left behind")
            _end_leftovers(root)
        elif not said:
            who = f"process {pid} ({owner.get('command')})" if pid else "another process"
            waiting(f"waiting for {who}, which works in this project")
        said = True
        if timeout is not None and time.monotonic() - start > timeout:
            raise UnavailableError(
                f"another penstock process works in {root}",
                code="pipeline.busy",
                hint="wait for it, or stop it",
            )
        time.sleep(_POLL_SECONDS)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _owner(descriptor: int) -> dict[str, Any]:
    try:
        note = json.loads(os.pread(descriptor, 4096, 0))
    except ValueError:
        return {}
    return note if isinstance(note, dict) else {}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    return state.rpartition(")")[2].split()[0] != "Z"


def _end_leftovers(root: Path) -> None:
    """Kill the processes that carry this project's mark and still hold its guard open."""
    mark = f"{MARK}={root}".encode()
    lock = str(root / ".penstock" / "pipeline.lock")
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            marked = mark in (folder / "environ").read_bytes().split(b"\0")
            if not marked or int(folder.name) == os.getpid():
                continue
            if any(os.path.samefile(one, lock) for one in (folder / "fd").iterdir()):  # noqa: PTH121
                os.kill(int(folder.name), signal.SIGKILL)
