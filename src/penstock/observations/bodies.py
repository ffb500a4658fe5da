"""Features and predictions out of the bodies that went through the gateway."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from penstock.inference import frames

MAX_ROWS = 1000
"""Most rows of one request that are kept."""


class Rows(NamedTuple):
    """Features of a request, row by row.

    Attributes:
        names: of the features.
        values: one sequence per row.
    """

    names: tuple[str, ...]
    values: list[Any]


NOTHING = Rows((), [])


def features(kind: int, body: bytes) -> Rows:
    """Return the features of a request; nothing if its body cannot be read."""
    try:
        if kind in (frames.INVOCATIONS_CSV, frames.INVOCATIONS_PARQUET):
            return _from_file(kind, body)
        item = orjson.loads(body)
        if not isinstance(item, dict):
            return NOTHING
        if kind == frames.V2_INFER:
            return _from_tensors(item["inputs"])
        return _from_forms(item)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return NOTHING


def predictions(answer: bytes) -> list[Any]:
    """Return the predictions of an answer, row by row; empty if there are none."""
    try:
        item = orjson.loads(answer)
        plain = "predictions" in item
        values = item["predictions"] if plain else item["outputs"][0]["data"]
    except (ValueError, KeyError, TypeError, IndexError):
        return []
    return values if isinstance(values, list) else [values]


def _from_forms(item: dict[str, Any]) -> Rows:
    if "dataframe_split" in item:
        data = item["dataframe_split"]
        rows = data["data"][:MAX_ROWS]
        names = data.get("columns")
        return Rows(tuple(map(str, names)) if names else _numbered(len(rows[0])), rows)
    if "dataframe_records" in item:
        return _from_records(item["dataframe_records"])
    data = item["instances"] if "instances" in item else item["inputs"]
    if isinstance(data, dict):
        return _from_columns(data)
    if data and isinstance(data[0], dict):
        return _from_records(data)
    rows = [row if isinstance(row, list) else [row] for row in data[:MAX_ROWS]]
    return Rows(_numbered(len(rows[0])), rows) if rows else NOTHING


@lru_cache
def _numbered(width: int) -> tuple[str, ...]:
    """Return names for features without any: their places."""
    return tuple(map(str, range(width)))


def _from_records(records: list[dict[str, Any]]) -> Rows:
    records = records[:MAX_ROWS]
    names = tuple(dict.fromkeys(name for one in records for name in one))
    return Rows(names, [[one.get(name) for name in names] for one in records])


def _from_columns(columns: dict[str, Any]) -> Rows:
    lists = [one if isinstance(one, list) else [one] for one in columns.values()]
    rows = [list(row) for row in zip(*lists, strict=True)]
    return Rows(tuple(columns), rows[:MAX_ROWS])


def _from_tensors(inputs: list[dict[str, Any]]) -> Rows:
    if len(inputs) > 1 or len(inputs[0]["shape"]) == 1:
        return _from_columns({one["name"]: _flat(one["data"]) for one in inputs})
    (one,) = inputs
    count, width = one["shape"][0], one["shape"][-1]
    data = _flat(one["data"])
    if width == 1:
        return _from_columns({one["name"]: data})
    rows = [data[k * width : (k + 1) * width] for k in range(min(count, MAX_ROWS))]
    return Rows(_numbered(width), rows)


def _flat(data: list[Any]) -> list[Any]:
    while data and isinstance(data[0], list):
        data = [value for part in data for value in part]
    return data


def _from_file(kind: int, body: bytes) -> Rows:
    import io

    import pandas as pd

    file = io.BytesIO(body)
    frame = pd.read_csv(file) if kind == frames.INVOCATIONS_CSV else pd.read_parquet(file)
    frame = frame.head(MAX_ROWS)
    frame = frame.astype(object).where(frame.notna(), None)
    return Rows(tuple(map(str, frame.columns)), frame.to_numpy().tolist())
