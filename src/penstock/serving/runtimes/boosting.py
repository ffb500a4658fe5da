"""XGBoost and LightGBM models, boosters as well as their scikit-learn faces."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from penstock.serving.runtimes import mlmodel as files
from penstock.serving.runtimes.pyfunc import Pyfunc
from penstock.serving.runtimes.tabular import table_of
from penstock.serving.runtimes.tabular_model import TabularModel


def load_xgboost(path: str, mlmodel: dict[str, Any]) -> TabularModel | Pyfunc:
    """Load a model with the xgboost flavour."""
    whole = Pyfunc(path, mlmodel)
    model = whole.raw()
    predict: Callable[[Any], Any] = model.predict
    if type(model).__name__ == "Booster":
        predict = partial(_boosted, model)
    return _fast(path, mlmodel, "xgboost", predict, whole)


def load_lightgbm(path: str, mlmodel: dict[str, Any]) -> TabularModel | Pyfunc:
    """Load a model with the lightgbm flavour."""
    whole = Pyfunc(path, mlmodel)
    return _fast(path, mlmodel, "lightgbm", whole.raw().predict, whole)


def _boosted(booster: Any, table: Any) -> Any:
    import xgboost

    return booster.predict(xgboost.DMatrix(table), validate_features=True)


def _fast(
    path: str, mlmodel: dict[str, Any], name: str, predict: Callable[[Any], Any], whole: Pyfunc
) -> TabularModel | Pyfunc:
    inputs = files.fields(mlmodel, "inputs")
    # These libraries look at the names of columns, so a signature with names means a DataFrame.
    named = tuple(one.name for one in inputs if one.shape is None)
    table = table_of(inputs, signed=True, fitted_names=named or None, fitted_width=None)
    if table is None:
        return whole
    return TabularModel(path, mlmodel, name, predict, table, partial(_same, whole))


def _same(whole: Pyfunc) -> Pyfunc:
    return whole
