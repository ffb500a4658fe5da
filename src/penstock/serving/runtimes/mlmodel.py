"""The MLmodel file and the examples beside it, as plain values."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from penstock.inference.description import Description, Field


def read_mlmodel(path: str) -> dict[str, Any]:
    """Return the MLmodel file of a model as plain values.

    Raises:
        ValueError: the directory has none, or it is not one.
    """
    import yaml

    file = Path(path) / "MLmodel"
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"{path} is no MLflow model: {error.strerror or error}") from None
    try:
        item = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    if isinstance(item, dict) and isinstance(item.get("flavors"), dict):
        return dict(item)
    raise ValueError(f"{file} does not describe an MLflow model")


def fields(mlmodel: dict[str, Any], side: str) -> tuple[Field, ...]:
    """Return the ``inputs`` or ``outputs`` of a model's signature, empty without one."""
    signature = mlmodel.get("signature") or {}
    text = signature.get(side)
    if not text:
        return ()
    found = []
    for item in json.loads(text):
        if item.get("type") == "tensor":
            spec = item["tensor-spec"]
            shape = tuple(int(size) for size in spec["shape"])
            found.append(Field(item.get("name") or "", spec["dtype"], shape))
        else:
            kind = item["type"] if isinstance(item["type"], str) else "object"
            required = bool(item.get("required", True))
            found.append(Field(item.get("name") or "", kind, None, required))
    return tuple(found)


def example(path: str, mlmodel: dict[str, Any]) -> str:
    """Return a request body for the model: its own input example, "" without one."""
    info = mlmodel.get("saved_input_example_info") or {}
    name = info.get("serving_input_path")
    if name:
        file = Path(path) / str(name)
        if file.is_file():
            return file.read_text(encoding="utf-8")
    return made_up(fields(mlmodel, "inputs"))


def describe(path: str, mlmodel: dict[str, Any], *, runtime: str) -> Description:
    """Return what a model's files say of it."""
    return Description(
        inputs=fields(mlmodel, "inputs"),
        outputs=fields(mlmodel, "outputs"),
        signed=bool(mlmodel.get("signature")),
        example=example(path, mlmodel),
        runtime=runtime,
        mlflow=_mlflow_version(),
    )


def _mlflow_version() -> str:
    """Return the version of MLflow in this environment, without importing it."""
    for name in ("mlflow", "mlflow-skinny"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return ""


_SAMPLES: dict[str, Any] = {
    "double": 0.0,
    "float": 0.0,
    "long": 0,
    "integer": 0,
    "boolean": False,
    "string": "",
    "datetime": "2000-01-01T00:00:00",
    "binary": "",
}


def made_up(inputs: tuple[Field, ...]) -> str:
    """Return a request body made from a signature, "" where it says too little.

    Example:
        >>> made_up((Field("a", "double"), Field("b", "string")))
        '{"dataframe_split": {"columns": ["a", "b"], "data": [[0.0, ""]]}}'
    """
    if not inputs:
        return ""
    if all(one.shape is None and one.type in _SAMPLES and one.name for one in inputs):
        names = [one.name for one in inputs]
        row = [_SAMPLES[one.type] for one in inputs]
        return json.dumps({"dataframe_split": {"columns": names, "data": [row]}})
    if len(inputs) == 1 and inputs[0].shape is not None and inputs[0].type != "object":
        value: Any = "" if inputs[0].type in ("str", "object") else 0
        for size in reversed(inputs[0].shape):
            value = [value] * (size if size > 0 else 1)
        return json.dumps({"inputs": value})
    return ""
