"""Predictions: what one model says about the rows of a test set, and what saying it costs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from penstock.errors import StateError

Scalar = str | int | float | bool
_ARRAYS = ("labels", "scores", "classes")


@dataclass(frozen=True, slots=True)
class Predictions:
    """The answers of one model on a test set, in the order of its rows.

    A model that crashed, ran too long or took too much memory has `ok` False and no answers:
    that is a value which a gate judges, not an exception.

    Attributes:
        ok: whether there is an answer for every row.
        error: why not, in words with the last lines of the model's output.
        labels: shape (n,). Classification: the predicted class, of the type of the target (text,
            int, float or bool). Regression and ranking: the predicted value, float64.
        scores: classification: probabilities, float64, shape (n, k), one column for each of
            `classes`; None where the model gives classes only. Regression and ranking: the same
            as `labels`.
        classes: shape (k,), in the order of the columns of `scores`; None for regression.
        n: rows predicted.
        latency_p50, latency_p99: seconds for one row, warm, in the round of requests that the rest
            of the machine disturbed least; None when not measured.
        latency_n: single-row requests behind the latencies.
        memory: bytes that the loaded model holds while it answers single rows.
        memory_peak: bytes, the most that the whole evaluation took, with the test data.
        size: bytes of the model on disk.
        load_seconds: from the start of loading to a model that can answer.
        predict_seconds: for all rows, in batches.
        nonfinite: predicted numbers that are NaN or infinite.
        served: whether latency and memory were measured on the real serving path.
        log_tail: last lines that the model's process printed.
    """

    ok: bool
    error: str | None = None
    labels: NDArray[Any] | None = None
    scores: NDArray[np.float64] | None = None
    classes: NDArray[Any] | None = None
    n: int = 0
    latency_p50: float | None = None
    latency_p99: float | None = None
    latency_n: int = 0
    memory: float | None = None
    memory_peak: float | None = None
    size: float | None = None
    load_seconds: float | None = None
    predict_seconds: float | None = None
    nonfinite: int = 0
    served: bool = False
    log_tail: tuple[str, ...] = ()

    @property
    def is_classification(self) -> bool:
        """Whether the model answers with classes."""
        return self.classes is not None

    def score_of(self, label: Scalar | None = None) -> NDArray[np.float64] | None:
        """Return one score per row, shape (n,): what a ranking metric such as ROC AUC sorts by.

        Args:
            label: the class whose probability is wanted; by default the last one, which for a
                target of 0 and 1 is 1.

        Returns:
            None when the model gives no scores, or does not know `label`.
        """
        if self.scores is None or self.scores.ndim == 1:
            return self.scores
        if label is None or self.classes is None:
            return np.asarray(self.scores[:, -1])
        found = np.flatnonzero(self.classes == np.asarray(label))
        return np.asarray(self.scores[:, found[0]]) if found.size else None

    def facts(self) -> dict[str, Any]:
        """Return everything but the arrays, as plain values for the journal."""
        item = {name: getattr(self, name) for name in self.__slots__ if name not in _ARRAYS}
        item["log_tail"] = list(self.log_tail)
        return item

    def save(self, path: Path) -> None:
        """Write everything into one ``.npz`` file."""
        arrays = {name: value for name in _ARRAYS if (value := getattr(self, name)) is not None}
        with path.open("wb") as file:
            np.savez(file, facts=np.asarray(json.dumps(self.facts())), **arrays)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """Read what `save` wrote; nothing in the file is executed.

        Raises:
            StateError: ``gates.bad-predictions`` when the file is damaged or something else.
        """
        try:
            with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
                facts = json.loads(str(file["facts"]))
                arrays = {name: file[name] for name in _ARRAYS if name in file.files}
            return cls(**{**facts, "log_tail": tuple(facts.get("log_tail", ()))}, **arrays)
        except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as error:
            raise StateError(
                f"{path} does not hold predictions: {error}",
                code="gates.bad-predictions",
                hint="delete the file; it is made anew by the next evaluation",
            ) from error
