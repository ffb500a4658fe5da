"""Data that others pushed: a newer commit of the project's branch has another `.dvc` file.

The branch's server is asked which commit it is at. Where the project is behind, and its own data is
what its `.dvc` file says (nobody changed it here), the data of that commit counts.
"""

from __future__ import annotations

import os
import posixpath
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.domain.artifact import Artifact
from penstock.errors import StateError, UnavailableError
from penstock.pipeline import entry as entries
from penstock.retraining import branch, origins
from penstock.retraining.sources import DVC, PUSHED, Source, Sources, rows

_HISTORY = 20
"""Commits that changed a .dvc file, which are looked into for what the work tree still has."""


def newest(root: Path, troubles: list[str]) -> str | None:
    """Ask the server of the present branch for its commit, and fetch what is new.

    Args:
        root: of the project.
        troubles: takes why the server could not be asked; then what was fetched last counts.

    Returns:
        The commit, None when the branch follows none, or the project is not behind it.
    """
    try:
        name = branch.ask(root, "symbolic-ref", "--quiet", "HEAD")
    except StateError:
        return None  # no branch is checked out
    words = "--format=%(upstream:remotename)%00%(upstream:remoteref)%00%(upstream)"
    remote, there, here = branch.ask(root, "for-each-ref", words, name).split("\0")
    if not here or remote == ".":
        return None
    what = f"{there.removeprefix('refs/heads/')} of {remote}"
    try:
        commit = origins.git_refs(root, what, remote, there).get(there)
        if commit is not None and commit != _known(root, here):
            origins.git_quietly(root, what, "fetch", "--quiet", "--", remote)
    except UnavailableError as error:
        troubles.append(error.message)
    return behind(root, here)


def behind(root: Path, here: str) -> str | None:
    """Return the commit of a ref when the project is behind it."""
    commit, head = _known(root, here), _known(root, "HEAD")
    if commit is None or head is None or commit == head:
        return None
    return commit if branch.is_ancestor(root, head, commit) else None


def _known(root: Path, ref: str) -> str | None:
    try:
        return branch.ask(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    except StateError:
        return None


def taken(root: Path, found: Sources, commit: str) -> Sources:
    """Return the data with what a commit has anew in the place of what was not changed here.

    Args:
        root: of the project.
        found: as the work tree has it.
        commit: to look into: one that the project is behind, or that it is at.
    """
    items = tuple(_taken(root, one, commit) if one.kind == DVC else one for one in found.items)
    return replace(found, items=items, commit=commit if items != found.items else found.commit)


def _taken(root: Path, one: Source, commit: str) -> Source:
    there, here = branch.content(root, commit, one.file), branch.content(root, "HEAD", one.file)
    if there is None or here is None:
        return one
    theirs, remote = _said(there, one)
    if theirs is None or (one.artifact is None and there == here):
        return one
    if one.artifact is not None:
        same = one.artifact.md5 == theirs.md5
        if same or _read(root, one) != here or not _was(root, one, here):
            return one  # nothing new, or changed here on purpose
    return replace(one, kind=PUSHED, artifact=theirs, place="", out={"remote": remote})


def _read(root: Path, one: Source) -> bytes:
    file = root / one.file
    return file.read_bytes() if file.is_file() else b""


def _was(root: Path, one: Source, here: bytes) -> bool:
    """Whether the work tree has what the project's .dvc file says, or said some commits ago.

    After `git pull` without `dvc pull` it has what the file said before.
    """
    assert one.artifact is not None
    words = ("log", f"-{_HISTORY}", "--format=%H", "HEAD", "--", one.file)
    older = (branch.content(root, commit, one.file) for commit in branch.ask(root, *words).split())
    texts = (here, *(text for text in older if text is not None))
    known = (_said(text, one)[0] for text in texts)
    return any(artifact is not None and artifact.md5 == one.artifact.md5 for artifact in known)


def _said(text: bytes, source: Source) -> tuple[Artifact | None, str | None]:
    """Return what the text of a .dvc file says of a source, and the remote that has it."""
    import yaml

    data: Any = yaml.safe_load(text)
    wdir = posixpath.join(posixpath.dirname(source.file), data.get("wdir") or "")
    for out in data.get("outs") or ():
        if posixpath.normpath(posixpath.join(wdir, str(out.get("path")))) == source.path:
            found = entries.recorded(out)
            return (replace(found, path=source.path) if found else None), out.get("remote")
    return None, None


def fetched(root: Path, found: Sources) -> Sources:
    """See to it that the cache has the data that others pushed, and count its rows.

    Raises:
        UnavailableError: the remote cannot be reached.
        StateError: ``artifacts.no-remote``, or it does not have the data.
    """
    items = []
    with closing(Store.open(root)) as store:
        for one in found.items:
            if one.kind != PUSHED or one.artifact is None:
                items.append(one)
                continue
            if not store.has(one.artifact):
                store.remote(one.out.get("remote")).fetch([one.artifact], store)
            with origins.scratch(root, one.path) as place:
                store.checkout(one.artifact, place)
                seen = replace(one, kind=DVC, place=os.path.relpath(place, root))
                items.append(replace(one, rows=rows(root, [seen])))
    return replace(found, items=tuple(items))
