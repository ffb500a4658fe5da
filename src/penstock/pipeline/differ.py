"""Where two versions of a file or directory differ: the first byte, its line, both texts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.artifacts.hashing import digest_file
from penstock.artifacts.listing import parse_listing
from penstock.domain.artifact import Artifact
from penstock.errors import StateError
from penstock.pipeline.git import git, has_repository

_CHUNK = 1 << 20
_COMMITS = 20
"""Commits that are searched for an old version."""
_FILES = 10
"""Files of a directory that are compared byte by byte."""
_LINE = 200


@dataclass(frozen=True, slots=True)
class Difference:
    """Where one file differs from what it was.

    Attributes:
        path: relative to the project's root.
        kind: ``changed``, ``added``, ``removed``, or ``unknown`` when the old bytes are gone.
        offset: of the first byte that differs, from 0.
        line: that it stands in, from 1; None for a binary file.
        old, new: that line, then and now.
    """

    path: str
    kind: str
    offset: int | None = None
    line: int | None = None
    old: str | None = None
    new: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


class OldBytes:
    """Finds the bytes of an old version: in the cache, else in Git."""

    def __init__(self, root: Path, store: Store) -> None:
        self.root = root
        self._store = store

    def listing(self, artifact: Artifact) -> dict[str, str] | None:
        """Return md5 by path of an old directory, None when it is not known any more."""
        try:
            return parse_listing(self._store.objects.read(artifact.md5), artifact.md5)
        except StateError:
            return None

    def file(self, md5: str, path: str) -> bytes | Path | None:
        """Return an old file: where the cache has it, or its bytes from Git."""
        if not self._store.missing(Artifact(path, md5, 0)):
            return Path(self._store.objects.path(md5))
        return self._from_git(md5, path)

    def _from_git(self, md5: str, path: str) -> bytes | None:
        import hashlib
        import subprocess

        if not has_repository(self.root):
            return None
        arguments = ("log", f"-{_COMMITS}", "--format=%H", "--", path)
        for commit in git(self.root, *arguments, check=False).split():
            shown = subprocess.run(
                ["git", "-C", str(self.root), "show", f"{commit}:./{path}"],
                capture_output=True,
                check=False,
            )
            if shown.returncode == 0 and hashlib.md5(shown.stdout).hexdigest() == md5:  # noqa: S324
                return shown.stdout
        return None


def compare(old_bytes: OldBytes, old: Artifact, new: Artifact, path: str) -> tuple[Difference, ...]:
    """Return where the work tree's file or directory differs from an old version.

    Args:
        old_bytes: where to look for that.
        old: as recorded.
        new: as it stands in the work tree.
        path: relative to the project's root.
    """
    if not old.is_dir and not new.is_dir:
        return (_file(old_bytes, old.md5, path),)
    if not (old.is_dir and new.is_dir):
        return (Difference(path, "changed"),)
    before = old_bytes.listing(old)
    if before is None:
        return (Difference(path, "unknown"),)
    after = _present(old_bytes.root / path, before)
    found = []
    for name in sorted({*before, *after}):
        full = f"{path}/{name}"
        if name not in after:
            found.append(Difference(full, "removed"))
        elif name not in before:
            found.append(Difference(full, "added"))
        elif before[name] != after[name]:
            compared = len(found) < _FILES
            found.append(
                _file(old_bytes, before[name], full) if compared else Difference(full, "changed")
            )
    return tuple(found)


def _present(folder: Path, before: dict[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in folder.rglob("*"):
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            found[name] = digest_file(str(path)) if name in before else ""
    return found


def _file(old_bytes: OldBytes, md5: str, path: str) -> Difference:
    old = old_bytes.file(md5, path)
    if old is None:
        return Difference(path, "unknown")
    try:
        offset = _first_difference(old, old_bytes.root / path)
    except OSError:
        return Difference(path, "unknown")
    before = _around(old, offset)
    after = _around(old_bytes.root / path, offset)
    if before is None or after is None:
        return Difference(path, "changed", offset)
    return Difference(path, "changed", offset, before[0], before[1], after[1])


def _first_difference(old: bytes | Path, new: Path) -> int:
    import io

    at = 0
    with (
        io.BytesIO(old) if isinstance(old, bytes) else old.open("rb") as one,
        new.open("rb") as two,
    ):
        while True:
            a, b = one.read(_CHUNK), two.read(_CHUNK)
            if a != b or not a:
                break
            at += len(a)
    low, high = 0, min(len(a), len(b))
    while low < high:  # the longest common start
        middle = (low + high + 1) // 2
        if a[:middle] == b[:middle]:
            low = middle
        else:
            high = middle - 1
    return at + low


def _around(where: bytes | Path, offset: int) -> tuple[int, str] | None:
    """Return number and text of the line that an offset is in; None for what is not text."""
    import io

    line, start = 1, b""
    with io.BytesIO(where) if isinstance(where, bytes) else where.open("rb") as stream:
        left = offset
        while left > 0:
            chunk = stream.read(min(_CHUNK, left))
            if not chunk:
                break
            if b"\0" in chunk:
                return None
            line += chunk.count(b"\n")
            cut = chunk.rfind(b"\n")
            start = chunk[cut + 1 :] if cut >= 0 else start + chunk
            left -= len(chunk)
        rest = stream.read(_LINE).partition(b"\n")[0]
    if b"\0" in rest:
        return None
    try:
        # A multi-byte character may be cut at either end of what is shown.
        return line, (start[-_LINE:] + rest).decode("utf-8", "replace").rstrip("\r")
    except UnicodeDecodeError:
        return None
