"""Runs of a commit in a worktree of its own, never touching the user's files."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.artifacts import DvcConfig, HashIndex, Store
from penstock.artifacts.home import dvc_root
from penstock.domain.revision import Revision
from penstock.domain.run import Run
from penstock.errors import StateError, UsageError
from penstock.pipeline.git import git, revision
from penstock.pipeline.runner import execute
from penstock.pipeline.work import StageHooks

KEPT = 3
"""Worktrees of earlier commits that stay, so that running one again has little to do."""
_LOCKS = (":(exclude,glob)**/dvc.lock", ":(exclude)dvc.lock")


def run_commit(
    root: Path,
    rev: str,
    *,
    hooks: StageHooks | None = None,
    hooks_at: Callable[[Path], StageHooks | None] | None = None,
    **options: Any,
) -> tuple[Run, Path]:
    """Run a commit's pipeline in a worktree below ``.penstock/worktrees``, with the shared cache.

    Args:
        root: of the project, whose work tree stays as it is.
        rev: anything that Git understands: a branch, a tag, an id.
        hooks: tests around stages.
        hooks_at: makes them for the directory of the worktree instead.
        options: as of `execute`.

    Returns:
        The run, and the project's directory in the worktree.

    Raises:
        UsageError: ``pipeline.unknown-revision``.
        StateError: ``pipeline.no-git``.
        ConfigError, UnavailableError: as of `execute`.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - links stay as they are
    commit = resolve(root, rev)
    base = prepare(root, commit, commit[:12])
    _forget(root, keep=base)
    made = hooks_at(base) if hooks_at is not None else hooks
    store = shared_store(root, base)
    try:
        run = execute(
            base,
            hooks=made,
            store=store,
            revision=described(root, commit),
            base=root,
            **{name: value for name, value in options.items() if name != "revision"},
        )
    finally:
        store.close()
    return run, base


def resolve(root: Path, rev: str) -> str:
    """Return the full id of a commit.

    Raises:
        UsageError: ``pipeline.unknown-revision``.
        StateError: ``pipeline.no-git``.
    """
    try:
        return git(root, "rev-parse", "--verify", "--end-of-options", f"{rev}^{{commit}}").strip()
    except StateError:
        revision(root)  # says so when there is no repository at all
        raise UsageError(
            f"Git knows no commit {rev!r}",
            code="pipeline.unknown-revision",
            hint="`git log --oneline` lists them; `git fetch` brings those of a server",
        ) from None


def revision_of(root: Path, rev: str) -> Revision:
    """Return what a run of a revision is a run of.

    Raises:
        UsageError: ``pipeline.unknown-revision``.
        StateError: ``pipeline.no-git``.
    """
    return described(root, resolve(root, rev))


def described(root: Path, commit: str) -> Revision:
    """Return a commit with its subject and, where exactly one points to it, its branch."""
    subject = git(root, "log", "-1", "--format=%s", commit).strip()
    heads = git(
        root, "for-each-ref", "--format=%(refname:short)", "--points-at", commit, "refs/heads"
    )
    branches = heads.split()
    return Revision(commit, branches[0] if len(branches) == 1 else None, subject=subject)


def prepare(root: Path, commit: str, name: str) -> Path:
    """Return the project's directory in a worktree at a commit; make it, or put it right.

    Files that Git tracks are as in the commit, but dvc.lock: what earlier runs of the commit
    finished there is still true.
    """
    prefix = git(root, "rev-parse", "--show-prefix").strip()
    top = root / ".penstock" / "worktrees" / name
    base = top / prefix if prefix else top
    if (top / ".git").exists() and _head(top) == commit:
        git(top, "checkout", "--force", "--quiet", commit, "--", ".", *_LOCKS)
    else:
        remove(root, top)
        top.parent.mkdir(parents=True, exist_ok=True)
        git(root, "worktree", "add", "--force", "--detach", "--quiet", str(top), commit)
    if not base.is_dir():
        raise StateError(
            f"the commit {commit[:10]} has no directory {prefix}",
            code="pipeline.no-pipeline",
            hint="the project did not exist then",
        )
    # DVC takes a directory with .dvc of its own for another project, and so leaves it alone.
    (base / ".dvc").mkdir(exist_ok=True)
    local = dvc_root(root) / ".dvc" / "config.local"
    if local.exists():
        shutil.copyfile(local, base / ".dvc" / "config.local")
    os.utime(top)
    return base


def _head(top: Path) -> str:
    return git(top, "rev-parse", "HEAD", check=False).strip()


def shared_store(root: Path, base: Path) -> Store:
    """Return the store of a worktree, on the cache and the remotes of the project itself.

    A remote that is named relative to `.dvc` is where it is for the project.
    """
    config = replace(DvcConfig.load(root), root=Path(os.path.abspath(base)))  # noqa: PTH100
    return Store(config, HashIndex.open(config.root))


def remove(root: Path, top: Path) -> None:
    """Remove a worktree, however much of it is there."""
    if top.exists():
        git(root, "worktree", "remove", "--force", "--force", str(top), check=False)
        shutil.rmtree(top, ignore_errors=True)
    git(root, "worktree", "prune", check=False)


def _forget(root: Path, keep: Path) -> None:
    """Remove worktrees of older runs; not one that another process works in."""
    from penstock.pipeline.guard import is_held

    folder = root / ".penstock" / "worktrees"
    found = [
        path for path in folder.iterdir() if path.is_dir() and path not in (keep, *keep.parents)
    ]
    with contextlib.suppress(OSError):
        found.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[KEPT - 1 :]:
        if not is_held(path):
            remove(root, path)
