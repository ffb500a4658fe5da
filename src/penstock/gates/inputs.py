"""What a stage test depends on, by content: the key under which its verdict is remembered."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from penstock.gates.targets import StageTest, target_file

_CONFIGS = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
_IGNORED = {"__pycache__", ".pytest_cache", ".git", ".venv", ".penstock", ".dvc"}
_CHUNK = 2**20


def input_key(
    root: Path,
    test: StageTest,
    stage: str,
    *,
    environment: Mapping[str, str],
    subjects: Mapping[str, Sequence[Path]],
    paths: Sequence[Path] | None,
    python: str = sys.executable,
) -> str | None:
    """Return the digest of everything that a stage test depends on.

    That is: the test files and the data beside them, `conftest.py` up the tree, every module of
    the project that they import (through and through), pytest's configuration, the stage's
    command, parameters, dependencies and (after it) outputs, the models and data that the code
    asks for by fixture, and the packages of the interpreter.

    Args:
        root: the project.
        test: the mapped targets.
        stage: around which they run.
        environment: further variables that the tests see.
        subjects: the files behind each fixture of penstock's pytest plugin.
        paths: what the stage reads (and, after it, makes), where the caller knows; else it is
            read from dvc.yaml and dvc.lock.
        python: the interpreter that the tests run in.

    Returns:
        None when the stage's inputs cannot be told: such a test is always run.
    """
    facts, found = ("", list(paths)) if paths is not None else _stage(root, stage, test.when)
    if found is None:
        return None
    digest = hashlib.sha256(b"penstock stage test 1\n")
    heading = [
        test.when,
        sorted(test.targets),
        facts,
        sorted(environment.items()),
        packages(python),
    ]
    digest.update(json.dumps(heading, default=str).encode())
    code = _code(root, test.targets)
    words = {word for file in code for word in _reading(file).words}
    data = {*found, *(path for name in words & set(subjects) for path in subjects[name])}
    data |= set(_run_files(root)) if "run" in words else set()
    for path in sorted(code - data):
        digest.update(f"\n{_shown(root, path)} {content(path)}".encode())
    for path, value in _stored(root, sorted(data)):
        digest.update(f"\n{_shown(root, path)} {value}".encode())
    return digest.hexdigest()


def _stored(root: Path, paths: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return the digests of data: what has not been touched is not read again."""
    from penstock.artifacts import Store

    store = Store.open(root)
    try:
        known = store.hash_many([(_shown(root, path), path) for path in paths])
    finally:
        store.close()
    return [(path, one.md5 if one else "absent") for path, one in zip(paths, known, strict=True)]


def _shown(root: Path, path: Path) -> str:
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)


def content(path: Path) -> str:
    """Return the digest of a file, or of a directory with all in it; "absent" of neither."""
    if path.is_dir():
        digest = hashlib.sha256()
        for one in _files(path):
            digest.update(f"{one.relative_to(path)} {content(one)}\n".encode())
        return digest.hexdigest()
    if not path.is_file():
        return "absent"
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def asked(root: Path, targets: Iterable[str]) -> frozenset[str]:
    """Return the words in the code of tests that name what they ask for, fixtures among them."""
    return frozenset(word for file in _code(root, targets) for word in _reading(file).words)


def own_code(root: Path, modules: Iterable[str]) -> list[str]:
    """Return the contents of modules of the project, and of what they import, as digests.

    Args:
        root: the project.
        modules: dotted names, imported from the root or its ``src``; or paths of files.
    """
    files: set[Path] = set()
    for one in modules:
        named = {root / one} if one.endswith(".py") else _module(root, root / "_.py", one)
        files |= named | _imports(root, named)
    return [f"{_shown(root, one)} {content(one)}" for one in sorted(files)]


@lru_cache(maxsize=4)
def packages(python: str = sys.executable) -> str:
    """Return the digest of an interpreter and of the names and versions of its packages."""
    if python == sys.executable:
        places, version = [Path(one) for one in sys.path], sys.version
    else:  # that of another is known by its place: its packages stand beside it
        home = Path(shutil.which(python) or python)
        places = sorted(home.parent.parent.glob("lib/python*/site-packages"))
        version = f"{home} {home.resolve()}"
    names = {one.name for place in places if place.is_dir() for one in place.glob("*.dist-info")}
    return hashlib.sha256("\n".join([version, *sorted(names)]).encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    for one in sorted(folder.iterdir()):
        if one.name in _IGNORED:
            continue
        if one.is_dir():
            yield from _files(one)
        elif one.is_file():
            yield one


def _code(root: Path, targets: Iterable[str]) -> set[Path]:
    """Return the files of the project that run, or are read, when the targets are tested."""
    found: set[Path] = set()
    for target in targets:
        path = target_file(root, target)
        folder = path if path.is_dir() else path.parent
        found |= set(_files(path)) if path.is_dir() else {path}
        if folder != root:  # data beside the tests; the root itself holds the whole project
            found |= {one for one in _files(folder) if one.suffix != ".py"}
        for parent in (folder, *folder.parents):
            found |= {
                one for one in (parent / "conftest.py", parent / "__init__.py") if one.exists()
            }
            if parent == root:
                break
    found |= {root / one for one in _CONFIGS if (root / one).is_file()}
    return found | _imports(root, found)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a source file says: (level, module, names) of its imports, and its words."""

    imports: tuple[tuple[int, str, tuple[str, ...]], ...] = ()
    words: frozenset[str] = frozenset()


def _reading(file: Path) -> _Reading:
    """Read a source file once, as long as it is not touched."""
    if file.suffix != ".py":
        return _Reading()
    try:
        stat = file.stat()
    except OSError:
        return _Reading()
    return _read(file, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=8192)
def _read(file: Path, _touched: int, _size: int) -> _Reading:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError, RecursionError):
        return _Reading()
    imports: list[tuple[int, str, tuple[str, ...]]] = []
    words: set[str] = set()  # names of arguments, and all texts: so fixtures are asked for
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            words.add(node.arg)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words.add(node.value)
        elif isinstance(node, ast.Import):
            imports += [(0, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = tuple(alias.name for alias in node.names)
            imports.append((node.level, node.module or "", names))
    return _Reading(tuple(imports), frozenset(words))


def _imports(root: Path, files: Iterable[Path]) -> set[Path]:
    """Return the project's modules that are reached from `files` by import statements."""
    found: set[Path] = set()
    queue = [one for one in files if one.suffix == ".py"]
    while queue:
        file = queue.pop()
        for one in _imported(root, file) - found:
            found.add(one)
            queue.append(one)
    return found


def _imported(root: Path, file: Path) -> set[Path]:
    found: set[Path] = set()
    for level, module, names in _reading(file).imports:
        base = _base(file, level)
        found |= _module(root, file, module, base)
        for name in names:
            found |= _module(root, file, f"{module}.{name}".strip("."), base)
    return found


def _base(file: Path, level: int) -> Path | None:
    return file.parents[level - 1] if 0 < level <= len(file.parents) else None


def _module(root: Path, file: Path, name: str, base: Path | None = None) -> set[Path]:
    """Find a module below the project: the packages on the way and the module itself."""
    parts = [part for part in name.split(".") if part]
    for start in (base,) if base else (root, root / "src", file.parent):
        found: set[Path] = set()
        for count in range(1, len(parts) + 1):
            place = start.joinpath(*parts[:count])
            found |= {
                one for one in (place / "__init__.py", place.with_suffix(".py")) if one.is_file()
            }
        if found:
            return found
    return set()


def _stage(root: Path, address: str, when: str) -> tuple[str, list[Path] | None]:
    """Return the facts and the paths of a stage, from dvc.yaml and dvc.lock."""
    file, _, name = address.rpartition(":")
    base = root / (Path(file).parent if file else Path())
    text = _yaml(base / "dvc.yaml").get("stages") or {}
    stage = text.get(name) or text.get(name.partition("@")[0]) or {}
    locked = (_yaml(base / "dvc.lock").get("stages") or {}).get(name) or {}
    plain = "cmd" in stage and "${" not in json.dumps(stage, default=str)
    if not plain and not locked:
        return "", None
    names = ["deps"] if when == "before" else ["deps", "outs", "metrics", "plots"]
    place = base / str(stage.get("wdir") or ".") if "${" not in str(stage.get("wdir")) else base
    found = {_path(one) for key in names for one in locked.get(key) or []}
    if plain:
        found |= {_path(one) for key in names for one in stage.get(key) or []}
    params = _params(place, stage.get("params") or [])
    facts = json.dumps([stage, locked.get("cmd"), params], default=str, sort_keys=True)
    return facts, sorted((place / one).resolve() for one in found)


def making_stage(root: Path, out: str) -> tuple[str, dict[str, Any]] | None:
    """Return the stage of the root's dvc.yaml that makes `out`: its name, `cmd`, `deps`, `wdir`.

    dvc.lock is asked first: there templates are filled in.
    """
    written = _yaml(root / "dvc.yaml").get("stages") or {}
    locked = _yaml(root / "dvc.lock").get("stages") or {}
    for stages in (locked, written):
        for name, stage in stages.items():
            raw = written.get(name) or written.get(str(name).partition("@")[0]) or {}
            place = str(raw.get("wdir") or ".")
            outs = {str(Path(place, _path(one))) for one in (stage or {}).get("outs") or []}
            if str(Path(out)) in outs and "cmd" in stage:
                deps = [_path(one) for one in stage.get("deps") or []]
                return str(name), {"cmd": stage["cmd"], "deps": deps, "wdir": place}
    return None


def _path(item: Any) -> str:
    if isinstance(item, dict):
        return str(item["path"] if "path" in item else next(iter(item)))
    return str(item)


def _params(place: Path, wanted: Iterable[Any]) -> list[Any]:
    """Return the values that the stage's `params` name, from the files as they are now."""
    found: list[Any] = []
    for one in wanted:
        files = one if isinstance(one, dict) else {"params.yaml": [one]}
        for file, keys in files.items():
            values = _yaml(place / str(file))
            found.append([file, {key: _dig(values, str(key)) for key in keys} if keys else values])
    return found


def _dig(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except (OSError, yaml.YAMLError):
        return {}
    return found if isinstance(found, dict) else {}


def _run_files(root: Path) -> list[Path]:
    """Return the files with the metrics and parameters that the fixture `run` reads."""
    stages = _yaml(root / "dvc.yaml").get("stages") or {}
    metrics = [one for stage in stages.values() for one in (stage or {}).get("metrics") or []]
    names = [_path(one) for one in metrics if "${" not in _path(one)]
    return [root / "params.yaml", root / "dvc.yaml", *(root / one for one in names)]


def stage_names(root: Path) -> list[str]:
    """Return the names of the stages in the root's dvc.yaml; none when there is no such file."""
    stages = _yaml(root / "dvc.yaml").get("stages")
    return [str(one) for one in stages] if isinstance(stages, dict) else []
