"""What `dvc import` and `dvc import-url` made, and how a ``.dvc`` file is written anew.

An import is data like any other: it comes from the cache, then from the remote. Where neither has
it and fetching is allowed, it is brought from where it came from, and must be what was recorded.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.artifacts.dvcremote import run_dvc
from penstock.artifacts.legacy import ALGORITHM as OLD
from penstock.artifacts.links import temporary
from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Dependency, Output, Stage
from penstock.errors import PenstockError
from penstock.pipeline import addresses, durable, places
from penstock.pipeline import entry as entries
from penstock.pipeline.decide import Facts, moved

_CONTENT = ("md5", "etag", "checksum", "size", "nfiles", "isexec", "files", "version_id", "cloud")
_NOT_HASHED = frozenset(
    ("desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist", "isexec", "size",
     "nfiles")
)  # fmt: skip


def renewed(store: Store, root: Path, facts: Facts) -> tuple[Artifact, Artifact | None] | None:
    """Import again what was never fetched, or whose source changed and is not frozen.

    Returns:
        What was imported, and the state of its source (None where it is a repository, whose
        commit is recorded already); None where this is no such import.

    Raises:
        UnavailableError: the source cannot be reached.
    """
    stage = facts.stage
    dep = recorded(root, stage)
    if dep is None or not (stage.outs[0].artifact is None or any(moved(facts))):
        return None
    out, came_from = stage.outs[0], origin(stage, dep)
    if "repo" in dep:
        run_dvc(["pull", "--force", stage.file], root, "an import from another repository")
        made = store.hash(root / out.full, name=out.path)
        if made is not None and out.cache:
            store.save(root / out.full, made)
        return (made, None) if made else None
    (state,) = places.look(store, root, [came_from])
    made = _download(store, root, came_from, out)
    return (made, state) if made and state else None


def bring(
    store: Store, root: Path, stage: Stage, wanted: Mapping[str, Artifact], troubles: list[str]
) -> bool:
    """Put an import into the cache, from where it came from.

    Args:
        store: with the cache.
        root: of the project.
        stage: may be no import.
        wanted: what its outputs must be.
        troubles: takes why that was impossible, in words.

    Returns:
        Whether the cache has it now.
    """
    dep = recorded(root, stage)
    if dep is None:
        return False
    out = stage.outs[0]
    try:
        if "repo" in dep:
            run_dvc(["fetch", stage.file], root, "an import from another repository")
            return True
        made = _download(store, root, origin(stage, dep), out)
    except PenstockError as error:
        troubles.append(f"; {error.message}")
        return False
    if made is None or made.md5 != wanted[out.path].md5:
        gone = f"; {dep['path']} is no longer what was imported: see `dvc update {stage.file}`"
        troubles.append(gone)
        return False
    return True


def record(
    root: Path, stage: Stage, outs: Mapping[str, Artifact], deps: Mapping[str, Artifact]
) -> None:
    """Write the new digests of data into its ``.dvc`` file, as `dvc repro` does.

    Comments and all that is not a digest stay as they are.

    Args:
        root: of the project.
        stage: of the file.
        outs: what stands in the work tree, by path as written.
        deps: state of the source of an import, where it was fetched anew.
    """
    path = root / stage.file
    text = rewritten(path.read_text(encoding="utf-8"), _facts(outs), _facts(deps))
    durable.replace(path, text.encode())


def rewritten(text: str, outs: Mapping[str, Any], deps: Mapping[str, Any]) -> str:
    """Return the text of a ``.dvc`` file with other content recorded.

    Args:
        text: of the file; comments and all that is not a digest stay as they are.
        outs: of each output by path as written, the keys that say what it is (see `facts`).
        deps: the same of what an import came from.
    """
    import io

    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    data = yaml.load(text)
    before = text if data.get("md5") else None
    for section, found in (("outs", outs), ("deps", deps)):
        for item in data.get(section) or ():
            if item.get("path") in found:
                known = dict(item)
                _update(item, found[item["path"]])
                before = before if item == known else None
    if before is not None:
        return before
    if data.get("deps"):
        data["md5"] = _stage_digest(data)
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()


def content(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of an item of a ``.dvc`` file that say what it is (see `facts`)."""
    return {key: one for key, one in item.items() if key in (*_CONTENT, "hash", "repo")}


def entry(root: Path, stage: Stage) -> dict[str, Any]:
    """Return what the file of an import says of its output."""
    from penstock.config import source

    found: dict[str, Any] = source.read(root / stage.file, file=stage.file).value["outs"][0]
    return found


def facts(artifact: Artifact) -> dict[str, Any]:
    """Return what a ``.dvc`` file says of an artifact besides its path, in DVC's order of keys."""
    found = entries.item("", artifact)
    del found["path"]
    return found


def _facts(artifacts: Mapping[str, Artifact]) -> dict[str, Any]:
    known = artifacts.items()
    return {path: facts(artifact) for path, artifact in known if artifact.algorithm != OLD}


def _update(item: Any, facts: Mapping[str, Any]) -> None:
    """Put facts in the place of what an item recorded."""
    for name in _CONTENT:
        if name in item and name not in facts:
            del item[name]
    for name, value in facts.items():
        item[name] = value


def _stage_digest(data: Mapping[str, Any]) -> str:
    """Return DVC's digest of an import's file."""
    kept = {
        key: value
        for key, value in data.items()
        if key not in ("md5", "meta", "desc") and value and (key, value) != ("wdir", ".")
    }
    text = json.dumps(_hashed(kept), sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _hashed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _hashed(one) for key, one in value.items() if key not in _NOT_HASHED}
    return [_hashed(one) for one in value] if isinstance(value, list) else value


def recorded(root: Path, stage: Stage) -> dict[str, Any] | None:
    """Return where an import came from, as its file says; None when the stage is no import."""
    if not stage.is_data or len(stage.outs) != 1:
        return None
    from penstock.config import source

    data = source.read(root / stage.file, file=stage.file).value
    deps = data.get("deps") if isinstance(data, dict) else None
    if not isinstance(deps, list) or len(deps) != 1 or not isinstance(deps[0], dict):
        return None
    return deps[0] if isinstance(deps[0].get("path"), str) else None


def origin(stage: Stage, dep: Mapping[str, Any]) -> Dependency:
    """Return what an import came from, as something that can be looked at."""
    from penstock.pipeline import dvcfile

    return dvcfile.origin(str(dep["path"]), stage.wdir, stage.place)


def _download(store: Store, root: Path, origin: Dependency, out: Output) -> Artifact | None:
    """Fetch the source of an import to its place, and into the cache."""
    target = root / out.full
    fetch(store, root, origin, target)
    made = store.hash(target, name=out.path)
    if made is not None and out.cache:
        store.save(target, made)
    return made


def fetch(store: Store, root: Path, origin: Dependency, target: Path) -> None:
    """Bring the source of an import to a path, which holds what it held before or all of it.

    Args:
        store: whose remotes `remote://` means.
        root: of the project.
        origin: what to bring.
        target: takes the place of what is there.

    Raises:
        UnavailableError: ``artifacts.remote-failed``.
        OSError: a source on this machine cannot be read, or the target not be written.
    """
    from penstock.artifacts.external import External

    target.parent.mkdir(parents=True, exist_ok=True)
    part = Path(temporary(os.fspath(target.parent)))
    try:
        if addresses.is_url(origin.full):
            External(store.config, store).download(origin.full, part)
        elif (root / origin.full).is_dir():
            shutil.copytree(root / origin.full, part)
        else:
            shutil.copyfile(root / origin.full, part)
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        part.replace(target)
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)
