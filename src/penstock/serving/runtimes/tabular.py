"""Rows of plain values as the table that a model was fitted on: an array, or one DataFrame.

The conversions are those that MLflow makes for a signature. Where a value would need more than
those, `Table.build` raises and the request goes the long way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from penstock.inference.description import Field

NUMBERS = {"double": "float64", "long": "int64", "integer": "int32", "boolean": "bool"}
"""Column types of a signature that have a numpy type of their own; ``float`` is rounded apart."""


@dataclass(frozen=True, slots=True)
class Table:
    """How to build what a model wants from rows.

    Attributes:
        columns: names that a request must have, in the model's order; None for an array.
        width: number of columns, None if any.
        build: makes the table; raises `ValueError` or `TypeError` for rows that do not fit.
    """

    columns: tuple[str, ...] | None
    width: int | None
    build: Callable[[list[Any]], Any]


def table_of(
    inputs: tuple[Field, ...],
    *,
    signed: bool,
    fitted_names: tuple[str, ...] | None,
    fitted_width: int | None,
) -> Table | None:
    """Return how to build a model's table, None where there is no fast way.

    Args:
        inputs: of the signature.
        signed: whether the model has a signature.
        fitted_names: names of the columns of the DataFrame that the model was fitted on, if any.
        fitted_width: number of features that it was fitted on.
    """
    if not signed or not inputs:
        if fitted_names is None and fitted_width is not None:
            return Table(None, fitted_width, _array("float64"))
        return None
    if inputs[0].shape is not None:
        return _tensor(inputs, fitted_names)
    if any(one.shape is not None or not one.required or not one.name for one in inputs):
        return None
    columns = tuple(one.name for one in inputs)
    if fitted_names is None and all(one.type == "double" for one in inputs):
        return Table(columns, len(columns), _array("float64"))
    if all(one.type in NUMBERS or one.type in ("string", "float") for one in inputs):
        return Table(columns, len(columns), _frame(inputs))
    return None


def _tensor(inputs: tuple[Field, ...], fitted_names: tuple[str, ...] | None) -> Table | None:
    (first, *others) = inputs
    shape = first.shape or ()
    if others or first.name or len(shape) != 2 or shape[0] != -1 or fitted_names is not None:
        return None
    if first.type not in ("float64", "float32"):
        return None
    width = shape[1] if shape[1] > 0 else None
    return Table(None, width, _array(first.type)) if width else None


def _array(dtype: str) -> Callable[[list[Any]], Any]:
    import numpy as np

    def build(rows: list[Any]) -> Any:
        table = np.array(rows, dtype=dtype)
        if table.ndim != 2:
            raise ValueError("the rows are not a table")
        return table

    return build


def _frame(inputs: tuple[Field, ...]) -> Callable[[list[Any]], Any]:
    import numpy as np
    import pandas as pd

    names = [one.name for one in inputs]
    if all(one.type == "double" for one in inputs):
        array = _array("float64")
        index = pd.Index(names)
        return lambda rows: pd.DataFrame(array(rows), columns=index, copy=False)
    makers = [_column(one.type, np) for one in inputs]

    def build(rows: list[Any]) -> Any:
        columns = zip(*rows, strict=True)
        made = [make(column) for make, column in zip(makers, columns, strict=True)]
        return pd.DataFrame(dict(zip(names, made, strict=True)))

    return build


def _column(kind: str, np: Any) -> Callable[[tuple[Any, ...]], Any]:
    def text(column: tuple[Any, ...]) -> Any:
        if set(map(type, column)) != {str}:
            raise TypeError("a text column holds something else")
        return list(column)

    def whole(column: tuple[Any, ...]) -> Any:
        if set(map(type, column)) != {int}:
            raise TypeError("an integer column holds something else")
        return np.array(column, dtype=NUMBERS[kind])

    def truth(column: tuple[Any, ...]) -> Any:
        if set(map(type, column)) != {bool}:
            raise TypeError("a boolean column holds something else")
        return np.array(column, dtype=bool)

    def number(column: tuple[Any, ...]) -> Any:
        return np.array(column, dtype="float32" if kind == "float" else "float64")

    makers = {"string": text, "long": whole, "integer": whole, "boolean": truth}
    return makers.get(kind, number)
