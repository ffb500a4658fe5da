"""Finds a project."""

from __future__ import annotations

from pathlib import Path

from penstock.errors import StateError

FILE = "penstock.yaml"


def find_project(start: Path) -> Path:
    """Return the directory with penstock.yaml: `start` or the nearest one above it.

    Raises:
        StateError: ``project.not-found``.
    """
    start = start.resolve()
    for directory in (start, *start.parents):
        if (directory / FILE).is_file():
            return directory
    raise StateError(
        f"no {FILE} in {start} or above it",
        code="project.not-found",
        hint="`penstock init` adopts a repository; `-C DIR` names another directory",
    )
