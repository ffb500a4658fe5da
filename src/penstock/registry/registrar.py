"""The registry's part of a promotion or rollback: alias in MLflow, release tag in Git."""

from __future__ import annotations

from pathlib import Path

from penstock.registry.tags import ReleaseTags
from penstock.registry.versions import Registry

CHAMPION = "champion"
PREVIOUS = "previous"


class ReleaseRegistrar:
    """Makes a version the champion in the registry and in Git.

    Every call may be repeated after a crash at any place: the alias is set, not toggled, and the
    tag carries the key of the operation.

    Args:
        registry: where the versions are.
        root: the project's Git repository.
        model: name of the model.
        environment: where it serves; the stage in the release tag.
    """

    def __init__(
        self, registry: Registry, root: Path, model: str, *, environment: str = "production"
    ) -> None:
        self._registry = registry
        self._tags = ReleaseTags(root)
        self._model = model
        self._environment = environment

    def promote(self, version: str, rollout_id: str, reason: str) -> None:
        """Point `champion` to a version, `previous` to the one before, and tag the release."""
        wanted = self._registry.get(self._model, version)
        holder = self._registry.alias(self._model, CHAMPION)
        if holder is not None and holder.version != wanted.version:
            self._registry.set_alias(self._model, PREVIOUS, holder.version)
        if holder is None or holder.version != wanted.version:
            self._registry.set_alias(self._model, CHAMPION, wanted.version)
        self._tags.register(self._model, wanted.version, wanted.commit)
        self._tags.assign(
            self._model, wanted.version, wanted.commit, self._environment, reason, rollout_id
        )
