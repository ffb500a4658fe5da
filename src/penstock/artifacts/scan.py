# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH114
"""One walk over a directory: names and stamps of all files that DVC would record."""

from __future__ import annotations

import hashlib
import os
import stat
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from penstock.artifacts.faults import changed, special, unreadable
from penstock.artifacts.ignore import NAME, Ignore
from penstock.artifacts.stamps import Stamp
from penstock.errors import StateError

STAMP_BYTES = 32


@dataclass(slots=True)
class Scan:
    """The files of a directory, in the order of the walk.

    Attributes:
        path: absolute path of the directory.
        names: relative posix paths.
        numbers: size, mtime, inode and ctime of each file (see `Stamp`), one after the other.
        odd: (relative path, code of an error) of what cannot be stored.
    """

    path: str
    names: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    odd: list[tuple[str, str]] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(self.numbers[::4])

    def stamp(self, at: int) -> Stamp:
        """Return the stamp of one file."""
        return Stamp(*self.numbers[4 * at : 4 * at + 4])

    def packed(self) -> bytes:
        """Return all stamps, 32 bytes each."""
        return array("q", self.numbers).tobytes()

    def signature(self, packed: bytes) -> bytes:
        """Return a digest over all names and stamps."""
        digest = hashlib.blake2b(packed, digest_size=20)
        digest.update(os.fsencode("\0".join(self.names)))
        return digest.digest()


def scan(
    path: Path, ignore: Ignore, prefix: str, tell: Callable[[Scan], None] | None = None
) -> Scan:
    """Walk a directory.

    As in DVC, a link to a file counts as the file, a link to a directory is passed over, empty
    directories are not recorded, and neither is a project within the project.

    Args:
        path: absolute.
        ignore: the rules that hold there.
        prefix: path of the directory relative to the project's root, posix.
        tell: called after each directory; what it sees stays where it is.

    Raises:
        StateError: ``artifacts.unreadable`` for a directory that cannot be listed.
    """
    found = Scan(os.fspath(path))
    pending = [("", os.fspath(path))]
    while pending:
        relative, directory = pending.pop()
        try:
            before, odd = len(found.names), len(found.odd)
            below = _directory(found, relative, directory, ignore, prefix)
            if below is None:
                del found.names[before:], found.numbers[4 * before :], found.odd[odd:]
            else:
                pending.extend(below)
                if tell is not None:
                    tell(found)
        except OSError as error:
            raise unreadable(error, directory) from error
    return found


def _directory(
    found: Scan, relative: str, directory: str, ignore: Ignore, prefix: str
) -> list[tuple[str, str]] | None:
    """Add the files of one directory; return its directories, None for another project."""
    names, numbers = found.names, found.numbers
    plain = ignore.trivial
    below: list[tuple[str, str]] = []
    with os.scandir(directory) as entries:
        for entry in entries:
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if name == ".dvc" and relative:
                    return None
                if not _ignored(ignore, prefix, f"{relative}{name}", plain=plain, is_dir=True):
                    below.append((f"{relative}{name}/", entry.path))
                continue
            if (name == ".git" or not plain) and _ignored(
                ignore, prefix, f"{relative}{name}", plain=plain, is_dir=False
            ):
                continue
            try:
                status = entry.stat()
            except FileNotFoundError:
                found.odd.append((relative + name, "artifacts.unreadable"))
                continue
            if stat.S_ISDIR(status.st_mode):
                continue
            if not stat.S_ISREG(status.st_mode):
                found.odd.append((relative + name, "artifacts.special-file"))
                continue
            if name == NAME:
                found.odd.append((relative + name, "artifacts.ignore-inside"))
                continue
            names.append(relative + name)
            numbers += (
                status.st_size,
                status.st_mtime_ns,
                status.st_ino,
                status.st_ctime_ns if status.st_nlink == 1 else 0,
            )
    return below


def _ignored(ignore: Ignore, prefix: str, relative: str, *, plain: bool, is_dir: bool) -> bool:
    """Whether the rules pass an entry over."""
    if plain:
        name = relative.rpartition("/")[2]
        return name == ".git" or (is_dir and name in (".hg", ".dvc"))
    return ignore.ignores(f"{prefix}/{relative}" if prefix else relative, is_dir=is_dir)


def refuse_odd(found: Scan) -> None:
    """Raise the error for the first thing that cannot be stored, if there is one.

    Raises:
        StateError: ``artifacts.unreadable``, ``artifacts.special-file``,
            ``artifacts.ignore-inside``.
    """
    if not found.odd:
        return
    relative, code = found.odd[0]
    path = f"{found.path}/{relative}"
    if code == "artifacts.special-file":
        raise special(path)
    if code == "artifacts.ignore-inside":
        raise StateError(
            f"{path} stands within a directory that is stored as one artifact",
            code=code,
            hint="move its patterns to the .dvcignore of a directory above",
        )
    if os.path.islink(path):
        raise StateError(
            f"the link {path} points to nothing",
            code=code,
            hint="remove it, or make what it points to",
        )
    raise changed(path)
