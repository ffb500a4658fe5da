"""Values of parameter files: YAML, JSON, TOML and Python, read as DVC reads them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError, Span

DEFAULT = "params.yaml"
MISSING = object()


def load(path: Path, file: str) -> Any:
    """Read a whole parameter file; the kind is told by its suffix, YAML where it is unknown.

    Args:
        path: where it stands.
        file: what messages call it.

    Raises:
        ConfigError: it cannot be read, or is not what its suffix says, with the place.
    """
    from penstock.config import syntax

    return parse(syntax.text_of(path, file), path.suffix, file)


def parse(text: str, suffix: str, file: str) -> Any:
    """Read the text of a parameter file; see `load`."""
    if suffix == ".json":
        return _json(text, file)
    if suffix == ".toml":
        return _toml(text, file)
    if suffix == ".py":
        from penstock.pipeline import pyparams

        return pyparams.parse(text, file)
    from penstock.config import source

    value = source.read(text, file=file).value
    return {} if value is None else value


def _json(text: str, file: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        span = Span(file, error.lineno, error.colno)
        raise ConfigError(f"not valid JSON: {error.msg}", code="json.syntax", span=span) from None
    except (RecursionError, ValueError) as error:
        raise ConfigError(
            f"not valid JSON: {error}", code="json.syntax", span=Span(file, 1, 1)
        ) from None


def _toml(text: str, file: str) -> Any:
    import re
    import tomllib

    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        found = re.search(r"\(at line (\d+), column (\d+)\)", str(error))
        line, column = (int(found[1]), int(found[2])) if found else (1, 1)
        message = str(error).split(" (at ")[0]
        span = Span(file, line, column)
        raise ConfigError(f"not valid TOML: {message}", code="toml.syntax", span=span) from None


def pick(values: Any, key: str) -> Any:
    """Return the value under a dotted name, `MISSING` when there is none.

    >>> pick({"train": {"lr": [0.1, 0.2]}}, "train.lr.1")
    0.2
    """
    for part in key.split("."):
        if isinstance(values, dict):
            if part in values:
                values = values[part]
                continue
            match = [value for name, value in values.items() if str(name) == part]
            if not match:
                return MISSING
            values = match[0]
        elif isinstance(values, list | tuple) and part.isdecimal() and int(part) < len(values):
            values = values[int(part)]
        else:
            return MISSING
    return values


def select(values: Any, keys: Iterable[str]) -> tuple[dict[str, Any], list[str]]:
    """Return the values of `keys` sorted by name (of all, for none), and the keys not found."""
    chosen = sorted(set(keys))
    if not chosen:
        whole = values if isinstance(values, dict) else {}
        return {str(key): normal(whole[key]) for key in sorted(whole, key=str)}, []
    found = {key: pick(values, key) for key in chosen}
    missing = [key for key, value in found.items() if value is MISSING]
    return {key: normal(value) for key, value in found.items() if value is not MISSING}, missing


def normal(value: Any) -> Any:
    """Return a value as dvc.lock can hold it: tuples and sets of Python files become lists."""
    if isinstance(value, dict):
        return {key: normal(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [normal(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((normal(item) for item in value), key=repr)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def flatten(values: Any, prefix: str = "") -> dict[str, Any]:
    """Return nested values by dotted names.

    >>> flatten({"a": {"b": 1, "c": [2]}})
    {'a.b': 1, 'a.c': [2]}
    """
    if not isinstance(values, dict):
        return {prefix: values} if prefix else {}
    result: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if isinstance(value, dict):
            result.update(flatten(value, name))
        else:
            result[name] = value
    return result
