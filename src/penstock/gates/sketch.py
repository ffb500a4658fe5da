"""The content of a test set in a few numbers, so that it is known again under any name.

Each row is hashed over its columns in the order of their names. The digest is of all row hashes in
order of size, so neither the order of the rows nor the file's format matters. The sketch keeps the
smallest hashes: the share that two sketches have in common estimates the share of common rows
(Broder 1997). The values of each column, in whatever order and under whatever name, have a digest
of their own: the same rows with a feature more, less or computed anew are known by the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_KEPT = 256
_TELLING = 20
_DATE = r"^\d{4}-\d{2}-\d{2}"

Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Sketch:
    """Digest and sketch of a set of rows.

    Attributes:
        digest: hexadecimal sha256 of the sorted row hashes.
        rows: number of rows.
        smallest: up to 256 smallest distinct row hashes, rising.
        columns: digest of the values of each column that has more than a few of them.
    """

    digest: str
    rows: int
    smallest: tuple[int, ...]
    columns: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: Path | pd.DataFrame) -> Self:
        """Read a test set and sketch it."""
        frame = data if isinstance(data, pd.DataFrame) else _read(data)
        total: Hashes = np.zeros(len(frame), dtype=np.uint64)
        columns: list[str] = []
        for place, name in enumerate(sorted(frame.columns, key=str)):
            part = _hashes(frame[name])
            with np.errstate(over="ignore"):
                factor = np.uint64(2 * place + 1) * np.uint64(0x9E3779B97F4A7C15)
                total = np.asarray((total ^ part) * np.uint64(0x100000001B3) + factor, np.uint64)
                if np.unique(part[:4096]).size >= _TELLING:
                    columns.append(f"{part.sum():016x}{(part * part).sum():016x}")
        total.sort()
        digest = hashlib.sha256(total.astype("<u8").tobytes()).hexdigest()
        smallest = np.unique(total)[:_KEPT]
        return cls(digest, int(total.size), tuple(int(one) for one in smallest), tuple(columns))

    def to_dict(self) -> dict[str, Any]:
        """Return the sketch as plain values."""
        return {
            "rows": self.rows,
            "smallest": [f"{one:016x}" for one in self.smallest],
            "columns": list(self.columns),
        }

    @classmethod
    def from_dict(cls, item: dict[str, Any] | Sequence[str], digest: str) -> Self:
        """Read what `to_dict` wrote."""
        if not isinstance(item, dict):  # as it was kept before columns had digests
            return cls(digest, len(item), tuple(int(one, 16) for one in item))
        smallest = tuple(int(one, 16) for one in item["smallest"])
        return cls(digest, item["rows"], smallest, tuple(item["columns"]))

    def same_as(self, other: Sketch) -> bool:
        """Whether two sets are one: half of their rows, or of their columns, are the same.

        >>> frame = pd.DataFrame({"a": np.arange(1000) ** 2 % 997, "b": np.arange(1000) / 7})
        >>> once = Sketch.of(frame)
        >>> once.same_as(Sketch.of(frame.assign(c=1))), once.same_as(Sketch.of(frame[:-1]))
        (True, True)
        >>> once.same_as(Sketch.of(frame + 1000))
        False
        """
        if overlap(self, other) >= 0.5:
            return True
        common = {*self.columns} & {*other.columns}
        return self.rows == other.rows and 2 * len(common) >= max(1, len(other.columns))


def overlap(first: Sketch, second: Sketch) -> float:
    """Return the estimated share of rows that two sets have in common (Jaccard).

    >>> frame = pd.DataFrame({"a": range(1000)})
    >>> one, other = Sketch.of(frame), Sketch.of(frame[:900])
    >>> one.digest == other.digest, round(overlap(one, other), 1)
    (False, 0.9)
    """
    union = sorted({*first.smallest, *second.smallest})[:_KEPT]
    both = {*first.smallest} & {*second.smallest}
    return sum(one in both for one in union) / len(union) if union else 1.0


def _read(data: Path) -> pd.DataFrame:
    if data.suffix.lower() in {".csv", ".tsv", ".gz"}:
        return pd.read_csv(data, sep="\t" if ".tsv" in data.name.lower() else ",")
    return pd.read_parquet(data)


def _hashes(column: pd.Series[Any]) -> Hashes:
    """Return one hash per value: by what it means, whatever type a file gives it."""
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        codes = column.cat.codes.to_numpy()
        known = np.append(_hashes(pd.Series(column.cat.categories)), _hashes(pd.Series([None])))
        return np.asarray(known[codes], dtype=np.uint64)
    if pd.api.types.is_bool_dtype(kind) or pd.api.types.is_numeric_dtype(kind):
        return _of_numbers(np.asarray(column, dtype=np.float64))
    if pd.api.types.is_datetime64_any_dtype(kind):
        return _of_times(column)
    texts = column.astype("object").where(column.notna(), "").astype(str)
    filled = texts[texts != ""]
    if len(filled) and filled.iloc[:50].str.contains(_DATE).all():
        times = pd.to_datetime(
            texts.where(texts != ""), format="ISO8601", errors="coerce", utc=True
        )
        if times.notna().sum() == len(filled):
            return _of_times(times)
    return np.asarray(pd.util.hash_pandas_object(texts, index=False), dtype=np.uint64)


def _of_numbers(values: NDArray[np.float64]) -> Hashes:
    """Hash numbers; fractions as far as 32 bits go, since not every file keeps more."""
    with np.errstate(over="ignore", invalid="ignore"):
        short = values.astype(np.float32).astype(np.float64)
        plain = np.where(values == np.floor(values), values, short) + 0.0
    return np.asarray(pd.util.hash_array(plain), dtype=np.uint64)


def _of_times(column: pd.Series[Any]) -> Hashes:
    """Hash points in time to the microsecond; those without a zone are taken for UTC."""
    zoned = column.dt.tz_localize("UTC") if column.dt.tz is None else column.dt.tz_convert("UTC")
    whole = zoned.dt.tz_localize(None).astype("datetime64[us]")
    return np.asarray(pd.util.hash_array(whole.to_numpy().astype(np.int64)), dtype=np.uint64)
