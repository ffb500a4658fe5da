# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH101, PTH105, PTH108, PTH112, PTH116, PTH123
"""Objects of the cache: `files/md5/<2 hex>/<30 hex>`, mode 0444, written whole or not at all.

An object is written under a temporary name in the same file system and renamed, so a kill or a
full disk leaves nothing half-made under its final name. Nothing waits for the disk here: after a
power cut an object may be short, and that is found out, because content is hashed before use
unless the index saw the very same inode, size and times. `sync` is for the moment when the cache
becomes the only copy.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat
import threading
import time
from collections.abc import Iterable
from pathlib import Path

from penstock.artifacts.faults import NO_ROOM, changed, corrupt, missing
from penstock.artifacts.hashing import digest_file, digest_files
from penstock.artifacts.index import HashIndex
from penstock.artifacts.legacy import text_digest
from penstock.artifacts.links import discard, make_directory, reflink, sweep
from penstock.artifacts.stamps import Stamp

_MODE = 0o444
_SMALL = 1 << 20
_PIECE = 4 << 20


class Objects:
    """The objects of one cache. May be used by many threads.

    Args:
        cache_dir: of DVC; objects are in `files/md5` below it.
        index: remembers which objects were verified.
        aside: where corrupt objects are put.
        shared: whether directories are writable for the group.
        old: whether these are the objects of DVC 2, which are read only.
    """

    def __init__(
        self, cache_dir: Path, index: HashIndex, aside: Path, *, shared: bool, old: bool = False
    ) -> None:
        self.cache_dir = cache_dir
        self._old = old
        self._root = os.fspath(cache_dir) if old else f"{cache_dir}/files/md5"
        # Not of two letters, so DVC takes nothing in it for an object.
        self._parts = f"{cache_dir}/penstock-tmp"
        self._index = index
        self._aside = aside
        self._shared = shared
        self._made: set[str] = set()
        self._prefix = f"{self._parts}/{os.getpid()}-{os.urandom(6).hex()}"
        self._numbers = itertools.count()
        self._fresh: list[tuple[str, Stamp]] = []
        self._lock = threading.Lock()

    def path(self, md5: str) -> str:
        """Return where an object is kept, whether or not it is there."""
        return f"{self._root}/{md5[:2]}/{md5[2:]}"

    def check(self, wanted: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return which objects are absent, and which are corrupt; the latter are set aside.

        Content is hashed unless the index says that it was, with the same stamp.
        """
        absent: list[str] = []
        present: list[tuple[str, Stamp]] = []
        for md5 in wanted:
            try:
                present.append((md5, Stamp.of(os.stat(self.path(md5)))))
            except (FileNotFoundError, NotADirectoryError):
                absent.append(md5)
        known = self._index.objects(present)
        doubtful = [one for one, is_known in zip(present, known, strict=True) if not is_known]
        return absent, self._verify(doubtful) if doubtful else []

    def _verify(self, doubtful: list[tuple[str, Stamp]]) -> list[str]:
        """Hash objects; set aside and return those that are not what their name says."""
        damaged: list[str] = []
        good: list[tuple[str, Stamp]] = []
        now = time.time_ns()
        sizes = [stamp.size for _, stamp in doubtful]
        digests = digest_files([self.path(md5) for md5, _ in doubtful], sizes)
        for (md5, stamp), digest in zip(doubtful, digests, strict=True):
            if digest != md5.removesuffix(".dir") and not self._converted(md5):
                self.set_aside(md5)
                damaged.append(md5)
            elif stamp.settled(now):
                good.append((md5, stamp))
        self._index.put_objects(good)
        return damaged

    def _converted(self, md5: str) -> bool:
        """Whether an object is one of DVC 2 whose line ends count as converted."""
        return self._old and text_digest(self.path(md5)) == md5

    def outline(self) -> bytes | None:
        """Return a digest of the cache's directories, which changes when an object comes or goes.

        Returns:
            None when something could come or go unseen: within a tick of the clock.
        """
        found: list[tuple[str, int, int]] = []
        now = time.time_ns()
        with contextlib.suppress(OSError), os.scandir(self._root) as entries:
            for entry in entries:
                stamp = Stamp.of(entry.stat())
                # A directory has many links, so that its ctime is not in the stamp.
                if not stamp.settled(now):
                    return None
                found.append((entry.name, stamp.mtime, stamp.inode))
        return hashlib.blake2b(repr(sorted(found)).encode(), digest_size=20).digest()

    def set_aside(self, md5: str) -> None:
        """Move an object out of the cache, so that nobody takes it for good."""
        source = self.path(md5)
        try:
            self._aside.mkdir(parents=True, exist_ok=True)
            os.replace(source, self._aside / f"{md5}.{time.time_ns()}")
        except FileNotFoundError:
            return
        except OSError:
            # Another file system (a shared cache), or no room: out of the way is what counts.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(source)

    def read(self, md5: str) -> bytes:
        """Return the content of an object, verified.

        Raises:
            StateError: ``artifacts.missing`` or ``artifacts.corrupt``.
        """
        try:
            content = Path(self.path(md5)).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise missing([md5]) from error
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5.removesuffix(".dir"):
            self.set_aside(md5)
            raise corrupt([md5])
        return content

    def write(self, md5: str, content: bytes) -> None:
        """Put bytes whose digest is known to be `md5`."""
        part = self.part()
        try:
            with open(part, "xb") as file:
                file.write(content)
            self.place(part, md5)
        finally:
            discard(part)

    def add(self, source: str, md5: str) -> None:
        """Copy a file of the workspace into the cache; what was written is hashed on the way.

        Raises:
            StateError: ``artifacts.changed`` when the file is not, or no longer, `md5`.
            OSError: of the file system.
        """
        part = self.part()
        try:
            if _copy(source, part) != md5:
                raise changed(source)
            self.place(part, md5)
        finally:
            discard(part)

    def part(self) -> str:
        """Return a name for a file that is not yet whole, in the file system of the cache."""
        if not os.path.isdir(self._parts):
            self._made.clear()  # somebody removed the cache meanwhile
        self._directory(self._parts)
        return f"{self._prefix}-{next(self._numbers)}"

    def place(self, part: str, md5: str) -> None:
        """Make a whole temporary file the object."""
        os.chmod(part, _MODE)
        target = self.path(md5)
        self._directory(target[: len(self._root) + 3])
        try:
            os.replace(part, target)
        except FileNotFoundError:
            self._made.clear()  # somebody removed the directory meanwhile, as `dvc gc` may
            self._directory(target[: len(self._root) + 3])
            os.replace(part, target)
        # Mode 0444 and nobody has it open: no write hides within the clock's tick.
        stamp = Stamp.of(os.stat(target))
        with self._lock:
            self._fresh.append((md5, stamp))

    def relinked(self, md5: str) -> None:
        """Note that the object got another hard link, which moves its ctime."""
        stamp = Stamp.of(os.stat(self.path(md5)))
        with self._lock:
            self._fresh.append((md5, stamp))

    def remember(self) -> None:
        """Tell the index of the objects that were made; in one transaction."""
        with self._lock:
            fresh, self._fresh = self._fresh, []
        if fresh:
            self._index.put_objects(fresh)

    def sync(self) -> None:
        """Wait until all objects are on the disk, so that they outlast a power cut.

        One call for the whole file system (`syncfs`), as a call for each of thousands of small
        files takes a thousand times as long.
        """
        with contextlib.suppress(OSError):
            descriptor = os.open(self._root, os.O_RDONLY)
            try:
                import ctypes

                syncfs = getattr(ctypes.CDLL(None), "syncfs", None)
                if syncfs is None or syncfs(descriptor):
                    os.sync()
            finally:
                os.close(descriptor)

    def _directory(self, path: str) -> None:
        """Make a directory, once."""
        if path in self._made:
            return
        if not os.path.isdir(path):
            make_directory(path, shared=self._shared)
        elif path == self._parts:
            sweep(path)
        self._made.add(path)


def _copy(source: str, part: str) -> str:
    """Copy a file and return the md5 of what was written."""
    flags = os.O_RDONLY | os.O_CLOEXEC
    with open(os.open(source, flags), "rb", buffering=0) as origin:
        status = os.fstat(origin.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise changed(source)
        if status.st_size > _SMALL:
            try:
                reflink(source, part)
                return digest_file(part)
            except OSError as error:
                discard(part)
                if error.errno in NO_ROOM:
                    raise
        digest = hashlib.md5(usedforsecurity=False)
        with open(part, "xb", buffering=0) as target:
            while content := origin.read(min(_PIECE, max(status.st_size, 1 << 12))):
                digest.update(content)
                view = memoryview(content)
                while view:
                    view = view[target.write(view) :]
        return digest.hexdigest()
