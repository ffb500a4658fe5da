"""Model versions and bundles: what passed, and what is packed to be served."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """A candidate that passed, registered, with its lineage.

    Attributes:
        model: name in the registry.
        version: the registry's number, from 1.
        digest: content of the model, as of `Artifact.md5`.
        run_id: penstock's run that made it.
        commit: Git commit it was made from.
        source: absolute path (or URI) of the registered copy of the model.
        created: seconds since the epoch.
        tags: as in the registry (`penstock.run_id`, `git.commit`, `dvc.lock_sha256`, ...).
    """

    model: str
    version: int
    digest: str
    run_id: str
    commit: str
    source: str
    created: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> ModelVersion:
        """Read what `to_dict` wrote."""
        return cls(**item)


@dataclass(frozen=True, slots=True)
class Bundle:
    """A model version packed to be served.

    Attributes:
        model: name of the model.
        version: as a string; what requests, metrics and the prediction log call it.
        path: absolute directory of the MLflow model to load.
        python: absolute path of the interpreter of its locked environment.
        environment: digest of that environment.
        manner: absolute path of a JSON file that says how it answers beside what the model itself
            says (`penstock.inference.manner`), "" for none.
    """

    model: str
    version: str
    path: str
    python: str
    environment: str = ""
    manner: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Bundle:
        """Read what `to_dict` wrote."""
        return cls(**item)
