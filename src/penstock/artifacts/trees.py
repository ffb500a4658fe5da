# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH100, PTH116
"""Digests of what stands in the workspace, with as little reading as the index allows."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.artifacts.faults import changed, special, unreadable
from penstock.artifacts.hashing import LARGE, Crew, digest_files
from penstock.artifacts.ignore import Ignore
from penstock.artifacts.index import HashIndex, TreeRow
from penstock.artifacts.listing import listing_bytes, listing_digest
from penstock.artifacts.scan import STAMP_BYTES, Scan, refuse_odd, scan
from penstock.artifacts.stamps import COARSE_FILE_SYSTEM_NS, Stamp, settle
from penstock.domain.artifact import Artifact

_WORTH_TELLING = 4_000
_EXECUTABLE = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH


@dataclass(frozen=True, slots=True)
class Present:
    """What stands at a path.

    Attributes:
        files: md5 by relative path; of a file, {"": md5}.
        digest: of the file, or of the listing.
        size: bytes of all files.
        is_dir: whether it is a directory.
        isexec: whether it is an executable file.
        odd: relative paths of what cannot be stored: links to nothing, pipes.
    """

    files: dict[str, str]
    digest: str
    size: int
    is_dir: bool
    isexec: bool = False
    odd: tuple[str, ...] = ()

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
                row = self._directory(Path(os.path.abspath(path)), listing=False)[1]
                found[at] = Artifact(name, row.digest, row.size, row.nfiles)
            else:
                files.append((at, os.path.abspath(path)))
        digests = self._files([path for _, path in files])
        for (at, _), (md5, status) in zip(files, digests, strict=True):
            isexec = bool(status.st_mode & _EXECUTABLE)
            found[at] = Artifact(items[at][0], md5, status.st_size, None, isexec)
        return found

    def present(self, path: Path, *, strict: bool = True) -> Present | None:
        """Return what stands at an absolute path, file by file.

        Args:
            strict: whether what cannot be stored is an error.
        """
        status = _status(path)
        if status is None:
            return None
        if stat.S_ISDIR(status.st_mode):
            found, row, files = self._directory(path, listing=True, strict=strict)
            odd = tuple(relative for relative, _ in found.odd)
            return Present(files, row.digest, row.size, is_dir=True, odd=odd)
        if not strict and not stat.S_ISREG(status.st_mode):
            return None
        ((md5, status),) = self._files([os.fspath(path)])
        isexec = bool(status.st_mode & _EXECUTABLE)
        return Present({"": md5}, md5, status.st_size, is_dir=False, isexec=isexec)

    def _files(self, paths: Sequence[str]) -> list[tuple[str, os.stat_result]]:
        """Return the md5 and the status of each file."""
        statuses = [_regular(path) for path in paths]
        stamps = [Stamp.of(status) for status in statuses]
        known = self._index.files(list(zip(paths, stamps, strict=True)))
        unknown = [at for at, md5 in enumerate(known) if md5 is None]
        now = time.time_ns()
        for at in unknown:
            if stamps[at].size >= LARGE and not stamps[at].settled(now):
                settle(stamps[at])
                statuses[at] = _regular(paths[at])
                stamps[at] = Stamp.of(statuses[at])
        now = time.time_ns()
        digests = _digest([paths[at] for at in unknown], [stamps[at].size for at in unknown])
        for at, md5 in zip(unknown, digests, strict=True):
            known[at] = md5
        self._index.put_files(
            (paths[at], stamps[at], md5)
            for at, md5 in zip(unknown, digests, strict=True)
            if stamps[at].settled(now)
        )
        return [(md5 or "", status) for md5, status in zip(known, statuses, strict=True)]

    def _directory(
        self, path: Path, *, listing: bool, strict: bool = True
    ) -> tuple[Scan, TreeRow, dict[str, str]]:
        """Return what a directory holds, its row, and md5 by relative path if asked for."""
        row = self._index.tree(os.fspath(path))
        if row is not None:
            found = self._scan(path)
            if strict:
                refuse_odd(found)
            return found, *self._tree(found, row, listing=listing)
        with Crew() as crew:
            now = time.time_ns()
            told = 0

            def tell(found: Scan) -> None:
                nonlocal told
                if len(found.names) - told >= _WORTH_TELLING:
                    _hand_over(crew, found, told)
                    told = len(found.names)

            found = self._scan(path, tell)
            if strict:
                refuse_odd(found)
            _hand_over(crew, found, told)
            files = dict(zip(found.names, _finish(crew, found), strict=True))
        return found, self._row(found, files, found.packed(), now), files

    def _tree(self, found: Scan, row: TreeRow, *, listing: bool) -> tuple[TreeRow, dict[str, str]]:
        """Return the row of a directory that was hashed before, and md5 by relative path."""
        packed = found.packed()
        signature = found.signature(packed)
        if row.signature == signature:
            if not listing:
                return row, {}
            known = self._index.listing(found.path)
            if len(known) == row.nfiles:
                return row, {name: md5 for name, (_, md5) in known.items()}
        return self._hash_tree(found, packed)

    def _hash_tree(self, found: Scan, packed: bytes) -> tuple[TreeRow, dict[str, str]]:
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
        for at, md5 in zip(unknown, made, strict=True):
            digests[at] = md5
        files = dict(zip(found.names, digests, strict=True))
        return self._row(found, files, packed, now), files

    def _row(self, found: Scan, files: dict[str, str], packed: bytes, now: int) -> TreeRow:
        row = TreeRow(b"", listing_digest(listing_bytes(files)), found.size, len(files))
        return self._keep(found, row, files, packed, now)

    def _keep(
        self, found: Scan, row: TreeRow, files: dict[str, str], packed: bytes, now: int
    ) -> TreeRow:
        """Remember a directory, but no file that could still change unseen."""
        stamps = bytearray(packed)
        newest = max(max(found.numbers[kind::4], default=0) for kind in (1, 3))  # mtime, ctime
        young = []
        if newest + COARSE_FILE_SYSTEM_NS >= now:
            young = [at for at in range(len(found.names)) if not found.stamp(at).settled(now)]
        for at in young:
            stamps[at * STAMP_BYTES : (at + 1) * STAMP_BYTES] = bytes(STAMP_BYTES)
        if not young:
            row = replace(row, signature=found.signature(packed))
        self._index.put_tree(found.path, row, files, bytes(stamps))
        return row

    def remember(self, path: Path, files: Mapping[str, str]) -> None:
        """Remember what was just put at a path, so that it need not be hashed.

        Args:
            path: absolute.
            files: md5 by relative path; of a file, {"": md5}.
        """
        if "" in files:
            stamp = Stamp.of(_regular(os.fspath(path)))
            if stamp.size >= LARGE:
                settle(stamp)
            now = time.time_ns()
            stamp = Stamp.of(_regular(os.fspath(path)))
            if stamp.settled(now):
                self._index.put_files([(os.fspath(path), stamp, files[""])])
            return
        now = time.time_ns()
        found = self._scan(path)
        if len(found.names) != len(files) or any(name not in files for name in found.names):
            return
        ordered = {name: files[name] for name in found.names}
        row = TreeRow(b"", listing_digest(listing_bytes(ordered)), found.size, len(ordered))
        self._keep(found, row, ordered, found.packed(), now)

    def _scan(self, path: Path, tell: Callable[[Scan], None] | None = None) -> Scan:
        """Walk a directory with the rules of .dvcignore."""
        ignore = Ignore(self._root, path)
        relative = os.path.relpath(path, self._root)
        prefix = "" if ignore.outside or relative == "." else relative.replace(os.sep, "/")
        return scan(path, ignore, prefix, tell)


def _hand_over(crew: Crew, found: Scan, start: int) -> None:
    """Let files of a directory be hashed while the rest of it is listed."""
    folder = found.path
    crew.add([f"{folder}/{name}" for name in found.names[start:]], found.numbers[4 * start :: 4])


def _finish(crew: Crew, found: Scan) -> list[str]:
    """Return all digests; what cannot be read is an error that names it."""
    try:
        return crew.finish()
    except OSError as error:
        raise unreadable(error, found.path) from error


def _digest(paths: list[str], sizes: list[int]) -> list[str]:
    """Hash files; what cannot be read is an error that names it."""
    try:
        return digest_files(paths, sizes)
    except OSError as error:
        raise unreadable(error, paths[0]) from error


def _status(path: Path | str) -> os.stat_result | None:
    """Return the status of what a path leads to; None when nothing is there."""
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise unreadable(error, os.fspath(path)) from error


def _regular(path: str) -> os.stat_result:
    """Return the status of a regular file."""
    status = _status(path)
    if status is None:
        raise changed(path)
    if not stat.S_ISREG(status.st_mode):
        raise special(path)
    return status
