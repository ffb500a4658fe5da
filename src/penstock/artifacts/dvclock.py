"""DVC's own locks, so that `dvc` and penstock can be started in one project at the same time.

DVC has two. The lock on ``.dvc/tmp/lock`` is held while DVC itself reads or writes, but not while
the command of a stage runs. ``.dvc/tmp/rwlock`` then says which process reads and writes which
paths; it is JSON, and edited under a lock of its own.

Penstock does the same: it holds the first while it touches the cache, ``.gitignore`` or lock files,
and enters into the second what a stage reads and writes for as long as that stage is at work.
A run with nothing to do only looks whether DVC is busy, which costs two `open`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from penstock.artifacts.home import dvc_root

_POLL_SECONDS = 0.1
Table = dict[str, dict[str, Any]]


class Interrupted(Exception):  # noqa: N818 - not an error: somebody does not want to wait any more
    """Waiting for DVC was given up."""


class DvcLock:
    """The locks of one project. May be used by many threads.

    Args:
        root: of the project.
        waiting: called with a sentence when DVC is busy, once for each wait.
    """

    def __init__(self, root: Path, waiting: Callable[[str], None]) -> None:
        self._folder = dvc_root(root) / ".dvc" / "tmp"
        self._waiting = waiting
        self._stopped: Callable[[], bool] = bool
        self._mutex = threading.Lock()
        self._holders = 0
        self._descriptor = -1
        self._off = not (dvc_root(root) / ".dvc").is_dir()

    def listen(self, waiting: Callable[[str], None], stopped: Callable[[], bool]) -> None:
        """Say from now on who is told of waiting, and whether to give it up."""
        self._waiting, self._stopped = waiting, stopped

    def wait_until_idle(self) -> None:
        """Wait until DVC neither holds its lock nor runs a stage.

        Raises:
            Interrupted: waiting was given up.
        """
        self._until(self._idle, "")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep DVC from reading and writing; threads of this process share it.

        Raises:
            Interrupted: waiting was given up.
        """
        self._acquire()
        _mine.locks.append(self)
        try:
            yield
        finally:
            _mine.locks.remove(self)
            self._release()

    @contextlib.contextmanager
    def paths(self, stage: str, reads: Iterable[str], writes: Iterable[str]) -> Iterator[None]:
        """Tell DVC which paths are at work, as DVC tells others.

        Args:
            stage: what works on them, for the messages of others.
            reads, writes: absolute paths, or addresses.

        Raises:
            Interrupted: waiting was given up.
        """
        read, write = list(reads), list(writes)
        info = {"pid": os.getpid(), "cmd": f"penstock, stage {stage}"}
        if self._off:
            yield
            return
        self._until(lambda: self._edit(lambda table: _enter(table, info, read, write)), "")
        try:
            yield
        finally:
            self._edit(lambda table: _leave(table, info, read, write))

    def _idle(self) -> str | None:
        """Return who is busy, in words."""
        try:
            descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            if not _lock(descriptor):
                return _name(_owner(descriptor))
        finally:
            _close(descriptor)
        for info in _read(self._folder / "rwlock")["write"].values():
            if _blocks(info):
                return _name(info)
        return None

    def _until(self, attempt: Callable[[], str | None], said: str) -> None:
        while (who := attempt()) is not None:
            if who != said:
                said = who
                self._waiting(f"waiting for {who}, which works in this project")
            if self._stopped():
                raise Interrupted
            time.sleep(_POLL_SECONDS)

    def _acquire(self) -> None:
        if self._off:
            return
        with self._mutex:
            if self._holders == 0:
                try:
                    self._folder.mkdir(parents=True, exist_ok=True)
                    path = self._folder / "lock"
                    self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
                except OSError:
                    self._off = True  # a read-only `.dvc`: DVC cannot lock there either
                    return
                try:
                    self._until(self._try, "")
                except Interrupted:
                    os.close(self._descriptor)
                    raise
            self._holders += 1

    def _try(self) -> str | None:
        if not _lock(self._descriptor):
            return _name(_owner(self._descriptor))
        text = f" {os.getpid()}\n".encode()
        os.pwrite(self._descriptor, text, 0)
        os.ftruncate(self._descriptor, len(text))
        return None

    def _release(self) -> None:
        with self._mutex:
            if self._holders == 0:
                return
            self._holders -= 1
            if self._holders == 0:
                _close(self._descriptor)

    def _edit(self, change: Callable[[Table], str | None]) -> str | None:
        """Change the table of paths; returns what `change` does."""
        try:
            path = self._folder / "rwlock.lock"
            if not path.exists():
                self._folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError:
            return None
        try:
            with self._mutex:
                while not _lock(descriptor):
                    time.sleep(0.001)  # DVC holds it for as long as it takes to write the table
                table = _pruned(_read(self._folder / "rwlock"))
                answer = change(table)
                if answer is None:
                    kept = {mode: paths for mode, paths in table.items() if paths}
                    _rewrite(self._folder / "rwlock", json.dumps(kept).encode())
                return answer
        except OSError:
            return None
        finally:
            _close(descriptor)


class _Mine(threading.local):
    """The locks that a thread holds, innermost last."""

    def __init__(self) -> None:
        self.locks: list[DvcLock] = []


_mine = _Mine()


@contextlib.contextmanager
def released() -> Iterator[None]:
    """Let DVC have the lock that this thread holds, if it does; for what may call `dvc` itself."""
    locks = list(_mine.locks)
    for lock in locks:
        lock._release()
    try:
        yield
    finally:
        for lock in locks:
            lock._acquire()


def _rewrite(path: Path, content: bytes) -> None:
    """Write a small file in place; emptying it first would make some file systems wait."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        os.pwrite(descriptor, content, 0)
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # a file system without locks: DVC fails there, or uses another kind
    return True


def _close(descriptor: int) -> None:
    """Let go of a lock, and close its file.

    Closing alone is not enough: a process that another thread has just forked has the file open
    too, until it becomes the command of a stage, and would keep the lock so long.
    """
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def _owner(descriptor: int) -> dict[str, Any]:
    text = os.pread(descriptor, 64, 0).decode("ascii", "replace").strip()
    if not text.isdigit():
        return {}
    try:
        words = Path(f"/proc/{text}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return {"pid": int(text)}
    command = " ".join(os.path.basename(word.decode(errors="replace")) for word in words)  # noqa: PTH119
    return {"pid": int(text), "cmd": command.strip()[:200]}


def _name(info: dict[str, Any]) -> str:
    if not info.get("pid"):
        return "DVC"
    command = f" ({info['cmd']})" if info.get("cmd") else ""
    return f"process {info['pid']}{command}"


def _read(path: Path) -> Table:
    """Return the table of paths; DVC's own mistakes in it count as an empty one."""
    table: Table = {"write": {}, "read": {}}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return table
    for mode in table:
        part = found.get(mode) if isinstance(found, dict) else None
        if isinstance(part, dict):
            table[mode] = part
    return table


def _enter(table: Table, info: dict[str, Any], read: list[str], write: list[str]) -> str | None:
    """Enter paths into the table, unless somebody is in the way; return who."""
    for mode, paths in (("write", [*read, *write]), ("read", write)):
        for path, infos in table[mode].items():
            for one in infos if isinstance(infos, list) else [infos]:
                if _blocks(one) and any(_overlap(path, mine) for mine in paths):
                    return _name(one)
    for path in read:
        readers = table["read"].setdefault(path, [])
        if info not in readers:
            readers.append(info)
    table["write"].update(dict.fromkeys(write, info))
    return None


def _leave(table: Table, info: dict[str, Any], read: list[str], write: list[str]) -> None:
    for path in write:
        if table["write"].get(path) == info:
            del table["write"][path]
    for path in read:
        readers = [one for one in table["read"].get(path, []) if one != info]
        table["read"][path] = readers
        if not readers:
            del table["read"][path]


def _pruned(table: Table) -> Table:
    """Return a table without the entries of processes that are gone."""
    write = {path: info for path, info in table["write"].items() if _lives(info)}
    read = {}
    for path, infos in table["read"].items():
        if kept := [info for info in infos if _lives(info)] if isinstance(infos, list) else []:
            read[path] = kept
    return {"write": write, "read": read}


def _lives(info: Any) -> bool:
    pid = info.get("pid") if isinstance(info, dict) else None
    if not isinstance(pid, int):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def _blocks(info: Any) -> bool:
    """Whether an entry is of another process that lives, and did not start this one."""
    return _lives(info) and info["pid"] != os.getpid() and info["pid"] not in _ancestors()


def _ancestors() -> set[int]:
    """Return the processes that this one descends from: `dvc repro` may run penstock in a stage."""
    found: set[int] = set()
    pid = os.getppid()
    while pid > 1 and pid not in found:
        found.add(pid)
        try:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            break
        pid = int(status.rpartition(")")[2].split()[1])
    return found


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")
