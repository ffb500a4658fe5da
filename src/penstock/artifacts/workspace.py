# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH101, PTH103, PTH106, PTH108, PTH113, PTH114, PTH115, PTH116, PTH120
"""The workspace side of the cache: files are linked from objects, and links put right."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.artifacts.index import HashIndex
from penstock.artifacts.links import UMASK, link
from penstock.artifacts.objects import Objects
from penstock.artifacts.stamps import Stamp
from penstock.artifacts.trees import Present
from penstock.domain.artifact import Artifact

_PLAIN_MODE = 0o666 & ~UMASK


class Workspace:
    """Makes and mends files of the workspace.

    Args:
        kinds: link types in order of preference.
        objects: the cache.
        index: is told of every file made.
    """

    def __init__(self, kinds: Sequence[str], objects: Objects, index: HashIndex) -> None:
        self._kinds = tuple(kinds)
        self._objects = objects
        self._index = index

    def relink(self, path: Path, artifact: Artifact, files: Mapping[str, str]) -> None:
        """Replace files by links of the configured kind, as DVC does after a stage."""
        for relative, md5 in files.items():
            target = f"{path}/{relative}" if relative else os.fspath(path)
            if self._fits(target, md5):
                self._plain_mode(target, isexec=artifact.isexec)
            else:
                self._link(target, md5, isexec=artifact.isexec)

    def make(
        self, path: Path, artifact: Artifact, files: Mapping[str, str], present: Present | None
    ) -> None:
        """Make a path hold the files; those that `present` says are right are kept."""
        kept: Mapping[str, str] = {}
        if present is not None and present.is_dir == artifact.is_dir:
            kept = present.files
        elif os.path.lexists(path):
            remove(path)
        for relative in kept:
            if relative not in files:
                os.unlink(path / relative)
                _prune(path, os.path.dirname(relative))
        path.parent.mkdir(parents=True, exist_ok=True)
        if artifact.is_dir:
            path.mkdir(exist_ok=True)
        made: set[str] = set()
        for relative, md5 in files.items():
            target = f"{path}/{relative}" if relative else os.fspath(path)
            if kept.get(relative) == md5 and self._fits(target, md5):
                self._plain_mode(target, isexec=artifact.isexec)
                continue
            _directories(os.fspath(path), os.path.dirname(relative), made)
            self._link(target, md5, isexec=artifact.isexec)

    def _fits(self, target: str, md5: str) -> bool:
        """Whether a file with the right content is linked in the configured way already."""
        try:
            status = os.lstat(target)
        except FileNotFoundError:
            return False
        source = self._objects.path(md5)
        plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        for kind in self._kinds:
            if kind in ("copy", "reflink") and plain:
                return True
            if kind == "hardlink" and status.st_nlink > 1:
                return os.path.samestat(status, os.stat(source))
            if kind == "symlink" and stat.S_ISLNK(status.st_mode):
                return os.readlink(target) == source
        return False

    def _link(self, target: str, md5: str, *, isexec: bool) -> None:
        """Put an object at a path of the workspace."""
        source = self._objects.path(md5)
        kind = link(source, target, self._kinds)
        if kind in ("copy", "reflink"):
            self._plain_mode(target, isexec=isexec)
        elif kind == "hardlink":
            # The object's ctime moved with its number of links; its content did not.
            self._index.put_objects([(md5, Stamp.of(os.stat(source)))])

    def _plain_mode(self, target: str, *, isexec: bool) -> None:
        """Give a copy the mode that DVC gives it."""
        status = os.lstat(target)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink > 1:
            return
        mode = _PLAIN_MODE | (stat.S_IXUSR if isexec else 0)
        if stat.S_IMODE(status.st_mode) != mode:
            os.chmod(target, mode)


def remove(path: Path) -> None:
    """Remove a file, a link or a directory."""
    if path.is_dir() and not path.is_symlink():
        import shutil

        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _prune(root: Path, relative: str) -> None:
    """Remove directories that became empty, up to the root."""
    while relative:
        try:
            os.rmdir(root / relative)
        except OSError:
            return
        relative = os.path.dirname(relative)


def _directories(root: str, relative: str, made: set[str]) -> None:
    """Make the directories of a path; never write through a link that leads elsewhere."""
    if not relative or relative in made:
        return
    _directories(root, os.path.dirname(relative), made)
    path = f"{root}/{relative}"
    if os.path.islink(path) or os.path.isfile(path):
        os.unlink(path)
    os.makedirs(path, exist_ok=True)
    made.add(relative)
