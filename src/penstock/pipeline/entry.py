"""Entries of dvc.lock and keys of the run cache, made from what a stage read and wrote. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Stage
from penstock.pipeline.parameters import DEFAULT

_NOT_HASHED = frozenset(("size", "nfiles"))


def make(
    stage: Stage,
    deps: Mapping[str, Artifact],
    params: Mapping[str, Mapping[str, Any]],
    outs: Mapping[str, Artifact],
) -> dict[str, Any]:
    """Return the entry of a stage, in DVC's order of keys.

    Args:
        stage: its command.
        deps, outs: by path as written by the user.
        params: values by file, sorted by name.
    """
    entry: dict[str, Any] = {"cmd": stage.cmd}
    if deps:
        entry["deps"] = [item(path, deps[path]) for path in sorted(deps)]
    if params:
        files = sorted(params, key=lambda path: (path != DEFAULT, path))
        entry["params"] = {path: dict(params[path]) for path in files}
    if outs:
        entry["outs"] = [item(path, outs[path]) for path in sorted(outs)]
    return entry


def item(path: str, artifact: Artifact) -> dict[str, Any]:
    """Return one dependency or output, in DVC's order of keys."""
    found: dict[str, Any] = {
        "path": path, "hash": "md5", "md5": artifact.md5, "size": artifact.size
    }  # fmt: skip
    if artifact.nfiles is not None:
        found["nfiles"] = artifact.nfiles
    if artifact.isexec:
        found["isexec"] = True
    return found


def artifacts(entry: Mapping[str, Any] | None, section: str) -> dict[str, Artifact]:
    """Return the dependencies or outputs of an entry by path; those of DVC 2 are left out."""
    found: dict[str, Artifact] = {}
    for one in (entry or {}).get(section) or ():
        if isinstance(one, dict) and one.get("hash") == "md5" and isinstance(one.get("md5"), str):
            size = one.get("size")
            found[str(one.get("path"))] = Artifact(
                str(one.get("path")),
                one["md5"],
                size if isinstance(size, int) else 0,
                one.get("nfiles"),
                one.get("isexec") is True,
            )
    return found


def params(entry: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return the parameters of an entry by file."""
    section = (entry or {}).get("params")
    if not isinstance(section, dict):
        return {}
    return {str(file): dict(one) for file, one in section.items() if isinstance(one, dict)}


def keys(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Return DVC's key (what went in) and value (that and what came out) for the run cache."""
    whole = _hashed(entry)
    inputs = {**whole, "outs": [out["path"] for out in entry.get("outs", ())]}
    return _sha256(inputs), _sha256(whole)


def _hashed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hashed(one) for key, one in value.items() if key not in _NOT_HASHED}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_hashed(one) for one in value]
    return value


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def cacheable(stage: Stage) -> bool:
    """Whether DVC keeps executions of a stage in the run cache."""
    return bool(
        stage.cmd
        and stage.deps
        and stage.outs
        and not stage.always_changed
        and not any(out.persist for out in stage.outs)
        and not any(not out.cache and out.kind == "out" for out in stage.outs)
    )
