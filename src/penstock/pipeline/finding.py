"""Finds the dvc.yaml and .dvc files of a project, looking again only where something changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SKIPPED = frozenset((".git", ".hg", ".dvc", ".penstock", "__pycache__", "node_modules"))
_MARGIN_NS = 2_100_000_000
"""A directory that changed this recently is looked at again next time."""

Listing = dict[str, list[Any]]
"""Directory (relative, "" for the root) -> time of change in ns, sub-directories, files."""


def find(
    root: Path, known: Listing, skip: Callable[[str], bool]
) -> tuple[list[str], Listing, bool]:
    """Return the files that declare stages, outermost first.

    Args:
        root: of the project.
        known: what an earlier call returned.
        skip: says which directories are left out (ignored ones, and outputs).

    Returns:
        Paths relative to the root; the listing to remember; whether it differs from `known`.
    """
    found: list[str] = []
    fresh: Listing = {}
    changed = False
    todo = [""]
    now = time.time_ns()
    for folder in todo:
        try:
            mtime = os.stat(os.path.join(root, folder)).st_mtime_ns  # noqa: PTH116, PTH118 - hot
            row = known.get(folder)
            if row is None or row[0] != mtime:
                row = [mtime if now - mtime > _MARGIN_NS else 0, *_look(root, folder)]
                changed = True
        except OSError:
            continue
        fresh[folder] = row
        _, folders, files = row
        prefix = f"{folder}/" if folder else ""
        found += [prefix + name for name in files]
        todo += [prefix + name for name in folders if not skip(prefix + name)]
    return found, fresh, changed or len(fresh) != len(known)


def _look(root: Path, folder: str) -> tuple[list[str], list[str]]:
    folders, files = [], []
    with os.scandir(os.path.join(root, folder)) as entries:  # noqa: PTH118 - hot
        for entry in entries:
            name = entry.name
            if entry.is_dir(follow_symlinks=False):
                if name not in _SKIPPED:
                    folders.append(name)
            elif name == "dvc.yaml" or (name.endswith(".dvc") and name != ".dvc"):
                files.append(name)
    prefix = os.path.join(root, folder)  # noqa: PTH118 - hot
    # A directory with a .dvc or pyvenv.cfg of its own is another project, or an environment.
    folders = [
        name
        for name in folders
        if not os.path.exists(f"{prefix}/{name}/.dvc")  # noqa: PTH110 - hot
        and not os.path.exists(f"{prefix}/{name}/pyvenv.cfg")  # noqa: PTH110 - hot
    ]
    return sorted(folders), sorted(files)
