# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH101, PTH102, PTH103, PTH105, PTH108, PTH112, PTH116, PTH123
"""Objects of the cache: `files/md5/<2 hex>/<30 hex>`, mode 0444, written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from penstock.artifacts.hashing import digest_file
from penstock.artifacts.index import HashIndex
from penstock.artifacts.links import UMASK, reflink, temporary
from penstock.artifacts.stamps import Stamp
from penstock.errors import StateError, UnavailableError

_MODE = 0o444
_SMALL = 1 << 20
_PIECE = 8 << 20


class Objects:
    """The objects of one cache directory.

    Args:
        directory: `files/md5` of the cache.
        index: remembers which objects were verified.
        aside: where corrupt objects are put.
        shared: whether directories and files are writable for the group.
    """

    def __init__(self, directory: Path, index: HashIndex, aside: Path, *, shared: bool) -> None:
        self.directory = directory
        self._root = os.fspath(directory)
        self._index = index
        self._aside = aside
        self._directory_mode = 0o2775 if shared else 0o777 & ~UMASK
        self._made: set[str] = set()

    def path(self, md5: str) -> str:
        """Return where an object is kept, whether or not it is there."""
        return f"{self._root}/{md5[:2]}/{md5[2:]}"

    def stamp(self, md5: str) -> Stamp | None:
        """Return the stamp of an object, None when it is absent."""
        try:
            return Stamp.of(os.stat(self.path(md5)))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def check(self, wanted: Iterable[str]) -> tuple[list[str], list[str]]:
        """Return which objects are absent, and which are corrupt; the latter are set aside.

        Content is hashed unless the index says that it was, with the same stamp.
        """
        absent: list[str] = []
        damaged: list[str] = []
        present: list[tuple[str, Stamp]] = []
        for md5 in wanted:
            stamp = self.stamp(md5)
            if stamp is None:
                absent.append(md5)
            else:
                present.append((md5, stamp))
        known = self._index.objects(present)
        fresh: list[tuple[str, Stamp]] = []
        for (md5, stamp), is_known in zip(present, known, strict=True):
            if is_known:
                continue
            now = time.time_ns()
            if digest_file(self.path(md5)) != md5.removesuffix(".dir"):
                self.set_aside(md5)
                damaged.append(md5)
            elif stamp.settled(now):
                fresh.append((md5, stamp))
        if fresh:
            self._index.put_objects(fresh)
        return absent, damaged

    def set_aside(self, md5: str) -> Path | None:
        """Move an object out of the cache, so that nobody takes it for good; returns where to."""
        target = self._aside / f"{md5}.{time.time_ns()}"
        source = self.path(md5)
        try:
            self._aside.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
        except FileNotFoundError:
            return None
        except OSError:
            # Another file system (a shared cache), or no room: out of the way is what counts.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(source)
            return None
        return target

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
        with full_disk(self._root):
            part = self.part(md5)
            try:
                with open(part, "xb") as file:
                    file.write(content)
                self.place(part, md5)
            except BaseException:
                discard(part)
                raise

    def add(self, source: str, md5: str) -> None:
        """Copy a file of the workspace into the cache, unless its content is there.

        Raises:
            StateError: ``artifacts.changed`` when the file is not, or no longer, `md5`.
            UnavailableError: ``artifacts.disk-full``.
        """
        with full_disk(self._root):
            part = self.part(md5)
            try:
                if _copy(source, part) != md5:
                    raise StateError(  # noqa: TRY301 - the part is removed for every error
                        f"{source} changed while it was being saved",
                        code="artifacts.changed",
                        hint="let nothing write to the outputs of a stage after it has ended",
                    )
                self.place(part, md5)
            except BaseException:
                discard(part)
                raise

    def part(self, md5: str) -> str:
        """Return the name of a temporary file beside the object; its directory is made."""
        directory = f"{self._root}/{md5[:2]}"
        if directory not in self._made:
            if not os.path.isdir(directory):
                os.makedirs(self._root, exist_ok=True)
                with contextlib.suppress(FileExistsError):
                    os.mkdir(directory)
                    os.chmod(directory, self._directory_mode)
            self._made.add(directory)
        return temporary(directory)

    def place(self, part: str, md5: str) -> None:
        """Make a whole temporary file the object."""
        os.chmod(part, _MODE)
        target = self.path(md5)
        os.replace(part, target)
        status = os.stat(target)
        # The name is new and the mode is 0444: nobody writes to it within the clock's tick.
        self._index.put_objects([(md5, Stamp.of(status))])


def _copy(source: str, part: str) -> str:
    """Copy a file and return the md5 of what was written."""
    with open(source, "rb", buffering=0) as origin:
        if not stat.S_ISREG(os.fstat(origin.fileno()).st_mode):
            raise StateError(f"{source} is not a file", code="artifacts.special-file")
        if os.fstat(origin.fileno()).st_size > _SMALL:
            try:
                reflink(source, part)
                return digest_file(part)
            except OSError as error:
                discard(part)
                if error.errno == errno.ENOSPC:
                    raise
        digest = hashlib.md5(usedforsecurity=False)
        with open(part, "xb", buffering=0) as target:
            while content := origin.read(_PIECE):
                digest.update(content)
                view = memoryview(content)
                while view:
                    view = view[target.write(view) :]
        return digest.hexdigest()


def discard(part: str) -> None:
    """Remove a temporary file, if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(part)


@contextlib.contextmanager
def full_disk(where: str) -> Iterator[None]:
    """Turn the file system's refusals into errors that say what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UnavailableError(
                f"no room left on the disk of {where}",
                code="artifacts.disk-full",
                hint="free some space (`dvc gc -w` removes unused objects), then run again: "
                "nothing was lost",
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise UnavailableError(
                f"{error.filename or where} cannot be written: {error.strerror}",
                code="artifacts.read-only",
                hint="check the owner and mode of the cache directory",
            ) from error
        raise


def missing(digests: list[str], path: str = "") -> StateError:
    """Make the error for objects that are not in the cache."""
    what = f"{path}: " if path else ""
    some = ", ".join(digests[:3]) + (", ..." if len(digests) > 3 else "")
    return StateError(
        f"{what}{len(digests)} object(s) are not in the cache ({some})",
        code="artifacts.missing",
        hint="fetch them with `penstock run --pull`, or run the stage that makes them",
    )


def corrupt(digests: list[str], path: str = "") -> StateError:
    """Make the error for objects whose content is not what their name says."""
    what = f"{path}: " if path else ""
    some = ", ".join(digests[:3]) + (", ..." if len(digests) > 3 else "")
    return StateError(
        f"{what}{len(digests)} object(s) were damaged and have been set aside ({some})",
        code="artifacts.corrupt",
        hint="fetch them with `penstock run --pull`, or run the stage that makes them",
    )
