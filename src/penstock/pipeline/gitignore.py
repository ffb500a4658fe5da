"""Entries in .gitignore for outputs that the cache keeps, as DVC writes them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from penstock.pipeline import durable
from penstock.pipeline.git import git, has_repository

_SPECIAL = re.compile(r"([\[\]!*#?\\])")


class Ignores:
    """Adds outputs to the .gitignore of their directories, unless some rule ignores them already.

    An entry is written as soon as its stage has ended, since a directory that other stages read
    may hold the .gitignore. Git is asked once for all outputs, not once for each.

    Args:
        root: of the project.
        outs: all outputs that may come, relative to it.
    """

    def __init__(self, root: Path, outs: Iterable[str]) -> None:
        self._root = root
        self._outs = list(outs)
        self._ignored: set[str] | None = None if has_repository(root) else set(self._outs)
        self._known: dict[Path, tuple[tuple[int, int], set[str]]] = {}

    def add(self, outs: Iterable[str]) -> None:
        """Add what a stage has written.

        Raises:
            UnavailableError: ``disk.write``.
        """
        by_file: dict[Path, list[tuple[str, str]]] = {}
        for out in outs:
            file, entry = self._entry(out)
            by_file.setdefault(file, []).append((entry, out))
        for file, entries in by_file.items():
            present = self._lines(file)
            missing = [(entry, out) for entry, out in entries if entry not in present]
            if not missing:
                continue
            ignored = self._asked()
            new = [entry for entry, out in missing if out not in ignored]
            if new:
                _append(file, "".join(f"{entry}\n" for entry in new))
                if (state := _state(file)) is not None:
                    self._known[file] = (state, {*present, *new})

    def _lines(self, file: Path) -> set[str]:
        """Return the lines of a file; what we have written ourselves is not read again."""
        known = self._known.get(file)
        if known is not None and known[0] == _state(file):
            return known[1]
        return set(_lines(file))

    def _entry(self, out: str) -> tuple[Path, str]:
        path = self._root / out
        return path.parent / ".gitignore", "/" + _SPECIAL.sub(r"\\\1", path.name)

    def _asked(self) -> set[str]:
        """Return the outputs that Git ignores already."""
        if self._ignored is None:
            lines: dict[Path, list[str]] = {}
            unknown = []
            for out in self._outs:
                file, entry = self._entry(out)
                if file not in lines:
                    lines[file] = _lines(file)
                if entry not in lines[file]:
                    unknown.append(out)
            # What does not exist yet may become a file or a directory; rules differ.
            asked = [name for out in unknown for name in (out, f"{out}/")]
            data = b"".join(name.encode("utf-8", "surrogateescape") + b"\0" for name in asked)
            # --no-index: a file that Git tracks by mistake is still ignored by a rule.
            options = ("--no-index", "-z", "--stdin")
            answer = git(self._root, "check-ignore", *options, data=data, check=False)
            self._ignored = {name.rstrip("/") for name in answer.split("\0")}
        return self._ignored


def _state(file: Path) -> tuple[int, int] | None:
    """Return what changes when somebody writes to a file."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _append(file: Path, lines: str) -> None:
    """Add lines in one write: replacing the whole file would make the disk wait each time."""
    try:
        with file.open("a+b", buffering=0) as stream:
            end = stream.seek(0, os.SEEK_END)
            if end:
                stream.seek(end - 1)
                lines = lines if stream.read(1) == b"\n" else "\n" + lines
            stream.write(lines.encode())
    except OSError as error:
        raise durable.cannot_write(file, error) from error
