"""Columns as codes: what the tests of data compare, in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

MISSING = -1
"""The code of a value that is not there."""


def is_numeric(column: pd.Series[Any]) -> bool:
    """Tell whether a column is measured: a number or a time, not a name or a truth value."""
    return column.dtype.kind in "iufM" if hasattr(column.dtype, "kind") else False


def numbers(column: pd.Series[Any]) -> NDArray[np.float64]:
    """Return a measured column as floats; times as seconds, missing values as NaN."""
    if column.dtype.kind == "M":
        times = pd.to_datetime(column, utc=True).dt.tz_localize(None).astype("datetime64[ns]")
        found = times.to_numpy().astype("int64").astype(np.float64, copy=True)
        found[column.isna().to_numpy()] = np.nan
        return np.asarray(found / 1e9)
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def edges(values: NDArray[np.float64], bins: int) -> NDArray[np.float64]:
    """Return the distinct inner quantiles that split values into at most `bins` bins."""
    known = values[np.isfinite(values)]
    if known.size == 0:
        return np.empty(0)
    cuts = np.quantile(known, np.arange(1, bins) / bins)
    return np.asarray(np.unique(cuts))


def codes(
    column: pd.Series[Any], other: pd.Series[Any] | None = None, *, bins: int = 10, most: int = 50
) -> tuple[NDArray[np.int64], NDArray[np.int64] | None, list[str]]:
    """Return a column, and the same column of other rows, as codes of common bins.

    Measured columns are cut at the quantiles of `column`; of named ones the `most` frequent
    values keep a code of their own, and the rest share one.

    Returns:
        Codes of `column`, of `other`, and what each code from 0 means.
    """
    if is_numeric(column) and (other is None or is_numeric(other)):
        cuts = edges(numbers(column), bins)
        pair = [_cut(numbers(one), cuts) for one in (column, other) if one is not None]
        shown = [f"{cut:.4g}" for cut in cuts]
        names = [f"{a} to {b}" for a, b in zip(["-inf", *shown], [*shown, "inf"], strict=True)]
        return pair[0], pair[1] if other is not None else None, names
    text = column.astype(str).where(column.notna())
    values = text.value_counts().index[:most].tolist()
    place = {value: k for k, value in enumerate(values)}
    first = _named(text, place)
    if other is None:
        return first, None, [*values, "other"]
    return first, _named(other.astype(str).where(other.notna()), place), [*values, "other"]


def _cut(values: NDArray[np.float64], cuts: NDArray[np.float64]) -> NDArray[np.int64]:
    found = np.searchsorted(cuts, values, side="right").astype(np.int64)
    found[np.isnan(values)] = MISSING
    return found


def _named(text: pd.Series[Any], place: dict[str, int]) -> NDArray[np.int64]:
    found = np.array(text.map(place).fillna(len(place)), dtype=np.int64)
    found[text.isna().to_numpy()] = MISSING
    return found


def shares(found: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    """Return how many rows have each code from `MISSING` to `size` - 1."""
    return np.bincount(found - MISSING, minlength=size + 1).astype(np.float64)
