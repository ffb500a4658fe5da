"""Bundles: a model version with the interpreter that can load it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlparse

from penstock.domain.version import Bundle, ModelVersion
from penstock.errors import StateError
from penstock.packaging.environment import resolve


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


def pack(version: ModelVersion, root: Path) -> Bundle:
    """Make the bundle of a model version; models in remote stores are fetched once.

    Raises:
        StateError: ``packaging.missing-model`` when the registered files are gone.
        UnavailableError: when the model cannot be fetched or its environment cannot be made.
    """
    place = local_path(version.source)
    if place is None:
        place = root / ".penstock" / "bundles" / f"{version.model}-{version.version}"
        if not (place / "MLmodel").exists():
            _fetch(version.source, place)
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


def _fetch(source: str, place: Path) -> None:
    import shutil

    from mlflow.artifacts import download_artifacts

    fresh = place.with_name(place.name + ".fetching")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    download_artifacts(artifact_uri=source, dst_path=str(fresh))
    inner = next((one.parent for one in fresh.rglob("MLmodel")), fresh)
    inner.replace(place)
    shutil.rmtree(fresh, ignore_errors=True)
