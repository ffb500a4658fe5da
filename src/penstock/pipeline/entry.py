"""Entries of dvc.lock and keys of the run cache, made from what a stage read and wrote. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from penstock.artifacts.legacy import ALGORITHM as OLD
from penstock.artifacts.listing import listing_bytes, listing_digest
from penstock.domain.artifact import DATA_SET, Artifact
from penstock.domain.pipeline import Stage
from penstock.pipeline.addresses import is_outside, is_url
from penstock.pipeline.parameters import DEFAULT

_DIGESTS = ("md5", "etag", "checksum")
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
    if artifact.algorithm == DATA_SET:
        return {"path": path, DATA_SET: json.loads(artifact.dataset)}
    found: dict[str, Any] = {"path": path, "hash": "md5", artifact.algorithm: artifact.md5}
    if artifact.size >= 0:
        found["size"] = artifact.size
    if artifact.nfiles is not None:
        found["nfiles"] = artifact.nfiles
    if artifact.isexec:
        found["isexec"] = True
    return found


def artifacts(entry: Mapping[str, Any] | None, section: str) -> dict[str, Artifact]:
    """Return the dependencies or outputs of an entry by path, those with a digest."""
    found: dict[str, Artifact] = {}
    for one in (entry or {}).get(section) or ():
        if isinstance(one, dict) and (artifact := recorded(one)) is not None:
            found[artifact.path] = artifact
    return found


def outputs(stage: Stage, entry: Mapping[str, Any] | None) -> dict[str, Artifact]:
    """Return what the outputs of a stage should be, by path as written, as far as it is known."""
    known = artifacts(entry, "outs")
    known.update({out.path: Artifact.from_dict(out.artifact) for out in stage.outs if out.artifact})
    return known


def recorded(one: Mapping[Any, Any]) -> Artifact | None:
    """Return an item of dvc.lock or of a ``.dvc`` file; None when it has no digest.

    An item without ``hash: md5`` was written by DVC 2. One whose storage keeps versions lists its
    files instead of the digest of that list.
    """
    path, size, nfiles = str(one.get("path", "")), one.get("size"), one.get("nfiles")
    if DATA_SET in one:
        from penstock.pipeline import datasets

        return datasets.artifact(path, one[DATA_SET])
    files = listed(one)
    if files is not None:
        digest = listing_digest(listing_bytes(files))
        sizes = [file.get("size") for file in one["files"]]
        return Artifact(path, digest, sum(x for x in sizes if isinstance(x, int)), len(files))
    algorithm = next((word for word in _DIGESTS if isinstance(one.get(word), str | int)), None)
    if algorithm is None:
        return None
    digest = str(one[algorithm])
    if algorithm == "md5" and one.get("hash") != "md5":
        algorithm = OLD
    return Artifact(
        path,
        digest,
        size if isinstance(size, int) else 0,
        nfiles if isinstance(nfiles, int) else None,
        isexec=one.get("isexec") is True,
        algorithm=algorithm,
    )


def listed(one: Mapping[Any, Any]) -> dict[str, str] | None:
    """Return md5 by relative path of an item that lists its files, else None."""
    files = one.get("files")
    if not isinstance(files, list):
        return None
    found: dict[str, str] = {}
    for file in files:
        name = file.get("relpath") if isinstance(file, dict) else None
        if not isinstance(name, str) or not isinstance(file.get("md5"), str):
            return None
        found[name] = file["md5"]
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
        and (stage.deps or stage.params)
        and stage.outs
        and not stage.always_changed
        and not any(out.persist or is_outside(out.full) for out in stage.outs)
        and not any(is_url(dep.full) for dep in stage.deps)
        and not any(not out.cache and out.kind == "out" for out in stage.outs)
    )
