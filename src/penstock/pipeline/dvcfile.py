"""`.dvc` files: data that somebody added, and the digest that it must have."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from penstock.config import source
from penstock.domain.pipeline import Dependency, Output, Place, Stage
from penstock.errors import ConfigError
from penstock.pipeline import entry as entries
from penstock.pipeline.addresses import is_url, join


def read(path: Path, file: str) -> Stage:
    """Read a ``.dvc`` file.

    A single-stage file of old (with ``cmd``) becomes a stage like any other. An import has a
    dependency only while it is not frozen, and comes from a place that can be looked at.

    Raises:
        ConfigError: it is not one, with the place.
    """
    document = source.read(path, file=file)
    data = document.value or {}
    outs = data.get("outs") if isinstance(data, dict) else None
    good = isinstance(outs, list) and all(
        isinstance(item, dict) and isinstance(item.get("path"), str) for item in outs
    )
    if not good:
        raise ConfigError(
            f"{file} is not a .dvc file",
            code="dvcfile.shape",
            span=document.span(("outs",)),
            hint="it needs `outs:`, a list of mappings with `path` and `md5`",
        )
    wdir = join(posixpath.dirname(file), data.get("wdir") or "")
    made: list[Output] = []
    for index, item in enumerate(outs or ()):
        span = document.span(("outs", index, "path"))
        made.append(
            Output(
                item["path"],
                join(wdir, item["path"]),
                (span.file, span.line, span.column),
                cache=item.get("cache", True) is not False,
                persist=item.get("persist", False) is True,
                push=item.get("push", True) is not False,
                remote=item.get("remote"),
                artifact=recorded(item, data.get("deps")),
            )
        )
    cmd = data.get("cmd")
    frozen = data.get("frozen") is True or data.get("locked") is True
    span = document.span(())
    return Stage(
        address=file,
        name="",
        file=file,
        wdir=wdir or ".",
        cmd=cmd if isinstance(cmd, str | list) else None,
        place=(span.file, span.line, span.column),
        deps=tuple(_deps(document, data, wdir)) if cmd or not frozen else (),
        outs=tuple(made),
        frozen=frozen,
        always_changed=data.get("always_changed") is True,
    )


def _deps(document: source.Document, data: dict[Any, Any], wdir: str) -> list[Dependency]:
    found = []
    for index, item in enumerate(data.get("deps") or ()):
        if isinstance(item, dict) and isinstance(item.get("path"), str) and "repo" not in item:
            span = document.span(("deps", index))
            place = (span.file, span.line, span.column)
            found.append(origin(item["path"], wdir, place))
    return found


def origin(path: str, wdir: str, place: Place) -> Dependency:
    """Return a dependency of a ``.dvc`` file."""
    if is_url(path):
        return Dependency(path, path.rstrip("/"), place)
    return Dependency(path, join(wdir, path), place)


def recorded(item: dict[Any, Any], deps: Any = None) -> dict[str, Any] | None:
    """Return an entry of a ``.dvc`` file as an artifact's plain values; None without a digest.

    With them go the files that it lists (``files``), and the state that the source of an import
    had (``source``).
    """
    artifact = entries.recorded(item)
    if artifact is None:
        return None
    found = artifact.to_dict()
    if (files := entries.listed(item)) is not None:
        found["files"] = files
    if isinstance(deps, list) and len(deps) == 1 and isinstance(deps[0], dict):
        state = entries.recorded(deps[0])
        found["source"] = state.md5 if state else None
    return found
