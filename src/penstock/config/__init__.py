"""Settings of a project: penstock.yaml, checked, with every problem at once and its place."""

from penstock.config.load import find_project

__all__ = ["find_project"]
