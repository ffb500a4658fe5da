"""A table in plain NumPy arrays: for interpreters that have pandas but nothing to read parquet.

One ``.npz`` file; nothing in it is pickled. Column k is `v{k}` (values), `m{k}` (which are missing)
and, for a category, `c{k}` (its values); `columns` is JSON: name and kind of each.
"""

from __future__ import annotations

import json
from typing import Any

SUFFIX = ".plain.npz"


def write_plain(frame: Any, path: str) -> None:
    """Write a data frame."""
    import numpy as np

    arrays: dict[str, Any] = {}
    columns = []
    for k, name in enumerate(frame.columns):
        column = frame[name]
        kind, values, more = _taken_apart(column)
        columns.append({"name": str(name), "kind": kind, "dtype": str(column.dtype)})
        arrays[f"v{k}"] = values
        arrays[f"m{k}"] = column.isna().to_numpy(dtype=bool)
        if more is not None:
            arrays[f"c{k}"] = more
    with open(path, "wb") as file:  # noqa: PTH123 - a name of text on both sides
        np.savez(file, columns=np.asarray(json.dumps(columns)), **arrays)


def read_plain(path: str) -> Any:
    """Read what `write_plain` wrote."""
    import numpy as np
    import pandas as pd

    with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:  # noqa: PTH123
        columns = json.loads(str(file["columns"]))
        made = {}
        for k, one in enumerate(columns):
            more = file[f"c{k}"] if f"c{k}" in file.files else None
            made[one["name"]] = _put_together(one, file[f"v{k}"], file[f"m{k}"], more)
        return pd.DataFrame(made)


def _taken_apart(column: Any) -> tuple[str, Any, Any]:
    import numpy as np
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        known = column.cat.categories
        names = known.to_numpy()
        plain = names if names.dtype.kind in "iufb" else np.asarray(known.astype(str), dtype=str)
        return "category", column.cat.codes.to_numpy(), plain
    kind = getattr(column.dtype, "kind", "O")
    if kind == "M":
        times = pd.to_datetime(column, utc=True).dt.tz_localize(None)
        return "time", times.astype("datetime64[ns]").to_numpy().astype("int64"), None
    if isinstance(column.dtype, np.dtype) and kind in "iufb":
        return "number", column.to_numpy(), None
    if kind in "iufb":  # numbers or truth values with gaps
        return "nullable", column.fillna(0).to_numpy(dtype=np.float64), None
    text = column.astype(object).where(column.notna(), "").astype(str)
    truth = bool(len(column)) and pd.api.types.infer_dtype(column, skipna=True) == "boolean"
    return "truth" if truth else "text", np.asarray(text, dtype=str), None


def _put_together(one: dict[str, Any], values: Any, missing: Any, more: Any) -> Any:
    import numpy as np
    import pandas as pd

    kind = one["kind"]
    if kind == "category":
        names = more.astype(object) if more.dtype.kind == "U" else more
        return pd.Series(pd.Categorical.from_codes(values, categories=names))
    if kind == "time":
        times = values.copy()
        times[missing] = np.iinfo("int64").min  # not a time
        return pd.Series(times.view("datetime64[ns]"))
    if kind == "number":
        return pd.Series(values)
    if kind == "nullable":
        return pd.Series(values).mask(missing).astype(one["dtype"])
    words = values.astype(object)
    if kind == "truth":
        words = np.asarray([word == "True" for word in words], dtype=object)
    words[missing] = None
    return pd.Series(words, dtype=object)
