"""`datasets:` of dvc.yaml: data kept elsewhere, at the version that dvc.lock holds of it.

`dvc ds add` and `dvc ds update` look up the version, over a network where need be, and write it
into dvc.lock. Stages name a data set as ``ds://name``. Nothing is fetched here: a stage is up to
date when it last ran with the version that dvc.lock holds now, as DVC sees it.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.artifacts.stamps import Stamp
from penstock.domain.artifact import DATA_SET, Artifact
from penstock.domain.pipeline import Dependency, Place, Stage
from penstock.errors import ConfigError, Problem, Span, StageError
from penstock.pipeline import durable

SCHEME = "ds://"
_VERSION = "datasets-1"
_SPEC = {"dvc": ("name", "url", "type", "path", "rev"), "dc": ("name", "url", "type")}
_SPEC["url"] = _SPEC["dc"]
_LOCK = {"dvc": ("rev_lock",), "dc": ("version", "created_at"), "url": ("meta", "files")}
_META = ("isdir", "size", "nfiles", "isexec", "version_id", "etag", "checksum", "md5", "inode",
         "mtime", "remote")  # fmt: skip

Found = dict[str, tuple[str, Mapping[Any, Any], Place]]
"""Data sets by name: the dvc.yaml, what it says, and where."""


def is_data_set(path: str) -> bool:
    """Whether a dependency names a data set.

    >>> is_data_set("ds://raw"), is_data_set("raw")
    (True, False)
    """
    return path.startswith(SCHEME)


def name_of(path: str) -> str:
    """Return the name of the data set that a dependency names.

    >>> name_of("ds://raw")
    'raw'
    """
    return path.removeprefix(SCHEME).partition("/")[0]


def attach(stages: dict[str, Stage], found: Found) -> list[Problem]:
    """Tell dependencies what the data sets that they name are; return the problems.

    Names hold for the whole project: a stage may read a data set of another dvc.yaml.
    """
    problems: list[Problem] = []
    for address, stage in stages.items():
        if not any(is_data_set(dep.full) for dep in stage.deps):
            continue
        deps = []
        for dep in stage.deps:
            if is_data_set(dep.full):
                problem, spec = _spec(dep, found)
                problems += [problem] if problem else []
                dep = replace(dep, dataset=spec)
            deps.append(dep)
        stages[address] = replace(stage, deps=tuple(deps))
    return problems


def _spec(dep: Dependency, found: Found) -> tuple[Problem | None, tuple[str, str] | None]:
    name = name_of(dep.full)
    if name not in found:
        from penstock.pipeline.schema import near

        message = f"there is no data set called {name!r}"
        hint = near(name, found) or f"`dvc ds add {name} ...` adds one to `datasets:` of dvc.yaml"
        return Problem("dvcyaml.no-dataset", message, Span(*dep.place), hint), None
    file, item, place = found[name]
    kind = item.get("type")
    if kind not in _SPEC:
        message = f"the data set {name} is of the type {kind!r}, which DVC does not know"
        hint = "it is called `dc` now" if kind == "dvcx" else "it is one of dvc, dc and url"
        return Problem("dvcyaml.type", message, Span(*place), hint), None
    if not isinstance(item.get("url"), str):
        message = f"the data set {name} needs a url"
        return Problem("dvcyaml.missing-key", message, Span(*place)), None
    spec = _spec_of(item, str(kind))
    return None, (file.removesuffix("yaml") + "lock", json.dumps(spec))


def _spec_of(item: Mapping[Any, Any], kind: str) -> dict[str, Any]:
    """Return what says which data set is meant, in DVC's order; what is not said is left out."""
    return {key: item[key] for key in _SPEC[kind] if item.get(key) not in (None, "")}


def look(root: Path, deps: list[Dependency]) -> list[Artifact | None]:
    """Return the state of data sets in dvc.lock; None where it holds none, or that of another.

    Raises:
        ConfigError: dvc.lock cannot be read.
    """
    locks = _Locks(root)
    return [_state(dep, locks) for dep in deps]


def _state(dep: Dependency, locks: _Locks) -> Artifact | None:
    if dep.dataset is None:
        return None
    file, text = dep.dataset
    spec = json.loads(text)
    item = locks.get(file, spec["name"])
    if item is None or _spec_of(item, spec["type"]) != spec:
        return None
    return artifact(dep.path, item)


def artifact(path: str, item: Any) -> Artifact | None:
    """Return what a lock file says of a data set, in DVC's words; None for what it cannot be."""
    if not isinstance(item, Mapping) or item.get("type") not in _LOCK:
        return None
    kind = str(item["type"])
    facts = _spec_of(item, kind)
    try:
        if kind == "dvc":
            facts["rev_lock"] = item["rev_lock"]
        elif kind == "dc":
            facts |= {"version": item["version"], "created_at": _time(item["created_at"])}
        else:
            facts["meta"] = _meta(item["meta"])
            if files := sorted(map(_file, item.get("files") or ()), key=lambda one: one["relpath"]):
                facts["files"] = files
        text = json.dumps(facts)
        digest = hashlib.md5(
            json.dumps(_compared(facts), sort_keys=True).encode(), usedforsecurity=False
        ).hexdigest()
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return Artifact(path, digest, -1, algorithm=DATA_SET, dataset=text)


def _time(text: Any) -> str:
    from datetime import datetime

    return datetime.fromisoformat(text).isoformat()


def _meta(item: Any) -> dict[str, Any]:
    """Return facts about a file, without those that DVC does not write: false and null."""
    return {key: item[key] for key in _META if item.get(key) not in (None, False)}


def _file(item: Any) -> dict[str, Any]:
    return {"relpath": item["relpath"], "meta": _meta(item["meta"])}


def _compared(value: Any) -> Any:
    """Return the facts that tell two states apart: not the name of the remote."""
    if isinstance(value, dict):
        return {key: _compared(one) for key, one in value.items() if key != "remote"}
    return [_compared(one) for one in value] if isinstance(value, list) else value


class _Locks:
    """The section ``datasets`` of lock files, read anew only after they changed."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / ".penstock" / "cache" / "datasets.json"
        self._files: dict[str, list[Any]] | None = None

    def get(self, file: str, name: str) -> dict[str, Any] | None:
        """Return what a lock file holds of a data set."""
        return next((one for one in self._items(file) if one.get("name") == name), None)

    def _items(self, file: str) -> list[dict[str, Any]]:
        if self._files is None:
            self._files = durable.read_cache(self._path, _VERSION).get("files", {})
        path = self._root / file
        now = time.time_ns()
        try:
            stamp = Stamp.of(path.stat())
        except OSError:
            return []
        known = self._files.get(file)
        if known and known[0] == list(stamp):
            return list(known[1])
        items = _read(path, file)
        self._files[file] = [list(stamp), items]
        if stamp.settled(now) and durable.is_plain(items):
            durable.write_cache(self._path, _VERSION, {"files": self._files})
        return items


def _read(path: Path, file: str) -> list[dict[str, Any]]:
    from penstock.config import source

    try:
        data = source.read(path, file=file).value
    except ConfigError:
        from penstock.pipeline.lockfile import parse

        parse(path.read_text(encoding="utf-8", errors="replace"), file)  # knows an unresolved merge
        raise
    found = data.get("datasets") if isinstance(data, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def absent(root: Path, stage: Stage, dep: Dependency) -> StageError:
    """Return what to tell about a data set that `look` finds no state of."""
    file, text = dep.dataset or ("dvc.lock", "{}")
    spec, name = json.loads(text), name_of(dep.full)
    item = _Locks(root).get(file, name)
    why = f"whose version is not in {file}"
    for key in _SPEC[spec["type"]] if item is not None else ():
        says, holds = spec.get(key), (item or {}).get(key) or None
        if says != holds:
            yaml = file.removesuffix("lock") + "yaml"
            why = f"whose {key} is {says or 'none'} in {yaml} and {holds or 'none'} in {file}"
    return StageError(
        f"stage {stage.address} needs the data set {name}, {why}",
        code="stage.dataset-not-in-sync",
        span=Span(*dep.place),
        hint=f"`dvc ds update {name}` looks up its version and writes it there",
    )


def differences(old: Artifact, new: Artifact) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield what of a data set changed: its name, and the values then and now.

    Files of an address are named one by one, without values.
    """
    before, after = (json.loads(one.dataset or "{}") for one in (old, new))
    for key in dict.fromkeys([*before, *after]):
        one, other = before.get(key), after.get(key)
        if one == other:
            continue
        if key != "files":
            yield key, _shown(one), _shown(other)
            continue
        had, has = ({file["relpath"]: file["meta"] for file in row or ()} for row in (one, other))
        for name in sorted({*had, *has}):
            if had.get(name) != has.get(name):
                yield name, _shown(had.get(name)), _shown(has.get(name))


def _shown(value: Any) -> str | None:
    if isinstance(value, dict):
        found = [value[key] for key in ("version_id", "etag", "checksum", "md5") if key in value]
        return str(found[0]) if found else json.dumps(value)
    return None if value is None else str(value)
