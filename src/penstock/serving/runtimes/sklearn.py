"""scikit-learn models: rows of all waiting requests in one call, without pandas where possible."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from penstock.inference.description import Field
from penstock.serving.runtimes import mlmodel as files
from penstock.serving.runtimes.direct import directly
from penstock.serving.runtimes.pyfunc import Pyfunc
from penstock.serving.runtimes.tabular import table_of
from penstock.serving.runtimes.tabular_model import TabularModel


def load(path: str, mlmodel: dict[str, Any]) -> TabularModel | Pyfunc:
    """Load a model with the sklearn flavour; without a fast way if it has none for its types."""
    estimator = _unpickled(path, mlmodel["flavors"]["sklearn"])
    if estimator is None:
        whole = Pyfunc(path, mlmodel)
        return _with_fast_way(path, mlmodel, whole.raw(), partial(_same, whole))
    make = partial(_behind_mlflow, path, mlmodel, estimator)
    return _with_fast_way(path, mlmodel, estimator, make)


def _same(whole: Pyfunc) -> Pyfunc:
    return whole


def _with_fast_way(
    path: str, mlmodel: dict[str, Any], estimator: Any, make: Callable[[], Pyfunc]
) -> TabularModel | Pyfunc:
    name = mlmodel["flavors"].get("python_function", {}).get("predict_fn") or "predict"
    predict = getattr(estimator, name, None)
    inputs, outputs = files.fields(mlmodel, "inputs"), files.fields(mlmodel, "outputs")
    fitted = _fitted(estimator)
    table = table_of(inputs, signed=bool(mlmodel.get("signature")), **fitted)
    if predict is None or table is None or not _answers_arrays(estimator, outputs):
        return make()
    quick = directly(estimator, name, inputs, fitted["fitted_names"], table)
    if quick is not None:
        table, predict = quick
    return TabularModel(path, mlmodel, "sklearn", predict, table, make)


def _unpickled(path: str, flavour: dict[str, Any]) -> Any | None:
    """Return the estimator, None where it takes MLflow to load it."""
    if flavour.get("serialization_format") not in ("pickle", "cloudpickle") or flavour.get("code"):
        return None
    with (Path(path) / str(flavour["pickled_model"])).open("rb") as file:
        # Loading runs code. It is the user's own model, in a process of its own, and the scan of
        # model files stands before the registry.
        return pickle.load(file)  # noqa: S301


def _behind_mlflow(path: str, mlmodel: dict[str, Any], estimator: Any) -> Pyfunc:
    """Return the model behind MLflow without loading it once more, where MLflow allows that."""

    def made() -> Any:
        import mlflow.pyfunc
        from mlflow.models import Model

        name = mlmodel["flavors"].get("python_function", {}).get("predict_fn") or "predict"
        try:
            from mlflow.sklearn import _SklearnModelWrapper

            return mlflow.pyfunc.PyFuncModel(
                model_meta=Model.load(path),
                model_impl=_SklearnModelWrapper(estimator),
                predict_fn=name,
            )
        except (ImportError, TypeError):  # another version of MLflow, built otherwise
            return mlflow.pyfunc.load_model(path)

    return Pyfunc(path, mlmodel, made)


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
