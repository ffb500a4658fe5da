"""Packaging: a model version becomes a bundle that can be served, with its locked environment."""

from penstock.packaging.bundle import local_path, pack
from penstock.packaging.environment import Environment, resolve

__all__ = ["Environment", "local_path", "pack", "resolve"]
