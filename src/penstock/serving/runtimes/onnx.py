"""ONNX models: one session, one run for the rows of all waiting requests."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.inference.description import Description
from penstock.inference.labels import label_of
from penstock.serving.answers import Reply
from penstock.serving.rows import RowReader
from penstock.serving.runtimes import mlmodel as files
from penstock.serving.runtimes.pyfunc import Look, Pyfunc
from penstock.serving.runtimes.tabular import Table, table_of


class Onnx:
    """A session with one table of numbers as input.

    MLflow answers an array with a dictionary of outputs, so `written` does as well.

    Args:
        path: directory of the model.
        mlmodel: its MLmodel file.
        session: of onnxruntime.
        table: how to build its input.
        whole: the model behind MLflow.
    """

    def __init__(
        self, path: str, mlmodel: dict[str, Any], session: Any, table: Table, whole: Pyfunc
    ) -> None:
        self._description = replace(files.describe(path, mlmodel, runtime="onnx"), batches=True)
        self._session = session
        self._build = table.build
        self._whole = whole
        self.look: Look | None = None
        self._input = session.get_inputs()[0].name
        self._outputs = [one.name for one in session.get_outputs()]
        self.rows = RowReader(table.columns, table.width).read

    def describe(self) -> Description:
        """Return what the model is."""
        return self._description

    def predict(self, rows: list[Any]) -> list[Any]:
        """Return one tuple per row: a value of each output."""
        import numpy as np

        table = self._build(rows).astype("float32", copy=False)
        found = self._session.run(None, {self._input: table})
        columns = [one.tolist() if isinstance(one, np.ndarray) else list(one) for one in found]
        if any(len(column) != len(rows) for column in columns):
            raise ValueError("the model does not answer row by row")
        return list(zip(*columns, strict=True))

    def written(self, values: list[Any]) -> Reply:
        """Return the outputs of one request's rows, by the names of the outputs."""
        columns = zip(*values, strict=True)
        item = {name: list(one) for name, one in zip(self._outputs, columns, strict=True)}
        body = json.dumps({"predictions": item}).encode()
        return Reply(200, body, label_of(values[0][0]))

    def settle(self) -> None:
        """Do nothing: everything is loaded."""

    def whole(self, kind: int, body: bytes) -> Reply:
        """Answer one request as MLflow's scoring server would."""
        self._whole.look = self.look
        return self._whole.whole(kind, body)


def load(path: str, mlmodel: dict[str, Any]) -> Onnx | Pyfunc:
    """Load a model with the onnx flavour; without a fast way if it takes more than one table."""
    import onnxruntime

    whole = Pyfunc(path, mlmodel)
    inputs = files.fields(mlmodel, "inputs")
    table = table_of(inputs, signed=True, fitted_names=None, fitted_width=None)
    if table is None or table.columns is not None:
        return whole
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    file = Path(path) / str(mlmodel["flavors"]["onnx"]["data"])
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    needed = session.get_inputs()
    if len(needed) != 1 or needed[0].type != "tensor(float)" or len(needed[0].shape) != 2:
        return whole
    return Onnx(path, mlmodel, session, table, whole)
