"""A quick look into the embedded MLflow store.

To import MLflow takes seconds, and `penstock status` asks two small questions. They are answered
from the project's own SQLite file, read-only. A store of a form that is not known answers None, and
MLflow is asked instead; a test holds both answers against each other.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from penstock.domain.version import ModelVersion

_VERSIONS = """
SELECT version, creation_time, source FROM model_versions
WHERE name = ? AND current_stage != 'Deleted_Internal' ORDER BY version DESC
"""
_TAGS = "SELECT version, key, value FROM model_version_tags WHERE name = ?"
_ALIAS = "SELECT version FROM registered_model_aliases WHERE name = ? AND alias = ?"


def read_versions(store: Path, model: str) -> list[ModelVersion] | None:
    """Return all versions of a model, newest first; None when the file cannot be understood."""
    try:
        with contextlib.closing(_open(store)) as connection:
            rows = connection.execute(_VERSIONS, (model,)).fetchall()
            tags: dict[int, dict[str, str]] = {}
            for version, key, value in connection.execute(_TAGS, (model,)):
                tags.setdefault(int(version), {})[key] = value
    except sqlite3.Error:
        return None
    return [
        noun(model, int(version), str(source), created, tags.get(int(version), {}))
        for version, created, source in rows
    ]


def read_alias(store: Path, model: str, alias: str) -> int | None:
    """Return the version that an alias points to, 0 for none; None when it cannot be told."""
    try:
        with contextlib.closing(_open(store)) as connection:
            row = connection.execute(_ALIAS, (model, alias)).fetchone()
    except sqlite3.Error:
        return None
    return int(row[0]) if row else 0


def noun(
    model: str, version: int, source: str, created: float, tags: dict[str, str]
) -> ModelVersion:
    """Return a version of the registry as the loop's noun; `created` is in milliseconds."""
    return ModelVersion(
        model=model,
        version=version,
        digest=tags.get("penstock.model_digest", ""),
        run_id=tags.get("penstock.run_id", ""),
        commit=tags.get("git.commit", ""),
        source=source,
        created=created / 1000,
        tags=tags,
    )


def _open(store: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=20)
