"""Follows the logs of running stages, line by line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class LogFollower:
    """Reads what stages append to their logs.

    Stages write to the file itself, not through us, so a slow reader never holds them up and a
    killed penstock never breaks their pipe.
    """

    def __init__(self) -> None:
        self._logs: dict[str, tuple[Path, BinaryIO | None, bytes]] = {}

    def add(self, stage: str, path: Path) -> None:
        """Follow a log, which need not exist yet."""
        self._logs[stage] = (path, None, b"")

    def read(self, ended: str | None = None) -> Iterator[tuple[str, str]]:
        """Yield new (stage, line); of a stage that ended, also a last line without an end."""
        for stage in list(self._logs) if ended is None else [ended] * (ended in self._logs):
            path, stream, rest = self._logs[stage]
            if stream is None:
                with contextlib.suppress(OSError):
                    stream = path.open("rb")
            if stream is not None:
                rest += stream.read()
            *lines, rest = rest.split(b"\n")
            if ended is not None:
                lines += [rest] if rest else []
                if stream is not None:
                    stream.close()
                del self._logs[stage]
            else:
                self._logs[stage] = (path, stream, rest)
            for line in lines:
                # What a progress bar drew before its last carriage return is of no use.
                yield stage, line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
