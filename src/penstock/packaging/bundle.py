"""Bundles: a model version with the interpreter that can load it."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.parse import unquote, urlparse

from penstock import logs
from penstock.domain.version import Bundle, ModelVersion
from penstock.errors import StateError, UnavailableError, reason
from penstock.packaging.environment import resolve

_LEFT_SECONDS = 86_400.0


def local_path(source: str) -> Path | None:
    """Return the local directory that a registry's source names, None when it is remote.

    >>> local_path("file:///srv/models/3")
    PosixPath('/srv/models/3')
    >>> local_path("s3://bucket/models/3") is None
    True
    """
    parsed = urlparse(source)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return Path(source) if parsed.scheme == "" else None


def pack(version: ModelVersion, root: Path, tracking_uri: str | None = None) -> Bundle:
    """Make the bundle of a model version; models in remote stores are fetched once.

    Args:
        version: in the registry.
        root: of the project.
        tracking_uri: of the MLflow server that a model is fetched through; None: MLflow's own.

    Raises:
        StateError: ``packaging.missing-model`` when the registered files are gone.
        UnavailableError: when the model cannot be fetched or its environment cannot be made.
    """
    place = local_path(version.source)
    if place is None:
        place = root / ".penstock" / "bundles" / f"{version.model}-{version.version}"
        if not (place / "MLmodel").exists():
            _fetch(version, place, tracking_uri)
    if not (place / "MLmodel").exists():
        raise StateError(
            f"the files of {version.model} version {version.version} are not at {place}",
            code="packaging.missing-model",
            hint="restore them from a backup, or run the pipeline of its commit again: "
            f"penstock run --commit {version.commit[:10]}",
        )
    environment = resolve(place)
    return Bundle(
        model=version.model,
        version=str(version.version),
        path=str(place),
        python=environment.python,
        environment=environment.digest,
    )


def _fetch(version: ModelVersion, place: Path, tracking_uri: str | None) -> None:
    """Fetch a model beside its place and move it there whole; whoever is first, wins."""
    import shutil
    import tempfile

    logs.quiet_mlflow()
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    place.parent.mkdir(parents=True, exist_ok=True)
    # What killed processes left; a younger one may be somebody's at this moment.
    for left in place.parent.glob(f"{place.name}.fetching-*"):
        if time.time() - left.stat().st_mtime > _LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{place.name}.fetching-", dir=place.parent))
    try:
        download_artifacts(
            artifact_uri=version.source, dst_path=str(fresh), tracking_uri=tracking_uri
        )
        inner = next((one.parent for one in fresh.rglob("MLmodel")), fresh)
        if not place.exists():
            inner.replace(place)
    except (MlflowException, OSError) as error:  # what `requests` raises is an OSError too
        raise UnavailableError(
            f"{version.model} version {version.version} cannot be fetched: {reason(error)}",
            code="packaging.unfetched",
            hint=f"it is at {version.source}; is the MLflow server up, or the disk full?",
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
