"""The content of a test set in a few numbers, so that it is known again under any name.

Each row is hashed over its columns in the order of their names. The digest is of all row hashes in
order of size, so neither the order of the rows nor the file's format matters. The sketch keeps the
smallest hashes: the share that two sketches have in common estimates the share of common rows
(Broder 1997).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_KEPT = 256
_BATCH = 1 << 17


@dataclass(frozen=True, slots=True)
class Sketch:
    """Digest and sketch of a set of rows.

    Attributes:
        digest: hexadecimal sha256 of the sorted row hashes.
        rows: number of rows.
        smallest: up to 256 smallest distinct row hashes, rising.
    """

    digest: str
    rows: int
    smallest: tuple[int, ...]

    @classmethod
    def of(cls, data: Path | pd.DataFrame) -> Self:
        """Read a test set by batches and sketch it."""
        hashes = np.sort(np.concatenate([_hashes(frame) for frame in _batches(data)]))
        digest = hashlib.sha256(hashes.astype("<u8").tobytes()).hexdigest()
        smallest = np.unique(hashes)[:_KEPT]
        return cls(digest, int(hashes.size), tuple(int(one) for one in smallest))

    def to_hex(self) -> list[str]:
        """Return the sketch as plain values."""
        return [f"{one:016x}" for one in self.smallest]

    @classmethod
    def from_hex(cls, words: Sequence[str], digest: str) -> Self:
        """Read what `to_hex` wrote."""
        return cls(digest, len(words), tuple(int(one, 16) for one in words))


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


def _batches(data: Path | pd.DataFrame) -> list[pd.DataFrame]:
    if isinstance(data, pd.DataFrame):
        return [data]
    if data.suffix.lower() in {".csv", ".tsv", ".gz"}:
        separator = "\t" if ".tsv" in data.name.lower() else ","
        return [pd.read_csv(data, sep=separator)]
    return [pd.read_parquet(data)]


def _hashes(frame: pd.DataFrame) -> NDArray[np.uint64]:
    """Return one hash per row; whole numbers hash alike whatever their type."""
    total: NDArray[np.uint64] = np.zeros(len(frame), dtype=np.uint64)
    for place, name in enumerate(sorted(frame.columns, key=str)):
        column = frame[name]
        if pd.api.types.is_bool_dtype(column.dtype) or pd.api.types.is_numeric_dtype(column.dtype):
            column = column.astype("float64")
        elif not isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype("str")
        part = pd.util.hash_pandas_object(column, index=False).to_numpy(dtype=np.uint64)
        with np.errstate(over="ignore"):
            factor = np.uint64(2 * place + 1) * np.uint64(0x9E3779B97F4A7C15)
            total = np.asarray((total ^ part) * np.uint64(0x100000001B3) + factor, np.uint64)
    return total
