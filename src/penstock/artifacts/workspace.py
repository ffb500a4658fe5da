# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH101, PTH103, PTH106, PTH108, PTH110, PTH113, PTH114, PTH115, PTH116, PTH120
"""The workspace side of the cache: files are linked from objects, and links put right."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from penstock.artifacts.faults import missing
from penstock.artifacts.links import UMASK, Linker
from penstock.artifacts.objects import Objects
from penstock.artifacts.trees import Present
from penstock.domain.artifact import Artifact


class Workspace:
    """Makes and mends files of the workspace.

    Args:
        linker: makes the links.
        objects: the cache.
        shared: whether copies are writable for the group.
    """

    def __init__(self, linker: Linker, objects: Objects, *, shared: bool) -> None:
        self._linker = linker
        self._objects = objects
        self._mode = 0o664 if shared else 0o666 & ~UMASK

    def relink(self, path: Path, artifact: Artifact, files: Mapping[str, str]) -> bool:
        """Replace files by links of the configured kind, as DVC does after a stage.

        Returns:
            Whether any file was touched.
        """
        touched, synced = False, False
        for relative, md5 in files.items():
            target = f"{path}/{relative}" if relative else os.fspath(path)
            status = os.lstat(target)
            if not self._is_linked(status, target, md5):
                if not synced and self._linker.best(status.st_dev) in ("hardlink", "symlink"):
                    # From now on the cache is the only copy.
                    self._objects.sync()
                    synced = True
                self._link(target, md5)
                touched, status = True, os.lstat(target)
            touched |= self._set_mode(status, target, md5, artifact)
        return touched

    def make(
        self, path: Path, artifact: Artifact, files: Mapping[str, str], present: Present | None
    ) -> bool:
        """Make a path hold the files; those that `present` says are right are kept.

        Returns:
            Whether any file was touched.
        """
        kept: Mapping[str, str] = {}
        touched = present is None or present.digest != artifact.md5
        if present is not None and present.is_dir == artifact.is_dir:
            kept = present.files
            for relative in [*present.odd, *(one for one in kept if one not in files)]:
                os.unlink(path / relative)
                _prune(path, os.path.dirname(relative))
        elif os.path.lexists(path):
            remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if artifact.is_dir:
            path.mkdir(exist_ok=True)
        made: set[str] = set()
        for relative, md5 in files.items():
            target = f"{path}/{relative}" if relative else os.fspath(path)
            status = os.lstat(target) if kept.get(relative) == md5 else None
            if status is None or not self._is_linked(status, target, md5):
                _directories(os.fspath(path), os.path.dirname(relative), made)
                self._link(target, md5)
                touched, status = True, os.lstat(target)
            touched |= self._set_mode(status, target, md5, artifact)
        return touched

    def _is_linked(self, status: os.stat_result, target: str, md5: str) -> bool:
        """Whether a file with the right content has the kind of link that works best here."""
        kind = self._linker.best(status.st_dev)
        if stat.S_ISLNK(status.st_mode):
            return kind == "symlink" and os.readlink(target) == self._objects.path(md5)
        if kind == "hardlink" and status.st_size:
            return os.path.samestat(status, os.stat(self._objects.path(md5)))
        return kind != "symlink" and status.st_nlink == 1

    def _link(self, target: str, md5: str) -> None:
        """Put an object at a path of the workspace."""
        source = self._objects.path(md5)
        try:
            kind = self._linker.link(source, target)
        except FileNotFoundError as error:
            if not os.path.exists(source):
                raise missing([md5]) from error
            raise
        if kind == "hardlink":
            self._objects.relinked(md5)

    def _set_mode(self, status: os.stat_result, target: str, md5: str, artifact: Artifact) -> bool:
        """Give a file the mode that DVC gives it; returns whether it had another.

        A link shares its mode with the object, so only what an executable needs is added.
        """
        execute = stat.S_IXUSR if artifact.isexec else 0
        is_copy = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
        if is_copy:
            mode = self._mode | execute
        elif execute:
            status = os.stat(target)
            mode = stat.S_IMODE(status.st_mode) | execute
        else:
            return False
        if stat.S_IMODE(status.st_mode) == mode:
            return False
        os.chmod(target, mode)
        if not is_copy:
            self._objects.relinked(md5)
        return True


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
