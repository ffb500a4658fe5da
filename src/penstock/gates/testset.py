"""The test set as a gate sees it: the target, and the columns that slices and groups ask for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from penstock.errors import ConfigError, StateError
from penstock.gates.tokens import suggest


@dataclass(frozen=True, slots=True)
class Groups:
    """The rows of each value of a column.

    Attributes:
        names: values as text, in order.
        codes: shape (n,), index into `names` of each row.
    """

    names: tuple[str, ...]
    codes: NDArray[np.int64]

    @classmethod
    def of(cls, values: Any) -> Groups:
        """Group a column; missing values form the group ``(missing)``."""
        codes, uniques = pd.factorize(values, sort=True, use_na_sentinel=True)
        names = [_text(one) for one in uniques]
        codes = np.asarray(codes, dtype=np.int64)
        if (codes < 0).any():
            codes = np.where(codes < 0, len(names), codes)
            names.append("(missing)")
        return cls(tuple(names), codes)

    def rows(self) -> list[NDArray[np.int64]]:
        """Return the row numbers of each group, each rising."""
        order = np.argsort(self.codes, kind="stable")
        counts = np.bincount(self.codes, minlength=len(self.names))
        return np.split(order, np.cumsum(counts)[:-1])


@dataclass(frozen=True, slots=True)
class TestSet:
    """The target and a few columns.

    Attributes:
        target: shape (n,).
        columns: the columns that were asked for, by name.
    """

    __test__ = False

    target: NDArray[Any]
    columns: dict[str, Any]
    _groups: dict[str, Groups] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.target.size)

    def groups(self, column: str) -> Groups:
        """Return the rows of each value of a column."""
        if column not in self._groups:
            self._groups[column] = Groups.of(self.columns[column])
        return self._groups[column]

    @classmethod
    def read(cls, data: Path | pd.DataFrame, target: str, wanted: Iterable[str] = ()) -> TestSet:
        """Read what is needed of a parquet or CSV file, or of a frame.

        Raises:
            StateError: ``gates.no-test-data`` when the file cannot be read.
            ConfigError: ``gates.unknown-column`` when a column is not there.
        """
        names = list(dict.fromkeys([target, *wanted]))
        if isinstance(data, pd.DataFrame):
            _check(names, [str(one) for one in data.columns])
            frame = data[names]
        else:
            frame = _read(data, names)
        columns = {name: frame[name] for name in names}
        return cls(np.asarray(frame[target]), columns)


def _read(path: Path, names: list[str]) -> pd.DataFrame:
    try:
        if path.suffix.lower() in {".csv", ".tsv", ".gz"}:
            separator = "\t" if ".tsv" in path.name.lower() else ","
            _check(names, list(pd.read_csv(path, sep=separator, nrows=0).columns))
            return pd.read_csv(path, sep=separator, usecols=names)[names]
        import pyarrow.parquet as pq

        _check(names, list(pq.ParquetFile(path).schema_arrow.names))
        return pd.read_parquet(path, columns=names)
    except (OSError, ValueError, UnicodeError, pd.errors.ParserError) as error:
        raise StateError(
            f"cannot read the test data {path}: {error}",
            code="gates.no-test-data",
            hint="`model.test_data` names a parquet or CSV file with the target column",
        ) from error


def _check(names: Iterable[str], present: list[str]) -> None:
    for name in names:
        if name not in present:
            hint = suggest(name, present) or f"columns are {', '.join(present[:20])}"
            raise ConfigError(
                f"the test data has no column {name!r}", code="gates.unknown-column", hint=hint
            )


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
