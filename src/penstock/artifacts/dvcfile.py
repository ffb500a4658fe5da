"""`.dvc` files: data that no stage makes, tracked by its digest.

Key order of an entry is DVC's own for these files: `md5, size, nfiles, isexec, hash, path`
(dvc.lock has another). Keys that penstock does not know are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.artifacts.links import temporary
from penstock.domain.artifact import Artifact
from penstock.errors import ConfigError, Span

_DIGEST = re.compile(r"[0-9a-f]{32}(\.dir)?\Z")
_ORDER = ("md5", "size", "nfiles", "isexec")


@dataclass(frozen=True, slots=True)
class DvcFile:
    """Content of a `.dvc` file.

    Attributes:
        outs: what it tracks; `path` is relative to the file.
        legacy: whether an entry has no ``hash: md5``: it is in the cache of DVC 2.
        content: everything in the file, as plain values.
    """

    outs: tuple[Artifact, ...]
    legacy: bool = False
    content: dict[str, Any] = field(default_factory=dict)


def load_dvc_file(path: Path) -> DvcFile:
    """Read a `.dvc` file.

    Raises:
        ConfigError: ``artifacts.dvc-file`` with the place.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"cannot be read: {error}", path, 1) from error
    try:
        content = yaml.load(text, Loader=loader)  # noqa: S506 - both are safe loaders
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "is not YAML"
        line = mark.line + 1 if mark else 1
        raise _wrong(what, path, line, mark.column + 1 if mark else 1) from error
    except (ValueError, RecursionError) as error:
        raise _wrong("is not YAML that can be read", path, 1) from error
    if not isinstance(content, dict) or not isinstance(content.get("outs", []), list):
        raise _wrong("has no list `outs`", path, 1)
    outs, legacy = [], False
    for item in content.get("outs", []):
        outs.append(_out(item, path))
        legacy = legacy or item.get("hash") != "md5"
    return DvcFile(tuple(outs), legacy, content)


def dump_dvc_file(path: Path, artifact: Artifact) -> None:
    """Write a `.dvc` file that tracks one artifact, byte for byte as `dvc add` does."""
    import yaml

    entry = artifact.to_dict()
    name = entry.pop("path")
    lines = [f"{key}: {str(entry[key]).lower()}" for key in _ORDER if key in entry]
    plain = yaml.dump(name, allow_unicode=True, width=10**9).removesuffix("...\n").strip()
    lines += ["hash: md5", f"path: {plain}"]
    text = "outs:\n- " + "\n  ".join(lines) + "\n"
    part = Path(temporary(str(path.parent)))
    part.write_text(text, encoding="utf-8", newline="")
    part.replace(path)


def _out(item: Any, path: Path) -> Artifact:
    """Read one entry."""
    if not isinstance(item, dict) or not isinstance(item.get("path"), str):
        raise _wrong("has an entry of `outs` without a `path`", path, 1)
    md5, size, nfiles = item.get("md5", ""), item.get("size", 0), item.get("nfiles")
    if not isinstance(md5, str) or (md5 and not _DIGEST.match(md5)):
        raise _wrong(f"has {md5!r}, which is no md5", path, 1)
    if not _is_count(size) or (nfiles is not None and not _is_count(nfiles)):
        raise _wrong(f"has a size or nfiles of {item['path']!r} that is no number", path, 1)
    return Artifact(item["path"], md5, size, nfiles, item.get("isexec") is True)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _wrong(what: str, path: Path, line: int, column: int = 1) -> ConfigError:
    return ConfigError(
        f"{path.name} {what}", code="artifacts.dvc-file", span=Span(str(path), line, column)
    )
