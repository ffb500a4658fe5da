"""Entries in .gitignore for outputs that the cache keeps, as DVC writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from penstock.pipeline import durable
from penstock.pipeline.git import git, has_repository

_SPECIAL = re.compile(r"([\[\]!*#?\\])")


def ensure(root: Path, outs: Iterable[str]) -> None:
    """Add outputs to the .gitignore of their directories, unless some rule ignores them already.

    Args:
        root: of the project.
        outs: paths relative to it.

    Raises:
        UnavailableError: ``disk.write``.
    """
    if not has_repository(root):
        return
    wanted: dict[Path, list[tuple[str, str]]] = {}
    for out in outs:
        path = root / out
        entry = "/" + _SPECIAL.sub(r"\\\1", path.name)
        wanted.setdefault(path.parent / ".gitignore", []).append((entry, out))
    absent: dict[Path, list[tuple[str, str]]] = {}
    for file, entries in wanted.items():
        present = set(_lines(file))
        missing = [(entry, out) for entry, out in entries if entry not in present]
        if missing:
            absent[file] = missing
    if not absent:
        return
    ignored = _ignored(root, [out for entries in absent.values() for _, out in entries])
    for file, entries in absent.items():
        new = [entry for entry, out in entries if out not in ignored]
        if new:
            text = file.read_text(encoding="utf-8") if file.exists() else ""
            start = text if not text or text.endswith("\n") else text + "\n"
            durable.replace(file, (start + "".join(f"{entry}\n" for entry in new)).encode())


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _ignored(root: Path, paths: list[str]) -> set[str]:
    data = b"\0".join(path.encode("utf-8", "surrogateescape") for path in paths) + b"\0"
    # --no-index: a file that Git tracks by mistake is still ignored by a rule.
    answer = git(root, "check-ignore", "--no-index", "-z", "--stdin", data=data, check=False)
    return set(answer.split("\0"))
