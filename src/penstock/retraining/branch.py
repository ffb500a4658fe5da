"""The branch of retrainings: commits made from Git's own objects, without any work tree.

A commit is made of plain values (tree, files, parents, time), so making it again after a kill
gives the same id, and nothing that a user has checked out is ever touched.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from penstock.errors import StateError

NAME = "penstock"
MAIL = "penstock@localhost"


def _git(
    root: Path, *words: str, data: bytes | None = None, env: Mapping[str, str] | None = None
) -> tuple[int, bytes, str]:
    done = subprocess.run(
        ["git", "-C", str(root), *words],
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True,
        check=False,
        env={**os.environ, **(env or {})},
    )
    return done.returncode, done.stdout, done.stderr.decode(errors="replace").strip()


def ask(
    root: Path, *words: str, data: bytes | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run git and return what it prints.

    Raises:
        StateError: ``git.failed`` with its own words.
    """
    code, out, err = _git(root, *words, data=data, env=env)
    if code != 0:
        last = err.splitlines()[-1] if err else f"exit code {code}"
        raise StateError(f"git {words[0]}: {last}", code="git.failed")
    return out.decode(errors="surrogateescape").strip()


def content(root: Path, commit: str, path: str) -> bytes | None:
    """Return a file of a commit, None when it has none there; `path` is relative to the project."""
    code, out, _ = _git(root, "cat-file", "blob", f"{commit}:./{path}")
    return out if code == 0 else None


def tip(root: Path, branch: str) -> str | None:
    """Return the commit that a branch is at, None when there is no such branch."""
    code, out, _ = _git(root, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}")
    return out.decode().strip() if code == 0 else None


def is_ancestor(root: Path, older: str, newer: str) -> bool:
    """Whether one commit is part of the history of another (or the same)."""
    return _git(root, "merge-base", "--is-ancestor", older, newer)[0] == 0


def foundation(root: Path, head: str, branch: str) -> tuple[str, tuple[str, ...]]:
    """Return the commit whose files a retraining starts from, and the parents of its commit.

    Where nobody committed since the last retraining, it is built on that one: its data and its
    parameters are the newest. Otherwise people's commit is, and the branch joins it, so that its
    history is never lost.
    """
    last = tip(root, branch)
    if last is None or is_ancestor(root, last, head):
        return head, (head,)
    if is_ancestor(root, head, last):
        return last, (last,)
    return head, (head, last)


def commit(
    root: Path,
    start: str,
    parents: Sequence[str],
    files: Mapping[str, bytes],
    message: str,
    when: float,
) -> str:
    """Make a commit with the files of `start`, some of them replaced; return its id.

    Nothing is made when no file differs: then it is `start` itself.

    Args:
        root: of the project.
        start: commit that gives the files.
        parents: of the new commit.
        files: path relative to the project -> new content.
        message: of the commit.
        when: seconds since the epoch, so that the same call makes the same commit.
    """
    changed = {path: data for path, data in files.items() if content(root, start, path) != data}
    if not changed:
        return start
    prefix = ask(root, "rev-parse", "--show-prefix")
    with tempfile.TemporaryDirectory(prefix="penstock-index-") as folder:
        index = {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        ask(root, "read-tree", start, env=index)
        for path, data in sorted(changed.items()):
            blob = ask(root, "hash-object", "-w", "--stdin", data=data)
            mode = _mode(root, start, path)
            entry = f"{mode},{blob},{prefix}{path}"
            ask(root, "update-index", "--add", "--cacheinfo", entry, env=index)
        tree = ask(root, "write-tree", env=index)
    stamp = f"{int(when)} +0000"
    who = {
        "GIT_AUTHOR_NAME": NAME,
        "GIT_AUTHOR_EMAIL": MAIL,
        "GIT_AUTHOR_DATE": stamp,
        "GIT_COMMITTER_NAME": NAME,
        "GIT_COMMITTER_EMAIL": MAIL,
        "GIT_COMMITTER_DATE": stamp,
    }
    words = [word for parent in parents for word in ("-p", parent)]
    return ask(root, "commit-tree", tree, *words, data=message.encode(), env=who)


def _mode(root: Path, start: str, path: str) -> str:
    listed = ask(root, "ls-tree", start, f"./{path}")
    return listed.split()[0] if listed.startswith("100") else "100644"


def move(root: Path, branch: str, commit: str) -> None:
    """Let a branch point to a commit that has its present tip in its history.

    Raises:
        StateError: ``retrain.branch-in-use`` when it is checked out somewhere,
            ``retrain.branch-moved`` when somebody else committed to it.
    """
    name = f"refs/heads/{branch}"
    last = tip(root, branch)
    if last == commit:
        return
    if f"branch {name}" in ask(root, "worktree", "list", "--porcelain").splitlines():
        raise StateError(
            f"the branch {branch} is checked out",
            code="retrain.branch-in-use",
            hint="check out another branch: penstock commits retrainings to it, and your files "
            "would no longer fit",
        )
    if last is not None and not is_ancestor(root, last, commit):
        raise StateError(
            f"somebody committed to {branch} while a model was retrained",
            code="retrain.branch-moved",
            hint="ask again: `penstock retrain`; `retrain.branch` names the branch",
        )
    ask(root, "update-ref", "-m", "penstock retrain", name, commit, last or "0" * len(commit))
