"""Runtimes: how a model of each flavour is loaded and asked.

A loader is named after the MLflow flavour that it serves and is found in the entry-point group
``penstock.runtimes`` of the worker's own environment; penstock's own are listed here as well,
because a worker's environment need not have penstock installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Any

from penstock.inference.manner import Manner
from penstock.serving.interface import Runtime
from penstock.serving.runtimes.batched import together
from penstock.serving.runtimes.mlmodel import read_mlmodel

Loader = Callable[[str, dict[str, Any]], "Runtime | None"]

GROUP = "penstock.runtimes"
USUAL = Manner()
BUILT_IN = {
    "penstock": "penstock.serving.runtimes.own:load",
    "penstock_onnx": "penstock.serving.runtimes.converted:load",
    "sklearn": "penstock.serving.runtimes.sklearn:load",
    "xgboost": "penstock.serving.runtimes.boosting:load_xgboost",
    "lightgbm": "penstock.serving.runtimes.boosting:load_lightgbm",
    "onnx": "penstock.serving.runtimes.onnx:load",
    "pytorch": "penstock.serving.runtimes.pytorch:load",
    "python_function": "penstock.serving.runtimes.pyfunc:load",
}
"""Flavour -> loader, in order of preference; the last one takes any MLflow model."""


def load(path: str, manner: Manner = USUAL) -> Runtime:
    """Load a model with the first runtime that takes it.

    Args:
        path: directory of an MLflow model.
        manner: whether a model that nothing is known of may be asked about rows of several
            requests together, which it must prove.

    Raises:
        ValueError: it is no MLflow model, or none of its flavours can be served.
        Exception: whatever the model's own code raises.
    """
    mlmodel = read_mlmodel(path)
    for flavour, loader in _loaders():
        if flavour in mlmodel["flavors"]:
            runtime = loader(path, mlmodel)
            if runtime is not None:
                return together(runtime, mlmodel) if manner.batch == "all" else runtime
    flavours = ", ".join(sorted(mlmodel["flavors"])) or "none"
    raise ValueError(f"no runtime can serve this model; its flavours: {flavours}")


def _loaders() -> Iterator[tuple[str, Loader]]:
    for point in entry_points(group=GROUP):
        if point.value not in BUILT_IN.values():
            yield point.name, point.load()
    for flavour, value in BUILT_IN.items():
        module, _, name = value.partition(":")
        yield flavour, getattr(importlib.import_module(module), name)
