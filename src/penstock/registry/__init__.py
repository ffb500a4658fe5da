"""The registry: model versions in MLflow, release tags in Git, and the move of the champion."""

from penstock.registry.registrar import CHAMPION, PREVIOUS, ReleaseRegistrar
from penstock.registry.tags import ReleaseTags
from penstock.registry.versions import Registry

__all__ = ["CHAMPION", "PREVIOUS", "Registry", "ReleaseRegistrar", "ReleaseTags"]
