"""The data that a retraining trains on: found, known by content, pinned to a commit."""

from __future__ import annotations

import difflib
import hashlib
import io
import json
import posixpath
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock import pipeline
from penstock.artifacts import Store
from penstock.config import place_of
from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Pipeline
from penstock.errors import ConfigError
from penstock.retraining import branch, origins

DVC, GIT, LOOSE, IMPORT, PUSHED = "dvc", "git", "loose", "import", "pushed"


@dataclass(frozen=True, slots=True)
class Source:
    """A file or directory that comes from outside the pipeline.

    Attributes:
        path: relative to the project.
        kind: ``dvc`` (a .dvc file has its digest), ``git`` (committed), ``loose`` (neither),
            ``import`` (`dvc import-url` or `dvc import` brought it) or ``pushed`` (a commit that
            the project is behind of has it).
        file: the .dvc file.
        artifact: its content now, None when it is not there.
        place: where the bytes are, "" when only the cache or a remote has them.
        rows: of an import whose bytes are elsewhere, as they were counted.
        out, dep: of an import, what the .dvc file is to say of the output and of its source.
    """

    path: str
    kind: str
    file: str
    artifact: Artifact | None
    place: str = ""
    rows: int | None = None
    out: dict[str, Any] = field(default_factory=dict)
    dep: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sources:
    """All data of a project, as it is now.

    Attributes:
        items: by path.
        digest: of their contents together; "" when there is none.
        troubles: what is not there, and why sources of imports could not be asked, in words.
        unfetched: sources of imports that have something newer which was not fetched, in words.
        commit: that has the ``pushed`` data, "" where none is.
    """

    items: tuple[Source, ...]
    troubles: tuple[str, ...] = ()
    unfetched: tuple[str, ...] = ()
    commit: str = ""

    @property
    def digest(self) -> str:
        """What the data is, in one word."""
        known = [(one.path, one.artifact.md5) for one in self.items if one.artifact]
        return hashlib.sha256(json.dumps(known).encode()).hexdigest() if known else ""


def find(root: Path, wanted: str | None) -> Sources:
    """Look at the data of a project.

    Args:
        root: of the project.
        wanted: ``retrain.data`` of penstock.yaml; None: what the pipeline reads and neither makes
            nor has in Git.

    Raises:
        ConfigError: ``retrain.data-is-output`` when a stage makes `wanted`.
    """
    made = pipeline.load(root)
    tracked = _tracked_by_dvc(made)
    paths = [posixpath.normpath(wanted)] if wanted else [*tracked, *_loose(root, made)]
    if wanted and any(
        out.full == paths[0] and not stage.is_data
        for stage in made.stages.values()
        for out in stage.outs
    ):
        raise ConfigError(
            f"`retrain.data` is {wanted}, which a stage of the pipeline makes",
            code="retrain.data-is-output",
            span=place_of(root, "retrain", "data"),
            hint="name the data that the first stage reads",
        )
    with closing(Store.open(root)) as store:
        found = store.hash_many([(path, root / path) for path in paths])
    items = [
        Source(path, _kind(root, path, tracked), tracked.get(path, f"{path}.dvc"), artifact, path)
        for path, artifact in zip(paths, found, strict=True)
    ]
    gone = wanted and not _somewhere(root, paths[0], tracked)
    troubles = (f"retrain.data: {wanted} is not there",) if gone else ()
    return Sources(tuple(sorted(items, key=lambda one: one.path)), troubles)


def refuse_missing(root: Path, wanted: str | None) -> None:
    """Refuse data that can never be new: neither here, nor in Git, nor under DVC.

    Raises:
        ConfigError: ``retrain.no-data``, with its place in penstock.yaml.
    """
    if not wanted:
        return
    made = pipeline.load(root)
    tracked, path = _tracked_by_dvc(made), posixpath.normpath(wanted)
    if _somewhere(root, path, tracked):
        return
    read = {dep.full for stage in made.stages.values() for dep in stage.deps}
    names = sorted({*tracked, *read})
    near = difflib.get_close_matches(path, names, n=1, cutoff=0.6)
    raise ConfigError(
        f"retrain.data: {wanted} is not there, and neither Git nor DVC has it",
        code="retrain.no-data",
        span=place_of(root, "retrain", "data"),
        hint=f"did you mean `{near[0]}`?"
        if near
        else "name data that the pipeline reads, or leave the key out to watch all of it",
    )


def _tracked_by_dvc(made: Pipeline) -> dict[str, str]:
    """Return the .dvc file of each path that has one."""
    stages = [stage for stage in made.stages.values() if stage.is_data]
    return {out.full: stage.file for stage in stages for out in stage.outs}


def _somewhere(root: Path, path: str, tracked: Iterable[str]) -> bool:
    return (
        (root / path).exists()
        or any(_within(path, one) or _within(one, path) for one in tracked)
        or _in_git(root, path)
    )


def _loose(root: Path, made: Pipeline) -> list[str]:
    outs = [out.full for stage in made.stages.values() for out in stage.outs]
    read = {dep.full for stage in made.stages.values() for dep in stage.deps}
    outside = [
        path
        for path in sorted(read)
        if not posixpath.isabs(path)
        and not path.startswith("../")
        and not any(_within(path, out) or _within(out, path) for out in outs)
    ]
    return [path for path in outside if not _in_git(root, path)]


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _kind(root: Path, path: str, tracked: dict[str, str]) -> str:
    if path in tracked:
        return DVC
    return GIT if _in_git(root, path) else LOOSE


def _in_git(root: Path, path: str) -> bool:
    return bool(branch.ask(root, "ls-files", "--", path))


def pin(root: Path, sources: Sources, commit: str) -> dict[str, bytes]:
    """Put the data into the cache and return the files that a commit must hold for it.

    Args:
        root: of the project.
        sources: as they were found.
        commit: what the files are like until now.

    Raises:
        UnavailableError: the disk is full.
    """
    files: dict[str, bytes] = {}
    with closing(Store.open(root)) as store:
        for one in sources.items:
            if one.artifact is None:
                continue
            if one.kind == GIT:
                files |= _committed(root, one.path)
                continue
            before = branch.content(root, commit, one.file)
            if one.kind == IMPORT:
                files |= _imported(store, root, before, one)
                continue
            after = _tracked(before, one)
            if after is None:
                continue
            if one.kind != PUSHED:
                store.save(root / one.path, one.artifact)
            files[one.file] = after
            if one.kind == LOOSE:
                files |= _ignored(root, commit, one.path, files)
    return files


def _committed(root: Path, path: str) -> dict[str, bytes]:
    words = ("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", path)
    names = [name for name in branch.ask(root, *words).split("\0") if name]
    return {name: (root / name).read_bytes() for name in names if (root / name).is_file()}


def _tracked(before: bytes | None, source: Source) -> bytes | None:
    """Return the .dvc file of a source, None when it says the same already."""
    from ruamel.yaml import YAML

    assert source.artifact is not None
    artifact, name = source.artifact, posixpath.basename(source.path)
    yaml = YAML()
    yaml.indent(mapping=2, sequence=2, offset=0)
    data: Any = yaml.load(before.decode()) if before else {"outs": [{"hash": "md5", "path": name}]}
    folder = posixpath.dirname(source.file)
    wdir = posixpath.join(folder, data.get("wdir") or "")
    for out in data["outs"]:
        if posixpath.normpath(posixpath.join(wdir, out["path"])) != source.path:
            continue
        if out.get("md5") == artifact.md5 and out.get("hash") == "md5":
            return None
        out |= {"md5": artifact.md5, "size": artifact.size, "hash": "md5"}
        out.pop("nfiles", None)
        if artifact.nfiles is not None:
            out["nfiles"] = artifact.nfiles
    data.pop("md5", None)  # of the .dvc file itself, in files of old
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue().encode()


def _imported(store: Store, root: Path, before: bytes | None, one: Source) -> dict[str, bytes]:
    """Put an import into the cache, and record it as `dvc update` would."""
    from penstock.pipeline import imports

    assert one.artifact is not None
    if one.place and not store.has(one.artifact):
        store.save(root / one.place, one.artifact)
    origins.drop(root, one.place)
    old = (before or (root / one.file).read_bytes()).decode()
    outs, deps = {one.out["path"]: one.out}, {one.dep["path"]: one.dep}
    return {one.file: imports.rewritten(old, outs, deps).encode()}


def _ignored(root: Path, commit: str, path: str, files: dict[str, bytes]) -> dict[str, bytes]:
    """Keep Git from taking data that DVC has, as `dvc add` does."""
    folder, name = posixpath.split(path)
    file = posixpath.join(folder, ".gitignore")
    text = files.get(file) or branch.content(root, commit, file) or b""
    entry = f"/{name}".encode()
    if entry in text.splitlines():
        return {}
    return {file: text + (b"" if not text or text.endswith(b"\n") else b"\n") + entry + b"\n"}


def rows(root: Path, sources: Sequence[Source]) -> int | None:
    """Return the number of rows of all sources, None when one of them is no table.

    Counted are Parquet (from its footer), CSV and JSON lines; of a directory, those in it.
    """
    total = 0
    for one in sources:
        if one.artifact is None:
            continue
        if one.kind in (IMPORT, PUSHED) and (one.rows is not None or not one.place):
            if one.rows is None:
                return None
            total += one.rows
            continue
        place = root / one.place
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        counted = [_rows(file) for file in files if file.is_file()]
        known = [number for number in counted if number is not None]
        if not known or (not place.is_dir() and len(known) < len(counted)):
            return None
        total += sum(known)
    return total


def _rows(file: Path) -> int | None:
    if file.suffix == ".parquet":
        import pyarrow.parquet

        return int(pyarrow.parquet.read_metadata(file).num_rows)
    if file.suffix not in (".csv", ".tsv", ".jsonl", ".ndjson"):
        return None
    lines, last = 0, b"\n"
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            lines += block.count(b"\n")
            last = block[-1:]
    lines += last != b"\n"
    return max(0, lines - 1) if file.suffix in (".csv", ".tsv") else lines
