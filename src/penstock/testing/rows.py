"""Labelled rows: a data frame that knows which of its columns is predicted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from penstock.errors import StateError


@dataclass(frozen=True, slots=True, repr=False)
class Rows:
    """Rows of a test set.

    Attributes:
        frame: all columns.
        target: name of the column that is predicted.
    """

    frame: pd.DataFrame
    target: str

    @classmethod
    def read(cls, path: Path, target: str) -> Rows:
        """Read parquet or csv.

        Raises:
            StateError: ``testing.no-data`` or ``testing.no-target``.
        """
        if not path.exists():
            raise StateError(
                f"the test data {path} is not there",
                code="testing.no-data",
                hint="run the stage that makes it: `penstock run`",
            )
        parquet = path.suffix in {".parquet", ".pq"}
        frame = pd.read_parquet(path) if parquet else pd.read_csv(path)
        if target not in frame.columns:
            raise StateError(
                f"{path.name} has no column {target}",
                code="testing.no-target",
                hint=f"its columns are {', '.join(map(str, frame.columns))}",
            )
        return cls(frame, target)

    @property
    def inputs(self) -> pd.DataFrame:
        """What the model sees: all columns but the target."""
        return self.frame.drop(columns=[self.target])

    @property
    def labels(self) -> pd.Series[Any]:
        """What the model should say."""
        return self.frame[self.target]

    def sample(self, n: int, *, seed: int = 0) -> Rows:
        """Return `n` rows at random, the same ones each time; all when there are fewer."""
        return Rows(self.frame.sample(min(n, len(self)), random_state=seed), self.target)

    def where(self, which: str | Callable[[pd.DataFrame], Any]) -> Rows:
        """Return the rows that a pandas query, or a function of the frame, picks."""
        picked = (
            self.frame.query(which) if isinstance(which, str) else self.frame[which(self.frame)]
        )
        return Rows(picked, self.target)

    def __repr__(self) -> str:
        return f"Rows({len(self)} rows, target={self.target!r})"

    def __len__(self) -> int:
        return len(self.frame)

    def __iter__(self) -> Iterator[tuple[pd.DataFrame, Any]]:
        for k in range(len(self)):
            yield self.inputs.iloc[[k]], self.labels.iloc[k]
