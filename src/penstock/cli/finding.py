"""What a finding of `penstock doctor` is, and the project that it is about."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.config.settings import Settings
from penstock.domain.pipeline import Pipeline
from penstock.errors import PenstockError

OK, WARN, PROBLEM = "ok", "warn", "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: of the examination.
        level: ``ok``, ``warn`` or ``problem``.
        message: what was found.
        hint: what to do about it.
        place: ``file:line:column``, where it is about a line.
    """

    name: str
    level: str
    message: str
    hint: str | None = None
    place: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass
class Patient:
    """A project under examination, with what earlier examinations could read of it."""

    root: Path
    pipeline: Pipeline | None = None
    settings: Settings | None = None


def git(root: Path, *words: str) -> str | None:
    """Return what git answers, None when it refuses."""
    command = ["git", "-C", str(root), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else None


def near(word: str, words: list[str]) -> str | None:
    """Return the word that is most like another, None when none is."""
    import difflib

    found = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    return found[0] if found else None


def from_error(name: str, error: PenstockError) -> Iterator[Finding]:
    """Yield a finding for each problem of an error."""
    for one in error.problems:
        place = str(one.span) if one.span is not None else None
        yield Finding(name, PROBLEM, one.message, one.hint, place)
