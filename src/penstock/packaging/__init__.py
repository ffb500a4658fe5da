"""Packaging: a model version becomes a bundle that can be served, with its locked environment."""

from penstock.packaging.bundle import local_path, pack
from penstock.packaging.conversion import FORM_GATE, Conversion, as_onnx
from penstock.packaging.environment import Environment, resolve
from penstock.packaging.plain import as_mlflow
from penstock.packaging.rebuilding import held_here, rebuild

__all__ = [
    "FORM_GATE",
    "Conversion",
    "Environment",
    "as_mlflow",
    "as_onnx",
    "held_here",
    "local_path",
    "pack",
    "rebuild",
    "resolve",
]
