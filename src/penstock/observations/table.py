"""Records as a table: one row per row of a request, one column per feature."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from penstock.observations.bodies import Rows, features, predictions
from penstock.observations.records import Feedback, Record

FEATURE = "features."
"""Prefix of a feature's column."""


def traffic_table(records: Sequence[Record], *, model: str, exclude: Collection[str] = ()) -> Any:
    """Return records as a `pyarrow.Table`.

    Args:
        records: in the order of their arrival.
        model: name of the model that answered.
        exclude: names of features that must not be kept.

    Returns:
        Columns ``request_id``, ``row``, ``time``, ``model``, ``version``, ``role``, ``code``,
        ``latency`` (seconds), ``prediction`` (number) or ``prediction_text``, and ``features.*``:
        numbers as float64, everything else as text.
    """
    import pyarrow as pa

    groups: dict[tuple[str, ...], list[tuple[Record, Rows, list[Any]]]] = {}
    for record in records:
        rows = features(record.kind, record.body)
        found = predictions(record.answer) if record.status < 400 else []
        groups.setdefault(rows.names, []).append((record, rows, found))
    tables = [_group_table(names, group, model, exclude) for names, group in groups.items()]
    if len(tables) == 1:
        return tables[0]
    return unified(tables) if tables else pa.table({})


def _group_table(
    names: tuple[str, ...],
    group: list[tuple[Record, Rows, list[Any]]],
    model: str,
    exclude: Collection[str],
) -> Any:
    import pyarrow as pa

    owners: list[Record] = []
    numbers: list[int] = []
    values: list[Any] = []
    answers: list[Any] = []
    for record, rows, found in group:
        count = max(len(rows.values), 1)
        owners += [record] * count
        numbers += range(count)
        values += rows.values or [[None] * len(names)]
        answers += found[:count] + [None] * (count - len(found))
    columns: dict[str, Any] = {
        "request_id": pa.array([one.id for one in owners], pa.string()),
        "row": pa.array(numbers, pa.int32()),
        "time": pa.array([one.time for one in owners], pa.float64()),
        "model": pa.array([model] * len(owners)).dictionary_encode().cast(pa.string()),
        "version": pa.array([one.version for one in owners], pa.string()),
        "role": pa.array([one.role for one in owners], pa.string()),
        "code": pa.array([one.status for one in owners], pa.int32()),
        "latency": pa.array([one.seconds for one in owners], pa.float64()),
        **_split_kinds("prediction", [scalar(one) for one in answers]),
    }
    for name, column in zip(names, _columns(names, values), strict=True):
        if name not in exclude:
            columns[FEATURE + name] = column
    return pa.table(columns)


def _columns(names: tuple[str, ...], rows: list[Any]) -> list[Any]:
    """Return one array per feature."""
    import numpy as np
    import pyarrow as pa

    if not names:
        return []
    width = len(names)
    rows = [row if len(row) == width else [None] * width for row in rows]
    if not any(type(value) is str for value in rows[0]):
        try:
            table = np.array(rows, dtype="float64")
        except (ValueError, TypeError):
            pass  # texts further down; column by column then
        else:
            return [pa.array(table[:, k], from_pandas=True) for k in range(width)]
    return [_column(list(column)) for column in zip(*rows, strict=True)]


def _column(values: list[Any]) -> Any:
    import pyarrow as pa

    if all(value is None or isinstance(value, (int, float)) for value in values):
        return pa.array([None if v is None else float(v) for v in values], pa.float64())
    return pa.array([None if v is None else str(v) for v in values], pa.string())


def scalar(prediction: Any) -> Any:
    """Return one value for a prediction: of a record its first, of scores the likelier's place."""
    if isinstance(prediction, dict):
        return scalar(next(iter(prediction.values()), None))
    if isinstance(prediction, list):
        if len(prediction) == 2 and all(isinstance(one, float) for one in prediction):
            return prediction[1]  # the score of the positive class
        if len(prediction) > 1 and all(isinstance(one, (int, float)) for one in prediction):
            return max(range(len(prediction)), key=prediction.__getitem__)
        return scalar(prediction[0]) if prediction else None
    return prediction


def _split_kinds(name: str, values: list[Any]) -> dict[str, Any]:
    """Return a column of numbers and one of texts; one of them is null in each row."""
    import pyarrow as pa

    numbers = [float(v) if isinstance(v, (int, float)) else None for v in values]
    texts = [None if v is None or isinstance(v, (int, float)) else str(v) for v in values]
    return {
        name: pa.array(numbers, pa.float64()),
        f"{name}_text": pa.array(texts, pa.string()),
    }


def feedback_table(items: Iterable[Feedback]) -> Any:
    """Return labels as a `pyarrow.Table`: ``request_id``, ``row``, ``time`` and ``label``."""
    import pyarrow as pa

    known = [one for one in items if one.label is not None]
    return pa.table(
        {
            "request_id": pa.array([one.id for one in known], pa.string()),
            "row": pa.array([one.row for one in known], pa.int32()),
            "label_time": pa.array([one.time for one in known], pa.float64()),
            **_split_kinds("label", [one.label for one in known]),
        }
    )


def unified(tables: Sequence[Any]) -> Any:
    """Return tables one below the other; a column that is text in one is text in all."""
    import pyarrow as pa

    text = pa.string()
    mixed = set()
    seen: dict[str, Any] = {}
    for table in tables:
        for field in table.schema:
            if seen.setdefault(field.name, field.type) != field.type:
                mixed.add(field.name)
    if mixed:
        tables = [
            table.cast(
                pa.schema([f.with_type(text) if f.name in mixed else f for f in table.schema])
            )
            for table in tables
        ]
    return pa.concat_tables(tables, promote_options="default")
