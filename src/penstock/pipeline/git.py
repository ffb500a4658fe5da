"""What Git says about a project."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from penstock.domain.revision import Revision
from penstock.errors import StateError, UnavailableError

_OWN = re.compile(r"[ /\t]\.penstock/|[ /\t]dvc\.lock$")
"""What a run itself writes never makes a work tree dirty: it follows from what is committed."""
_Done: TypeAlias = "tuple[int, str, str]"
"""Exit code, standard output, standard error."""


def git(root: Path, *arguments: str, data: bytes | None = None, check: bool = True) -> str:
    """Run git in a directory and return what it prints.

    Raises:
        UnavailableError: ``git.missing`` when it is not installed.
        StateError: ``git.failed`` with its own words.
    """
    ((code, out, err),) = _run(root, [arguments], data)
    if check and code != 0:
        words = err.strip().splitlines()
        raise StateError(
            f"git {arguments[0]}: {words[-1] if words else f'exit code {code}'}",
            code="git.failed",
        )
    return out


def _run(root: Path, commands: Sequence[Sequence[str]], data: bytes | None) -> list[_Done]:
    """Run several git commands at once."""
    import subprocess

    pipe = subprocess.PIPE
    try:
        running = [
            subprocess.Popen(
                ["git", "-C", str(root), *command],
                stdin=subprocess.DEVNULL if data is None else pipe,
                stdout=pipe,
                stderr=pipe,
            )
            for command in commands
        ]
    except FileNotFoundError:
        raise UnavailableError(
            "git is not installed", code="git.missing", hint="apt-get install git"
        ) from None
    done = []
    for process in running:
        out, err = process.communicate(data)
        texts = (out.decode(errors="replace"), err.decode(errors="replace"))
        done.append((process.returncode, *texts))
    return done


def revision(root: Path) -> Revision:
    """Return the commit that a project is at, and whether tracked files differ from it.

    Raises:
        StateError: ``pipeline.no-git`` when there is no repository, or no commit in it.
    """
    status = ("status", "--porcelain=v2", "--branch", "--untracked-files=no")
    (code, text, _), (_, subject, _) = _run(root, [status, ("log", "-1", "--format=%s")], None)
    facts: dict[str, str] = {}
    dirty = False
    for line in text.splitlines():
        if line.startswith("# "):
            name, _, value = line[2:].partition(" ")
            facts[name] = value
        elif not _OWN.search(line):
            dirty = True
    commit = facts.get("branch.oid", "")
    if code != 0 or not commit or commit == "(initial)":
        raise StateError(
            f"{root} has no Git commit",
            code="pipeline.no-git",
            hint="git init, git add, git commit: a run is remembered by its commit",
        )
    head = facts.get("branch.head")
    return Revision(commit, None if head == "(detached)" else head, dirty, subject.strip())


def has_repository(root: Path) -> bool:
    """Whether a project lies in a Git work tree."""
    return any((folder / ".git").exists() for folder in (root, *root.parents))
