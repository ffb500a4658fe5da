"""Packaging: a model version becomes a bundle that can be served, with its locked environment."""

from penstock.packaging.bundle import local_path, pack
from penstock.packaging.environment import Environment, resolve
from penstock.packaging.plain import as_mlflow

__all__ = ["Environment", "as_mlflow", "local_path", "pack", "resolve"]
