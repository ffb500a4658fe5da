"""Metrics and parameters of a project, flat, as its stages wrote and read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock.domain.pipeline import Pipeline
from penstock.errors import ConfigError
from penstock.pipeline.loading import load


def metrics(root: Path) -> dict[str, float]:
    """Return all numbers of the metrics files that dvc.yaml names.

    Names are dotted; where two files have the same name, the later one says its file too.
    Files that do not exist yet, or are not YAML, JSON or TOML, are left out.
    """
    from penstock.pipeline import parameters

    pipeline = load(root)
    files = [
        out.full for stage in pipeline.stages.values() for out in stage.outs if out.kind == "metric"
    ]
    found: dict[str, float] = {}
    for file in dict.fromkeys([*files, *pipeline.metrics]):
        path = root / file
        if not path.is_file():
            continue
        try:
            values = parameters.load(path, file)
        except ConfigError:
            continue
        for name, value in parameters.flatten(values).items():
            if isinstance(value, int | float):
                found[name if name not in found else f"{file}:{name}"] = float(value)
    return found


def params(root: Path) -> dict[str, str]:
    """Return all parameters that stages depend on, as text; those of other files with their file.

    Raises:
        ConfigError: a parameter file cannot be read.
    """
    from penstock.pipeline import parameters

    pipeline = load(root)
    found: dict[str, str] = {}
    for file, keys in _wanted(pipeline).items():
        path = root / file
        if not path.is_file():
            continue
        values, _ = parameters.select(parameters.load(path, file), keys)
        prefix = "" if file == parameters.DEFAULT else f"{file}:"
        for name, value in values.items():
            for flat, item in _flat(name, value).items():
                found[prefix + flat] = text(item)
    return found


def _wanted(pipeline: Pipeline) -> dict[str, tuple[str, ...]]:
    wanted: dict[str, tuple[str, ...]] = {}
    for stage in pipeline.stages.values():
        for file in stage.params:
            present = wanted.get(file.full)
            whole = not file.keys or present == ()
            wanted[file.full] = () if whole else (*(present or ()), *file.keys)
    for name in pipeline.params:
        wanted[name] = ()
    return wanted


def _flat(name: str, value: Any) -> dict[str, Any]:
    from penstock.pipeline.parameters import flatten

    return flatten(value, name) if isinstance(value, dict) else {name: value}


def text(value: Any) -> str:
    """Return a parameter as text: ``true``, ``null``, numbers as Python writes them, JSON else."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict | list | bool) or value is None:
        import json

        return json.dumps(value)
    return str(value)
