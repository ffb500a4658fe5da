"""The directories that a project's state lives in: `.penstock`, and `.dvc` where there is none."""

from __future__ import annotations

import os
from pathlib import Path

_DVC_IGNORED = "/config.local\n/tmp\n/cache\n"


def own_directory(root: Path) -> Path:
    """Make ``.penstock``, which ignores itself, and return it.

    It ignores itself whatever the project's .gitignore says: once Git tracks a file of it, no
    work tree is ever clean again.
    """
    folder = root / ".penstock"
    ignore = folder / ".gitignore"
    if not ignore.exists():
        folder.mkdir(parents=True, exist_ok=True)
        ignore.write_text("*\n", encoding="ascii")
    return folder


def dvc_root(root: Path) -> Path:
    """Return the directory whose ``.dvc`` a project uses: its own, or the nearest one above.

    The search ends at the top of the Git repository, as DVC's does; a project without any gets
    its own.
    """
    for folder in (root, *root.parents):
        if (folder / ".dvc").is_dir():
            return folder
        if os.path.lexists(folder / ".git"):
            break
    return root


def initialise_dvc(root: Path) -> bool:
    """Make ``.dvc`` as `dvc init` does, if the project has none; return whether it was made.

    Without it, the cache would stand in the way of `git add .`.

    Raises:
        OSError: when it cannot be written.
    """
    own = dvc_root(root) / ".dvc"
    if (own / ".gitignore").exists() or (own / "config").exists():
        return False
    own.mkdir(exist_ok=True)
    (own / ".gitignore").write_text(_DVC_IGNORED, encoding="ascii")
    (own / "config").touch()
    return True
