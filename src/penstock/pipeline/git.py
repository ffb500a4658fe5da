"""What Git says about a project."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from penstock.domain.revision import Revision
from penstock.errors import StateError, UnavailableError


def git(root: Path, *arguments: str, data: bytes | None = None, check: bool = True) -> str:
    """Run git in a directory and return what it prints.

    Raises:
        UnavailableError: ``git.missing`` when it is not installed.
        StateError: ``git.failed`` with its own words.
    """
    done = _run(root, arguments, data)
    if check and done.returncode != 0:
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise StateError(
            f"git {arguments[0]}: {words[-1] if words else f'exit code {done.returncode}'}",
            code="git.failed",
        )
    return done.stdout.decode(errors="replace")


def _run(
    root: Path, arguments: Sequence[str], data: bytes | None
) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], input=data, capture_output=True, check=False
        )
    except FileNotFoundError:
        raise UnavailableError(
            "git is not installed", code="git.missing", hint="apt-get install git"
        ) from None


def revision(root: Path) -> Revision:
    """Return the commit that a project is at, and whether tracked files differ from it.

    Raises:
        StateError: ``pipeline.no-git`` when there is no repository, or no commit in it.
    """
    done = _run(root, ("status", "--porcelain=v2", "--branch", "--untracked-files=no"), None)
    facts: dict[str, str] = {}
    dirty = False
    for line in done.stdout.decode(errors="replace").splitlines():
        if line.startswith("# "):
            name, _, value = line[2:].partition(" ")
            facts[name] = value
        else:
            dirty = True
    commit = facts.get("branch.oid", "")
    if done.returncode != 0 or not commit or commit == "(initial)":
        raise StateError(
            f"{root} has no Git commit",
            code="pipeline.no-git",
            hint="git init, git add, git commit: a run is remembered by its commit",
        )
    head = facts.get("branch.head")
    subject = git(root, "log", "-1", "--format=%s").strip()
    return Revision(commit, None if head == "(detached)" else head, dirty, subject)


def has_repository(root: Path) -> bool:
    """Whether a project lies in a Git work tree."""
    return any((folder / ".git").exists() for folder in (root, *root.parents))
