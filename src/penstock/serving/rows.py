"""Rows of a JSON request, read without pandas, whichever of MLflow's four forms it has.

Only what is plain is read here: right names, right widths. Everything else gets None and goes the
long way, through MLflow's own functions, which say what is wrong.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any

FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")
_OTHER_WAYS = ("messages", "prompt", "input")
"""Keys that make MLflow take a body as a request to a language model."""


class RowReader:
    """Reads rows in the order of a model's columns.

    Args:
        columns: names of the model's columns, or None where it takes an array without names.
        width: number of columns, None if any.
    """

    def __init__(self, columns: tuple[str, ...] | None, width: int | None) -> None:
        self.columns = columns
        self.width = len(columns) if columns is not None else width
        self._list = list(columns) if columns is not None else None
        self._set = frozenset(columns or ())

    def read(self, item: dict[str, Any]) -> list[Any] | None:
        """Return the rows of a request, or None if it is not a plain one."""
        if len(item) != 1:
            return None
        ((form, data),) = item.items()
        if form == "inputs":
            rows = self._tensor(data) if self._list is None else self._columns(data)
        elif form == "dataframe_split":
            rows = self._split(data)
        elif form == "dataframe_records":
            rows = self._records(data)
        elif form == "instances":
            rows = self._tensor(data) if self._list is None else self._records(data)
        else:
            return None
        if not rows:
            return None
        width = self.width
        for row in rows:
            if type(row) is not list and type(row) is not tuple:
                return None
            if width is not None and len(row) != width:
                return None
        return rows

    def complaint(self, item: Any) -> str:
        """Return why `read` took nothing out of a request, naming the field."""
        if not isinstance(item, dict) or len([form for form in FORMS if form in item]) != 1:
            return f"The input must be a JSON object with exactly one of the fields {FORMS}"
        form = next(form for form in FORMS if form in item)
        data = item[form]
        if self._list is not None:
            names: Any = None
            if form == "dataframe_split" and isinstance(data, dict):
                names = data.get("columns")
            elif isinstance(data, dict):
                names = list(data)
            elif isinstance(data, list) and data and isinstance(data[0], dict):
                names = list(data[0])
            if isinstance(names, list):
                missing = [name for name in self._list if name not in names]
                if missing:
                    return f"Model is missing inputs {missing}"
        wanted = f" of {self.width} values" if self.width is not None else ""
        return f"`{form}` does not hold rows{wanted} that fit the model"

    def _tensor(self, data: Any) -> list[Any] | None:
        return data if type(data) is list else None

    def _split(self, data: Any) -> list[Any] | None:
        if type(data) is not dict or type(data.get("data")) is not list or "index" in data:
            return None
        if len(data) > 2:
            return None
        rows: list[Any] = data["data"]
        names = data.get("columns")
        if names is not None and (
            type(names) is not list or not all(type(name) in (str, int) for name in names)
        ):
            return None
        if self._list is None:
            if names is not None and any(
                type(row) is not list or len(row) != len(names) for row in rows
            ):
                return None
            return rows
        if names == self._list:
            return rows
        return self._reordered(names, rows)

    def _reordered(self, names: Any, rows: list[Any]) -> list[Any] | None:
        assert self._list is not None
        if type(names) is not list or len(set(map(str, names))) != len(names):
            return None
        if not self._set.issubset(names) or any(
            type(row) is not list or len(row) != len(names) for row in rows
        ):
            return None
        if len(self._list) == 1:
            at = names.index(self._list[0])
            return [(row[at],) for row in rows]
        pick = itemgetter(*(names.index(name) for name in self._list))
        return [pick(row) for row in rows]

    def _records(self, data: Any) -> list[Any] | None:
        if self._list is None or type(data) is not list:
            return None
        names = self._list
        try:
            return [[row[name] for name in names] for row in data]
        except (KeyError, TypeError, IndexError):
            return None

    def _columns(self, data: Any) -> list[Any] | None:
        if type(data) is not dict or self._list is None:
            return None
        try:
            columns = [data[name] for name in self._list]
        except KeyError:
            return None
        if any(type(column) is not list for column in columns):
            return None
        if len({len(column) for column in columns}) != 1:
            return None
        return [list(row) for row in zip(*columns, strict=True)]


def is_plain(item: Any) -> bool:
    """Tell whether a parsed body is an ordinary request of MLflow's protocol, without params."""
    return type(item) is dict and len(item) == 1 and item.keys().isdisjoint(_OTHER_WAYS)
