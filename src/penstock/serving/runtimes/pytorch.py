"""PyTorch models: rows of all waiting requests as one tensor, on the CPU.

A module in evaluation mode answers each row by itself as far as PyTorch's own layers go, but its
code may do anything. So it must give the rows of its example the same answers alone and together;
else requests are answered one by one.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

from penstock.inference.description import Description, Field
from penstock.inference.frames import INVOCATIONS_JSON
from penstock.serving.answers import Reply
from penstock.serving.rows import RowReader
from penstock.serving.runtimes import mlmodel as files
from penstock.serving.runtimes.pyfunc import Look, Pyfunc

CLOSE = 1e-5
"""Greatest difference that sums of floats in another order may have, relative or absolute."""


class Torch:
    """A module that takes one tensor and answers with one.

    Args:
        whole: the model behind MLflow, which has loaded it.
        module: of PyTorch.
        dtype: of numpy, that the tensor has.
        reader: of rows.
    """

    def __init__(self, whole: Pyfunc, module: Any, dtype: str, reader: RowReader) -> None:
        import numpy as np
        import torch

        self._whole = whole
        self._module = module
        self._np = np
        self._torch = torch
        self._dtype = np.dtype(dtype)
        self._signed = np.dtype("float64")
        self._named = reader.columns is not None
        self.look: Look | None = None
        self.rows = reader.read

    def describe(self) -> Description:
        """Return what the model is."""
        return replace(self._whole.describe(), runtime="pytorch", batches=True)

    def predict(self, rows: list[Any]) -> list[Any]:
        """Return one value per row, as MLflow writes it."""
        table = self._np.array(rows, dtype=self._signed if self._named else self._dtype)
        if table.ndim < 2:
            raise ValueError("the rows are not a table")
        table = table.astype(self._dtype, copy=False)
        with self._torch.inference_mode():
            found = self._module(self._torch.from_numpy(table))
        if not isinstance(found, self._torch.Tensor) or len(found) != len(rows):
            raise ValueError("the model does not answer row by row")
        values: list[Any] = found.tolist()
        if not self._named:
            return values
        # From a DataFrame MLflow makes a DataFrame, whose columns are numbered.
        if found.ndim == 1:
            return [{"0": value} for value in values]
        return [{str(at): value for at, value in enumerate(row)} for row in values]

    def settle(self) -> None:
        """Do nothing: everything is loaded."""

    def whole(self, kind: int, body: bytes) -> Reply:
        """Answer one request as MLflow's scoring server would."""
        self._whole.look = self.look
        return self._whole.whole(kind, body)

    def is_row_by_row(self) -> bool:
        """Tell whether the example gets the same answers alone, together and from MLflow."""
        text = self._whole.describe().example
        item = json.loads(text) if text else None
        rows = self.rows(item) if isinstance(item, dict) else None
        if not rows:
            return False
        given = json.loads(self._whole.whole(INVOCATIONS_JSON, text.encode()).body)
        rows = [*rows[:16], _twice(rows[0])]
        try:
            together = self.predict(rows)
            alone = [self.predict([row])[0] for row in rows]
        except Exception:  # the module's own code, or a shape that it was traced for
            return False
        expected = given.get("predictions")
        if not isinstance(expected, list) or not _close(together[: len(rows) - 1], expected[:16]):
            return False
        return _close(together, alone)


def _twice(value: Any) -> Any:
    if isinstance(value, list):
        return [_twice(one) for one in value]
    return value * 2 + 1 if type(value) in (int, float) else value


def _close(a: Any, b: Any) -> bool:
    """Tell whether two nested answers are equal but for the rounding of floats."""
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_close, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_close(a[key], b[key]) for key in a)
    if isinstance(a, float) and isinstance(b, float):
        if math.isnan(a) or math.isnan(b):
            return math.isnan(a) and math.isnan(b)
        return abs(a - b) <= CLOSE * max(1.0, abs(a), abs(b))
    return bool(a == b)


def _takes(inputs: tuple[Field, ...]) -> tuple[str, RowReader] | None:
    """Return the type of the tensor and the reader of its rows, None for other inputs."""
    if not inputs:
        return None
    if all(one.shape is None for one in inputs):
        numbers = {"double", "float", "long", "integer"}
        if not all(one.type in numbers and one.required and one.name for one in inputs):
            return None
        if any(one.type in ("long", "integer") for one in inputs):
            return None  # MLflow refuses 1.5 in a column of whole numbers
        # MLflow makes float32 of a DataFrame, whatever its columns are.
        return "float32", RowReader(tuple(one.name for one in inputs), None)
    (first, *others) = inputs
    shape = first.shape or ()
    if others or first.name or len(shape) < 2 or shape[0] != -1:
        return None
    if first.type not in ("float32", "float64"):
        return None
    width = shape[1] if shape[1] > 0 else None
    return first.type, RowReader(None, width)


def load(path: str, mlmodel: dict[str, Any]) -> Torch | Pyfunc:
    """Load a model with the pytorch flavour; without a fast way if it needs more than one tensor.

    MLflow loads it, whichever of its forms it has: pickled, scripted, or exported (``pt2``).
    """
    whole = Pyfunc(path, mlmodel)
    found = _takes(files.fields(mlmodel, "inputs"))
    module = whole.raw()
    if found is None or not callable(module):
        return whole
    import torch

    if torch.cuda.is_available():
        return whole  # MLflow has put it there, and brings answers back
    dtype, reader = found
    made = Torch(whole, module, dtype, reader)
    return made if made.is_row_by_row() else whole
