"""The key that keeps a caller on one side of the split."""

from __future__ import annotations

from typing import Any

from penstock.gateway.exchange import Asked


class Sticky:
    """Finds the key of a request.

    Args:
        where: ``header:NAME``, ``field:NAME``, or None for no key.
    """

    def __init__(self, where: str | None) -> None:
        kind, _, name = (where or "").partition(":")
        self._header = name.lower().encode() if kind == "header" else None
        self._field = name if kind == "field" else None

    def key(self, request: Asked) -> bytes | None:
        """Return the key, None where there is none: then the request stands for itself."""
        if self._header is not None:
            return request.headers.get(self._header)
        if self._field is not None:
            return field_of(request.body, self._field)
        return None


def field_of(body: bytes, name: str) -> bytes | None:
    """Return a field's value in the first row of a JSON body, None if it is not there.

    Example:
        >>> field_of(b'{"dataframe_split": {"columns": ["id"], "data": [[7]]}}', "id")
        b'7'
        >>> field_of(b'{"dataframe_records": [{"id": "ann"}]}', "id")
        b'ann'
    """
    import orjson

    if name.encode() not in body:
        return None
    try:
        item = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(item, dict):
        return None
    value = item.get(name)
    for form in ("dataframe_split", "dataframe_records", "instances", "inputs"):
        if value is None and form in item:
            value = _first(item[form], name)
    return None if value is None or isinstance(value, (dict, list)) else str(value).encode()


def _first(data: Any, name: str) -> Any:
    if isinstance(data, dict) and "columns" in data and "data" in data:
        columns, rows = data["columns"], data["data"]
        if isinstance(columns, list) and name in columns and isinstance(rows, list) and rows:
            row, at = rows[0], columns.index(name)
            return row[at] if isinstance(row, list) and at < len(row) else None
        return None
    if isinstance(data, dict):
        column = data.get(name)
        return column[0] if isinstance(column, list) and column else column
    if isinstance(data, list) and data and isinstance(data[0], dict):
        if data[0].get("name") == name and "data" in data[0]:  # Open Inference Protocol
            return _first({name: data[0]["data"]}, name)
        return data[0].get(name)
    return None
