"""The schema of a data set, as a person writes it in YAML: columns, what may stand in them.

    columns:
      dep_delay: {type: number, min: -60, max: 1500, missing: 2%}
      carrier: {type: text, values: [AA, DL, UA]}
      late: {type: whole, values: [0, 1]}
    rows: {min: 1000}
    other_columns: allow

Every mistake is reported at once, at its line and column.
"""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.config.source import Document, read
from penstock.config.units import share
from penstock.errors import ConfigError, Problem

TYPES = ("number", "whole", "text", "truth", "time", "any")
"""`number` takes whole ones too; `truth` is true or false; `time` is a date, with a time or not."""


@dataclass(frozen=True, slots=True)
class ColumnRule:
    """What may stand in one column.

    Attributes:
        name: of the column.
        type: one of `TYPES`.
        required: whether the column must be there.
        missing: share of rows without a value that is allowed, 0 to 1.
        min, max: bounds, both allowed themselves; None for none.
        values: the only values that are allowed; None for any.
        pattern: a regular expression that the whole text must match.
        unique: whether no value may stand twice.
    """

    name: str
    type: str = "any"
    required: bool = True
    missing: float = 0.0
    min: Any = None
    max: Any = None
    values: tuple[Any, ...] | None = None
    pattern: str | None = None
    unique: bool = False


@dataclass(frozen=True, slots=True)
class DataSchema:
    """What a data set must look like.

    Attributes:
        columns: rules, in the order of the file.
        min_rows, max_rows: how many rows there must, may be; None for any number.
        other_columns: whether columns without a rule are allowed.
    """

    columns: tuple[ColumnRule, ...]
    min_rows: int | None = None
    max_rows: int | None = None
    other_columns: bool = True


@dataclass(slots=True)
class _Faults:
    """Collects problems of one document."""

    document: Document
    found: list[Problem] = field(default_factory=list)

    def add(
        self, path: tuple[Any, ...], message: str, hint: str | None = None, *, key: bool = False
    ) -> None:
        span = self.document.span(path, key=key)
        self.found.append(Problem("schema.wrong", message, span, hint))

    def unknown(self, path: tuple[Any, ...], known: Iterable[str]) -> None:
        near = difflib.get_close_matches(str(path[-1]), list(known), n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        self.add(path, f"{path[-1]!r} is not a word of a schema", hint, key=True)


def read_schema(source: Path | str, *, file: str | None = None) -> DataSchema:
    """Read a schema file, or its text.

    Raises:
        ConfigError: all that is wrong with it, each with its line and column.
    """
    document = read(source, file=file)
    faults = _Faults(document)
    schema = _schema(document.value, faults)
    if faults.found:
        raise ConfigError.of(faults.found)
    return schema


def _schema(value: Any, faults: _Faults) -> DataSchema:
    if not isinstance(value, dict) or not isinstance(value.get("columns"), dict):
        hint = "start with `columns:` and a line for each column, or infer one to begin with"
        faults.add(("columns",), "a schema lists columns by name", hint)
        return DataSchema(())
    for key in value:
        if key not in _TOP:
            faults.unknown((key,), _TOP)
    columns = tuple(_column(str(name), rule, faults) for name, rule in value["columns"].items())
    rows = value.get("rows") or {}
    if not isinstance(rows, dict):
        faults.add(("rows",), "rows take min and max", "write {min: 1000}")
        rows = {}
    for key in rows:
        if key not in {"min", "max"}:
            faults.unknown(("rows", key), ("min", "max"))
    low, high = (_count(rows.get(key), ("rows", key), faults) for key in ("min", "max"))
    other = value.get("other_columns", "allow")
    if other not in ("allow", "refuse"):
        faults.add(("other_columns",), "other_columns is allow or refuse")
    return DataSchema(columns, low, high, other != "refuse")


def _column(name: str, rule: Any, faults: _Faults) -> ColumnRule:
    path = ("columns", name)
    if isinstance(rule, str):
        rule = {"type": rule}
    if not isinstance(rule, dict):
        faults.add(path, f"column {name} takes a type or a map", "write {type: number}")
        return ColumnRule(name)
    given: dict[str, Any] = {}
    for key, value in rule.items():
        reader = _KEYS.get(key) if isinstance(key, str) else None
        if reader is None:
            faults.unknown((*path, key), _KEYS)
            continue
        try:
            given[key] = reader(value)
        except ValueError as error:
            faults.add((*path, key), f"{key} of {name}: {error}")
    made = ColumnRule(name, **given)
    _agree(made, path, faults)
    return made


def _agree(rule: ColumnRule, path: tuple[Any, ...], faults: _Faults) -> None:
    """Find rules that contradict each other."""
    if rule.pattern is not None and rule.type not in {"text", "any"}:
        faults.add((*path, "pattern"), f"a pattern is for text, {rule.name} is {rule.type}")
    for key in ("min", "max"):
        bound = getattr(rule, key)
        if bound is not None and rule.type in {"text", "truth"}:
            faults.add((*path, key), f"{rule.type} has no {key}imum")
    try:
        crossed = rule.min is not None and rule.max is not None and rule.min > rule.max
    except TypeError:
        faults.add((*path, "max"), f"min and max of {rule.name} cannot be compared")
        return
    if crossed:
        faults.add((*path, "max"), f"max of {rule.name} is below its min: nothing could pass")


def _one_of(*words: str) -> Callable[[Any], Any]:
    def reader(value: Any) -> Any:
        if value not in words:
            near = difflib.get_close_matches(str(value), words, n=1)
            more = f"; did you mean {near[0]}?" if near else f"; it is {', '.join(words)}"
            raise ValueError(f"{value!r} is not known{more}")
        return value

    return reader


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")  # noqa: TRY004 - read as a value
    return value


def _bound(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a bound")  # noqa: TRY004
    return value


def _values(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list) or not value:
        raise ValueError("a list of at least one value is wanted")
    if any(isinstance(one, list | dict) for one in value):
        raise ValueError("values are plain, not lists or maps")
    return tuple(value)


def _pattern(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a regular expression")  # noqa: TRY004 - read as a value
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # what a later Python would read otherwise
            re.compile(value)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return value


def _count(value: Any, path: tuple[Any, ...], faults: _Faults) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        faults.add(path, f"{value!r} is not a number of rows")
        return None
    return value


_TOP = ("columns", "rows", "other_columns")
_KEYS: dict[str, Callable[[Any], Any]] = {
    "type": _one_of(*TYPES),
    "required": _truth,
    "missing": share,
    "min": _bound,
    "max": _bound,
    "values": _values,
    "pattern": _pattern,
    "unique": _truth,
}
