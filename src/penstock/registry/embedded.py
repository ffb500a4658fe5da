"""The embedded MLflow store: made whole or not at all, and a quick look into it.

To import MLflow takes seconds, and `penstock status` asks two small questions. They are answered
from the project's own SQLite file, read-only. A store of a form that is not known answers None, and
MLflow is asked instead; a test holds both answers against each other.
"""

from __future__ import annotations

import contextlib
import fcntl
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


def make(store: Path) -> None:
    """Make a store, unless there is one, under another name, and give it its own when it is whole.

    MLflow makes its tables in many transactions. A kill between two of them would leave a store
    that MLflow can neither use nor complete.

    Args:
        store: where it is to be.

    Raises:
        OSError: the disk is full, or the directory read-only.
        MlflowException, SQLAlchemyError: MLflow cannot make it.
    """
    if store.exists():
        return
    from mlflow.tracking import MlflowClient

    folder = store.parent / ".penstock"
    folder.mkdir(exist_ok=True)
    new = folder / f"new-{store.name}"
    with (folder / "mlflow.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # it ends with the process
        if store.exists():
            return
        for left in folder.glob(f"{new.name}*"):  # its maker was killed
            left.unlink()
        place = f"sqlite:///{new.absolute()}"
        MlflowClient(place, registry_uri=place).search_registered_models(max_results=1)
        new.replace(store)


def _open(store: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{store.absolute().as_uri()}?mode=ro", uri=True, timeout=20)
