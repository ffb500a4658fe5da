# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH100, PTH116
"""Digests of what stands in the workspace, with as little reading as the index allows."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.artifacts.hashing import digest_files
from penstock.artifacts.ignore import Ignore
from penstock.artifacts.index import HashIndex, TreeRow
from penstock.artifacts.listing import listing_bytes, listing_digest
from penstock.artifacts.scan import STAMP_BYTES, Scan, scan
from penstock.artifacts.stamps import Stamp
from penstock.domain.artifact import Artifact
from penstock.errors import StateError

_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Present:
    """What stands at a path.

    Attributes:
        files: md5 by relative path; of a file, {"": md5}.
        digest: of the file, or of the listing.
        size: bytes of all files.
        is_dir: whether it is a directory.
        isexec: whether it is an executable file.
    """

    files: dict[str, str]
    digest: str
    size: int
    is_dir: bool
    isexec: bool = False

    def artifact(self, name: str) -> Artifact:
        """Return it as an artifact."""
        nfiles = len(self.files) if self.is_dir else None
        return Artifact(name, self.digest, self.size, nfiles, self.isexec)


class Digests:
    """Hashes files and directories of a project.

    Args:
        root: directory that holds `.dvc`.
        index: what was hashed before.
    """

    def __init__(self, root: Path, index: HashIndex) -> None:
        self._root = root
        self._index = index

    def artifacts(self, items: Sequence[tuple[str, Path]]) -> list[Artifact | None]:
        """Return what stands at each (name, path); None where nothing does."""
        found: list[Artifact | None] = [None] * len(items)
        files: list[tuple[int, str]] = []
        for at, (name, path) in enumerate(items):
            status = _status(path)
            if status is None:
                continue
            if stat.S_ISDIR(status.st_mode):
                row = self._tree(Path(os.path.abspath(path)), listing=False)[0]
                found[at] = Artifact(name, row.digest, row.size, row.nfiles)
            else:
                files.append((at, os.path.abspath(path)))
        digests = self._files([path for _, path in files])
        for (at, _), (md5, status) in zip(files, digests, strict=True):
            isexec = bool(status.st_mode & _EXECUTABLE)
            found[at] = Artifact(items[at][0], md5, status.st_size, None, isexec)
        return found

    def present(self, path: Path) -> Present | None:
        """Return what stands at an absolute path, file by file."""
        status = _status(path)
        if status is None:
            return None
        if stat.S_ISDIR(status.st_mode):
            row, files = self._tree(path, listing=True)
            return Present(files, row.digest, row.size, is_dir=True)
        ((md5, status),) = self._files([os.fspath(path)])
        isexec = bool(status.st_mode & _EXECUTABLE)
        return Present({"": md5}, md5, status.st_size, is_dir=False, isexec=isexec)

    def _files(self, paths: Sequence[str]) -> list[tuple[str, os.stat_result]]:
        """Return the md5 and the status of each file."""
        statuses = [_regular(path) for path in paths]
        stamps = [Stamp.of(status) for status in statuses]
        known = self._index.files(list(zip(paths, stamps, strict=True)))
        unknown = [at for at, md5 in enumerate(known) if md5 is None]
        for _ in range(_ATTEMPTS):
            now = time.time_ns()
            digests = _digest([paths[at] for at in unknown], [stamps[at].size for at in unknown])
            again, fresh = [], []
            for at, md5 in zip(unknown, digests, strict=True):
                before, statuses[at] = stamps[at], _regular(paths[at])
                stamps[at] = Stamp.of(statuses[at])
                if stamps[at] != before:
                    again.append(at)
                    continue
                known[at] = md5
                if before.settled(now):
                    fresh.append((paths[at], before, md5))
            if fresh:
                self._index.put_files(fresh)
            unknown = again
            if not unknown:
                break
        if unknown:
            raise _changing(paths[unknown[0]])
        return [(md5 or "", status) for md5, status in zip(known, statuses, strict=True)]

    def _tree(self, path: Path, *, listing: bool) -> tuple[TreeRow, dict[str, str]]:
        """Return a directory's row, and md5 by relative path if asked for."""
        key = os.fspath(path)
        found = self._scan(path)
        packed = found.packed()
        signature = found.signature(packed)
        row = self._index.tree(key)
        if row is not None and row.signature == signature:
            if not listing:
                return row, {}
            known = self._index.listing(key)
            if len(known) == row.nfiles:
                return row, {name: md5 for name, (_, md5) in known.items()}
        return self._hash_tree(found, packed, signature)

    def _hash_tree(
        self, found: Scan, packed: bytes, signature: bytes
    ) -> tuple[TreeRow, dict[str, str]]:
        """Hash what the index does not know, and remember the directory."""
        known = self._index.listing(found.path)
        digests: list[str] = []
        unknown: list[int] = []
        for at, name in enumerate(found.names):
            old, md5 = known.get(name, (b"", ""))
            same = old == packed[at * STAMP_BYTES : (at + 1) * STAMP_BYTES]
            digests.append(md5 if same else "")
            if not same:
                unknown.append(at)
        now = time.time_ns()
        paths = [f"{found.path}/{found.names[at]}" for at in unknown]
        made = _digest(paths, [found.numbers[4 * at] for at in unknown])
        stamps = bytearray(packed)
        settled = True
        for at, md5 in zip(unknown, made, strict=True):
            digests[at] = md5
            if not found.stamp(at).settled(now):
                stamps[at * STAMP_BYTES : (at + 1) * STAMP_BYTES] = bytes(STAMP_BYTES)
                settled = False
        files = dict(zip(found.names, digests, strict=True))
        row = TreeRow(
            signature if settled else b"",
            listing_digest(listing_bytes(files)),
            found.size,
            len(files),
        )
        self._index.put_tree(found.path, row, files, bytes(stamps))
        return row, files

    def _scan(self, path: Path) -> Scan:
        """Walk a directory with the rules of .dvcignore."""
        ignore = Ignore(self._root, path)
        relative = os.path.relpath(path, self._root)
        prefix = "" if ignore.outside or relative == "." else relative.replace(os.sep, "/")
        return scan(path, ignore, prefix)


def _digest(paths: list[str], sizes: list[int]) -> list[str]:
    """Hash files; what cannot be read is an error that names it."""
    try:
        return digest_files(paths, sizes)
    except OSError as error:
        raise StateError(
            f"{error.filename} cannot be read: {error.strerror}", code="artifacts.unreadable"
        ) from error


def _status(path: Path | str) -> os.stat_result | None:
    """Return the status of what a path leads to; None when nothing is there."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise StateError(
            f"{path} cannot be read: {error.strerror}", code="artifacts.unreadable"
        ) from error


def _regular(path: str) -> os.stat_result:
    """Return the status of a regular file."""
    status = _status(path)
    if status is None:
        raise _changing(path)
    if not stat.S_ISREG(status.st_mode):
        raise StateError(
            f"{path} is neither a file nor a directory",
            code="artifacts.special-file",
            hint="sockets, pipes and devices cannot be stored; put them elsewhere",
        )
    return status


def _changing(path: str) -> StateError:
    return StateError(
        f"{path} changed while it was being read",
        code="artifacts.changed",
        hint="something is still writing to it; wait for it to end, then run again",
    )
