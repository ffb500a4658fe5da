"""`.dvc` files: data that somebody added, and the digest that it must have."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from penstock.config import source
from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Dependency, Output, Stage
from penstock.errors import ConfigError
from penstock.pipeline.dvcyaml import clean, join


def read(path: Path, file: str) -> Stage:
    """Read a ``.dvc`` file.

    A single-stage file of old (with ``cmd``) becomes a stage like any other; an import keeps its
    outputs alone, since only DVC can fetch it anew.

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
                clean(item["path"]),
                join(wdir, item["path"]),
                (span.file, span.line, span.column),
                cache=item.get("cache", True) is not False,
                persist=item.get("persist", False) is True,
                push=item.get("push", True) is not False,
                remote=item.get("remote"),
                artifact=recorded(item),
            )
        )
    cmd = data.get("cmd")
    span = document.span(())
    return Stage(
        address=file,
        name="",
        file=file,
        wdir=wdir or ".",
        cmd=cmd if isinstance(cmd, str | list) else None,
        place=(span.file, span.line, span.column),
        deps=tuple(_deps(document, data, wdir)) if cmd else (),
        outs=tuple(made),
        frozen=data.get("frozen") is True,
        always_changed=data.get("always_changed") is True,
    )


def _deps(document: source.Document, data: dict[Any, Any], wdir: str) -> list[Dependency]:
    found = []
    for index, item in enumerate(data.get("deps") or ()):
        if isinstance(item, dict) and isinstance(item.get("path"), str):
            span = document.span(("deps", index))
            place = (span.file, span.line, span.column)
            found.append(Dependency(clean(item["path"]), join(wdir, item["path"]), place))
    return found


def recorded(item: dict[Any, Any]) -> dict[str, Any] | None:
    """Return an entry of dvc.lock or of a ``.dvc`` file as an artifact's plain values.

    None when it has no digest, or one of DVC 2, whose cache is another.
    """
    md5 = item.get("md5")
    if not isinstance(md5, str) or item.get("hash") != "md5":
        return None
    size, nfiles = item.get("size"), item.get("nfiles")
    return Artifact(
        str(item.get("path", "")),
        md5,
        size if isinstance(size, int) else 0,
        nfiles if isinstance(nfiles, int) else None,
        isexec=item.get("isexec") is True,
    ).to_dict()
