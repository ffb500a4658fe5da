"""Changes of parameter files as text, keeping comments and order."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from penstock.errors import ConfigError

DEFAULT = "params.yaml"


def split(name: str) -> tuple[str, str]:
    """Return file and dotted key of a parameter.

    >>> split("train.depth"), split("conf/model.yaml:depth")
    (('params.yaml', 'train.depth'), ('conf/model.yaml', 'depth'))
    """
    file, found, key = name.rpartition(":")
    return (file, key) if found else (DEFAULT, name)


def edit(text: str, changes: Mapping[str, Any], file: str) -> str:
    """Return a parameter file with some values changed.

    Args:
        text: of the file.
        changes: dotted name -> new value.
        file: its name, which also tells YAML from JSON.

    Raises:
        ConfigError: ``retrain.params-file`` for a kind of file that cannot be changed,
            ``retrain.unknown-param`` when there is no such parameter.
    """
    if file.endswith(".json"):
        values = json.loads(text)
        _change(values, changes, file)
        return json.dumps(values, indent=2) + "\n"
    if not file.endswith((".yaml", ".yml")):
        raise ConfigError(
            f"parameters in {file} cannot be changed by a retraining",
            code="retrain.params-file",
            hint="keep what is searched or set by penstock in a YAML or JSON file",
        )
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    values = yaml.load(text)
    _change(values, changes, file)
    stream = io.StringIO()
    yaml.dump(values, stream)
    return stream.getvalue()


def _change(values: Any, changes: Mapping[str, Any], file: str) -> None:
    for name, value in changes.items():
        inner, *last = values, *name.split(".")
        for part in last[:-1]:
            inner = inner.get(part) if isinstance(inner, dict) else None
        if not isinstance(inner, dict) or last[-1] not in inner:
            raise ConfigError(
                f"{file} has no parameter {name!r}",
                code="retrain.unknown-param",
                hint="add it with its present value: a retraining changes values, it adds none",
            )
        inner[last[-1]] = value


def grouped(changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return changes by file.

    >>> grouped({"a": 1, "conf.json:b": 2})
    {'params.yaml': {'a': 1}, 'conf.json': {'b': 2}}
    """
    found: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        file, key = split(name)
        found.setdefault(file, {})[key] = value
    return found
