# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH101, PTH105, PTH123
"""The run cache: `runs/<key[:2]>/<key>/<value>`, mode 0644, one file for each execution."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from penstock.artifacts.links import discard, make_directory, temporary

_NAME = re.compile(r"[0-9a-f]{64}\Z")


class RunCache:
    """Lock entries of executed stages, by what went in and what came out.

    Args:
        directory: `runs` of the cache.
        shared: whether it is for a group.
    """

    def __init__(self, directory: Path, *, shared: bool = False) -> None:
        self._directory = directory
        self._shared = shared

    def get(self, key: str) -> list[tuple[str, str]]:
        """Return (value, text) of all executions under a key, newest first."""
        found: list[tuple[int, str, str]] = []
        try:
            with os.scandir(self._directory / key[:2] / key) as entries:
                for entry in entries:
                    if _NAME.match(entry.name):
                        text = Path(entry.path).read_text(encoding="utf-8", errors="replace")
                        found.append((entry.stat().st_mtime_ns, entry.name, text))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [(value, text) for _, value, text in sorted(found, reverse=True)]

    def put(self, key: str, value: str, text: str) -> None:
        """Remember an execution; one that is known keeps its file."""
        directory = self._directory / key[:2] / key
        target = directory / value
        if target.exists():
            return
        make_directory(os.fspath(directory), shared=self._shared)
        part = temporary(os.fspath(directory))
        with contextlib.ExitStack() as undo:
            undo.callback(discard, part)
            with open(part, "x", encoding="utf-8", newline="") as file:
                file.write(text)
            if self._shared:
                os.chmod(part, 0o664)
            os.replace(part, target)
            undo.pop_all()
