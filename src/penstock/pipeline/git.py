"""What Git says about a project."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from penstock.domain.revision import Revision
from penstock.errors import PenstockError, StateError, UnavailableError

_OWN = re.compile(r"[ /\t]\.penstock/|[ /\t]dvc\.lock$")
"""What a run itself writes never makes a work tree dirty: it follows from what is committed. So do
outputs of stages that are kept in Git, such as a file of metrics."""
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
    """Return the commit that a project is at, and whether what a run reads differs from it.

    Raises:
        StateError: ``pipeline.no-git`` when there is no repository, or no commit in it.
    """
    plain = ("-c", "core.quotepath=off")
    status = (*plain, "status", "--porcelain=v2", "--branch", "--untracked-files=no")
    (code, text, _), (_, subject, _) = _run(root, [status, ("log", "-1", "--format=%s")], None)
    facts: dict[str, str] = {}
    changed = []
    for line in text.splitlines():
        if line.startswith("# "):
            name, _, value = line[2:].partition(" ")
            facts[name] = value
        elif not _OWN.search(line):
            changed.append(line)
    commit = facts.get("branch.oid", "")
    if code != 0 or not commit or commit == "(initial)":
        raise StateError(
            f"{root} has no Git commit",
            code="pipeline.no-git",
            hint="git init, git add, git commit: a run is remembered by its commit",
        )
    head = facts.get("branch.head")
    dirty = bool(changed) and not _made_by_stages(root, changed)
    return Revision(commit, None if head == "(detached)" else head, dirty, subject.strip())


def _made_by_stages(root: Path, changed: Sequence[str]) -> bool:
    """Whether nothing but outputs differs, of stages that make them anew unless they are theirs.

    A frozen stage is not run, and a persistent output may hold what was put there by hand.

    Args:
        root: of the project.
        changed: lines of ``git status --porcelain=v2``.
    """
    from penstock.pipeline.loading import load

    try:
        stages = load(root).stages.values()
    except PenstockError:  # whoever loads it next says what is wrong
        return False
    made = [stage for stage in stages if not stage.frozen and not stage.is_data]
    prefix = git(root, "rev-parse", "--show-prefix").strip()
    outs = [prefix + out.full for stage in made for out in stage.outs if not out.persist]
    # "1 .M N... mode mode mode hash hash path"; another kind is a rename or a conflict.
    paths = [line.split(" ", 8)[-1] for line in changed if line.startswith("1 ")]
    return len(paths) == len(changed) and all(
        any(path == out or path.startswith(f"{out}/") for out in outs) for path in paths
    )


def has_repository(root: Path) -> bool:
    """Whether a project lies in a Git work tree."""
    return any((folder / ".git").exists() for folder in (root, *root.parents))
