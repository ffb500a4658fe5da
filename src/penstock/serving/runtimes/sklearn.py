"""scikit-learn models: rows of all waiting requests in one call, without pandas where possible."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from penstock.inference.description import Description, Field
from penstock.serving.answers import Reply
from penstock.serving.rows import RowReader
from penstock.serving.runtimes.pyfunc import Pyfunc
from penstock.serving.runtimes.tabular import Table, table_of


class Sklearn:
    """An estimator logged with ``mlflow.sklearn``.

    What is not a plain table of rows goes the way of `Pyfunc`.
    """

    def __init__(self, whole: Pyfunc, estimator: Any, predict: Any, table: Table) -> None:
        self._whole = whole
        self._predict = predict
        self._table = table
        self._reader = RowReader(table.columns, table.width)
        self._estimator = estimator

    def describe(self) -> Description:
        """Return what the model is."""
        return replace(self._whole.describe(), runtime="sklearn", batches=True)

    def rows(self, item: dict[str, Any]) -> list[Any] | None:
        """Return the rows of a plain request in the model's order, else None."""
        return self._reader.read(item)

    def predict(self, rows: list[Any]) -> list[Any]:
        """Return one prediction per row."""
        values = self._predict(self._table.build(rows)).tolist()
        if len(values) != len(rows):
            raise ValueError(f"{len(values)} predictions for {len(rows)} rows")
        return list(values)

    def whole(self, kind: int, body: bytes) -> Reply:
        """Answer one request as MLflow's scoring server would."""
        return self._whole.whole(kind, body)


def load(path: str, mlmodel: dict[str, Any]) -> Sklearn | Pyfunc:
    """Load a model with the sklearn flavour; without a fast way if it has none for its types."""
    whole = Pyfunc(path, mlmodel)
    estimator = whole.raw()
    name = mlmodel["flavors"].get("python_function", {}).get("predict_fn") or "predict"
    predict = getattr(estimator, name, None)
    description = whole.describe()
    table = table_of(description.inputs, signed=description.signed, **_fitted(estimator))
    if predict is None or table is None or not _answers_arrays(estimator, description.outputs):
        return whole
    return Sklearn(whole, estimator, predict, table)


def _fitted(estimator: Any) -> dict[str, Any]:
    """Return the names and number of the features that an estimator was fitted on."""
    names = getattr(estimator, "feature_names_in_", None)
    width = getattr(estimator, "n_features_in_", None)
    return {
        "fitted_names": None if names is None else tuple(str(name) for name in names),
        "fitted_width": None if width is None else int(width),
    }


def _answers_arrays(estimator: Any, outputs: tuple[Field, ...]) -> bool:
    """Tell whether predictions come as an array: not so for one told to make DataFrames."""
    config = getattr(estimator, "_sklearn_output_config", {})
    return config.get("predict") is None and all(one.name == "" for one in outputs)
