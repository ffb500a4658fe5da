"""A model in a test's hands: loaded when it is first asked something."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from penstock.errors import StateError
from penstock.gates.loaded_model import LoadedModel, load_model
from penstock.gates.predictions import Predictions
from penstock.gates.predictor import answers
from penstock.testing.rows import Rows

Asked = pd.DataFrame | Rows | dict[str, Any] | list[dict[str, Any]]
"""Rows to predict: a frame, labelled rows, one row as a dict or several."""


class Model:
    """A candidate or champion.

    It answers in the test's own process; when it has an environment of its own, in a process of
    that one.

    Args:
        path: an MLflow model directory, or a pickle, joblib or ONNX file.
        target: the column that it predicts.
        task: as of `Predictions`.
        positive: the class whose probability `score` returns.
        python: the interpreter of its environment; None or this one answers here.
    """

    def __init__(
        self,
        path: Path,
        *,
        target: str = "",
        task: str | None = None,
        positive: Any = None,
        python: str | None = None,
    ) -> None:
        self.path = path
        self.target = target
        self.task = task
        self.positive = positive
        self.python = python if python and Path(python) != Path(sys.executable) else None

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r})"

    @cached_property
    def loaded(self) -> LoadedModel:
        """The model of its own library, in `.raw`."""
        return load_model(str(self.path))

    @property
    def size(self) -> int:
        """Bytes on disk."""
        files = [self.path] if self.path.is_file() else self.path.rglob("*")
        return sum(one.stat().st_size for one in files if one.is_file())

    def predictions(self, rows: Asked) -> Predictions:
        """Return labels, scores and classes for rows.

        Raises:
            StateError: ``testing.no-answer`` when the model cannot answer.
        """
        frame = rows.frame if isinstance(rows, Rows) else _frame(rows)
        if self.python is not None:
            return self._elsewhere(frame)
        known = frame.get(self.target)
        inputs = frame.drop(columns=[self.target], errors="ignore")
        found = answers(self.loaded, inputs, known, batch=65_536, task=self.task)
        return Predictions(ok=True, n=len(frame), **found)

    def predict(self, rows: Asked) -> NDArray[Any]:
        """Return the predicted class or value of each row, shape (n,)."""
        found = self.predictions(rows).labels
        assert found is not None
        return found

    def score(self, rows: Asked) -> NDArray[np.float64]:
        """Return one number per row, shape (n,): the probability of `positive`, or the value.

        Raises:
            StateError: ``testing.no-score`` when the model gives classes only.
        """
        found = self.predictions(rows).score_of(self.positive)
        if found is None:
            raise StateError(
                "the model gives classes without probabilities",
                code="testing.no-score",
                hint="use predict(), or a model with predict_proba",
            )
        return found

    def _elsewhere(self, frame: pd.DataFrame) -> Predictions:
        from penstock.gates.evaluation import evaluate

        assert self.python is not None
        with tempfile.TemporaryDirectory(prefix="penstock-test-") as folder:
            data = Path(folder) / "rows.parquet"
            frame.to_parquet(data)
            found = evaluate(
                self.path, self.python, data, self.target, task=self.task, latency_requests=0
            )
        if not found.ok:
            raise StateError(found.error or "no answer", code="testing.no-answer")
        return replace(found, memory=None)


def _frame(rows: Any) -> pd.DataFrame:
    if isinstance(rows, pd.DataFrame):
        return rows
    return pd.DataFrame([rows] if isinstance(rows, dict) else list(rows))
