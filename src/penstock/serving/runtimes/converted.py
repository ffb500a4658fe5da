"""A scikit-learn model that is served in its ONNX form, with the same words in and out.

The bundle is the model's own directory with an ONNX file beside the estimator, and a flavour that
says so; `penstock.packaging.converting` has made it, and has held its predictions against the
estimator's. Callers see no difference: odd requests go through MLflow's functions as ever, with
the ONNX session in the estimator's place.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from penstock.serving.runtimes import mlmodel as files
from penstock.serving.runtimes.pyfunc import Pyfunc
from penstock.serving.runtimes.tabular import Table, table_of
from penstock.serving.runtimes.tabular_model import TabularModel

FLAVOUR = "penstock_onnx"


class Session:
    """An ONNX session that is asked like an estimator.

    Args:
        file: of the ONNX model.
        output: place of the output that is the prediction.
        flat: whether an answer of shape (rows, 1) is one of shape (rows,).
    """

    def __init__(self, file: str, output: int, *, flat: bool) -> None:
        import numpy as np
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            file, options, providers=["CPUExecutionProvider"]
        )
        self._np = np
        self._inputs = [(one.name, one.type) for one in self._session.get_inputs()]
        self._wanted = [self._session.get_outputs()[output].name]
        self._flat = flat

    @property
    def by_column(self) -> bool:
        """Whether it takes each column of a DataFrame by itself."""
        return len(self._inputs) > 1 or self._inputs[0][1] == "tensor(string)"

    def predict(self, table: Any) -> Any:
        """Return predictions for a DataFrame or an array of shape (rows, columns)."""
        if self.by_column:
            fed = {name: self._column(table[name], kind) for name, kind in self._inputs}
        else:
            values = table.to_numpy() if hasattr(table, "to_numpy") else table
            fed = {self._inputs[0][0]: self._np.asarray(values, dtype="float32")}
        (found,) = self._session.run(self._wanted, fed)
        return found.ravel() if self._flat and found.ndim == 2 else found

    def _column(self, values: Any, kind: str) -> Any:
        types = {"tensor(string)": "O", "tensor(int64)": "int64", "tensor(bool)": "bool"}
        made = self._np.asarray(values, dtype=types.get(kind, "float32"))
        return made.reshape(-1, 1)


def load(path: str, mlmodel: dict[str, Any]) -> TabularModel:
    """Load a model that penstock has converted.

    Raises:
        ValueError: its signature is no plain table, which no conversion leaves behind.
    """
    flavour = mlmodel["flavors"][FLAVOUR]
    file = str(Path(path) / str(flavour["file"]))
    session = Session(file, int(flavour["output"]), flat=bool(flavour["flat"]))
    table = table_for(mlmodel, session)
    if table is None:
        raise ValueError("the ONNX form needs a signature of plain columns, or of one array")
    make = partial(_behind_mlflow, path, mlmodel, session)
    return TabularModel(path, mlmodel, "onnx", session.predict, table, make)


def table_for(mlmodel: dict[str, Any], session: Session) -> Table | None:
    """Return how to build what the session is fed with, None where there is no way."""
    inputs = files.fields(mlmodel, "inputs")
    names = tuple(one.name for one in inputs) if session.by_column else None
    return table_of(inputs, signed=bool(inputs), fitted_names=names, fitted_width=None)


def _behind_mlflow(path: str, mlmodel: dict[str, Any], session: Session) -> Pyfunc:
    """Return the session behind MLflow's own reading of requests."""

    def made() -> Any:
        import mlflow.pyfunc
        from mlflow.models import Model

        name = mlmodel["flavors"].get("python_function", {}).get("predict_fn") or "predict"
        face = _Face(session.predict)
        return mlflow.pyfunc.PyFuncModel(
            model_meta=Model.load(path), model_impl=face, predict_fn=name
        )

    return Pyfunc(path, mlmodel, made)


class _Face:
    """What MLflow wants of a model: methods by the names of a flavour's."""

    def __init__(self, predict: Callable[[Any], Any]) -> None:
        self._ask = predict

    def predict(self, data: Any) -> Any:
        """Return predictions."""
        return self._ask(data)

    predict_proba = predict
    predict_log_proba = predict
