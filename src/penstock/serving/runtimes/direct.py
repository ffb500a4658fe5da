"""scikit-learn models asked directly: the arithmetic of `predict` without the checks around it.

For one row, nine tenths of what `predict` takes are checks of its input: that it is a table, of
the right width, of numbers, finite, fitted. The worker has made sure of all that already. So for
models whose arithmetic is known here it is done directly, by scikit-learn's own compiled code; the
answers are the same to the last bit. That is not taken on trust: `direct` compares both ways on
rows of all sizes when the model is loaded, and where they differ in one bit, in whatever version
of scikit-learn the model's environment has, the model keeps its own way.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from penstock.inference.description import Field
from penstock.serving.runtimes import direct_trees, tabular
from penstock.serving.runtimes.direct_trees import OddError, plain

Table = NDArray[np.float64]
Way = Callable[[Table], Any]
"""From a table of float64 to predictions; raises `OddError` for values such as NaN."""

SIZES = (1, 1, 1, 2, 2, 3, 8, 17, 64)
"""Numbers of rows on which both ways are compared."""
SCALES = (1e-3, 1.0, 30.0, 1e4)
"""Sizes of the random values among those."""
_Order = Literal["C", "F"]
_COLUMNS: _Order = "F"
"""A DataFrame holds its columns one after the other. Some processors round the sum over a row
otherwise where its values are neighbours: a model of named columns is asked as with a DataFrame."""
EXACT = 1 << 53
"""Whole numbers below it are the same in float64."""


class Direct:
    """A model's way without checks, and its own way for values such as NaN.

    Args:
        way: the direct one.
        own: what the model does itself, from the same table.
    """

    def __init__(self, way: Way, own: Callable[[Table], Any]) -> None:
        self._way = way
        self._own = own

    def __call__(self, table: Table) -> Any:
        """Return the predictions for a table of shape (rows, columns)."""
        try:
            return self._way(table)
        except OddError:
            return self._own(table)


def direct(
    estimator: Any, method: str, names: tuple[str, ...] | None = None
) -> Callable[[Table], Any] | None:
    """Return a faster way to a model's predictions, None where there is none.

    Args:
        estimator: fitted, of scikit-learn.
        method: ``predict`` or ``predict_proba``.
        names: of the columns of the DataFrame that it was fitted on, None for an array.
    """
    own = _own_way(estimator, method, names)
    try:
        way = _way(estimator, method)
        order = "C" if names is None else _COLUMNS
        if way is None or not _equal(estimator, way, _alone(estimator, method, names), order):
            return None
    except Exception:  # another version of it, built otherwise, keeps its own way
        return None
    return Direct(way, own)


def directly(
    estimator: Any,
    method: str,
    inputs: tuple[Field, ...],
    names: tuple[str, ...] | None,
    table: tabular.Table,
) -> tuple[tabular.Table, Callable[[Any], Any]] | None:
    """Return how to build an array for a model and how to ask it directly, None if it cannot be.

    Args:
        estimator: fitted, of scikit-learn.
        method: of it.
        inputs: of the signature.
        names: of the columns of the DataFrame that it was fitted on, None for an array.
        table: how its table is built otherwise.
    """
    kinds = [one.type for one in inputs]
    if names is None:
        if not set(kinds) <= {"double", "float64"}:
            return None
        build = table.build
    elif names != table.columns or not set(kinds) <= {"double", "long", "integer"}:
        return None
    else:
        build = _numbers([at for at, kind in enumerate(kinds) if kind != "double"])
    found = direct(estimator, method, names)
    if found is None:
        return None
    return tabular.Table(table.columns, table.width, build), found


def _numbers(whole: list[int]) -> Callable[[list[Any]], Table]:
    """Return what builds an array of rows that hold whole numbers in the columns `whole`."""

    def build(rows: list[Any]) -> Table:
        for at in whole:
            for row in rows:
                value = row[at]
                if type(value) is not int or not -EXACT < value < EXACT:
                    raise TypeError("an integer column holds something else")
        made = np.array(rows, dtype=np.float64, order=_COLUMNS)
        if made.ndim != 2:
            raise ValueError("the rows are not a table")
        return made

    return build


def _own_way(estimator: Any, method: str, names: tuple[str, ...] | None) -> Callable[[Table], Any]:
    own: Callable[[Any], Any] = getattr(estimator, method)
    if names is None:
        return own
    import pandas as pd

    index = pd.Index(names)
    return lambda table: own(pd.DataFrame(table, columns=index, copy=False))


def _alone(estimator: Any, method: str, names: tuple[str, ...] | None) -> Callable[[Table], Any]:
    """Return the model's own way in one thread.

    Threads of a forest add up their trees in the order in which they finish, so that its sums
    differ in the last bit from call to call; one thread's order is one of those.
    """
    if getattr(estimator, "n_jobs", None) not in (None, 1):
        estimator = copy.copy(estimator)
        estimator.n_jobs = 1
    return _own_way(estimator, method, names)


def _way(estimator: Any, method: str) -> Way | None:
    kind = type(estimator)
    home = kind.__module__
    if not home.startswith("sklearn."):
        return None
    if kind.__name__ == "Pipeline" and home == "sklearn.pipeline":
        return _pipeline(estimator, method)
    for known in (direct_trees.boosted, direct_trees.tree, direct_trees.forest, _linear):
        found = known(estimator, method)
        if found is not None:
            return found
    return None


def _pipeline(pipeline: Any, method: str) -> Way | None:
    steps = [step for _, step in pipeline.steps[:-1] if step not in (None, "passthrough")]
    last = _way(pipeline.steps[-1][1], method)
    changes = [_change(step) for step in steps]
    known = [change for change in changes if change is not None]
    if last is None or len(known) < len(changes):
        return None

    def way(table: Table) -> Any:
        for change in known:
            table = change(table)
        return last(table)

    return way


def _change(step: Any) -> Callable[[Table], Table] | None:
    """Return what a scaler does to a table, in the order in which it does it."""
    kind = f"{type(step).__module__}.{type(step).__name__}"
    if kind == "sklearn.preprocessing._data.StandardScaler":
        mean = step.mean_ if step.with_mean else None
        scale = step.scale_ if step.with_std else None

        def standard(table: Table) -> Table:
            if mean is not None:
                table = table - mean
            return table if scale is None else table / scale

        return standard
    if kind == "sklearn.preprocessing._data.MinMaxScaler" and not step.clip:
        factor, low = step.scale_, step.min_
        return lambda table: table * factor + low
    return None


def _linear(model: Any, method: str) -> Way | None:
    from sklearn.linear_model._base import LinearClassifierMixin, LinearModel

    if isinstance(model, LinearClassifierMixin):
        weights = model.coef_.T if model.coef_.ndim == 2 else model.coef_.reshape(-1, 1)
        return _linear_classes(weights, model.intercept_, model.classes_, method)
    if not isinstance(model, LinearModel) or method != "predict":
        return None
    weights = model.coef_ if model.coef_.ndim == 1 else model.coef_.T
    start = model.intercept_
    return lambda table: plain(table) @ weights + start


def _linear_classes(weights: Any, start: Any, classes: Any, method: str) -> Way:
    from scipy.special import expit
    from sklearn.utils.extmath import softmax

    if method == "predict_proba":
        if weights.shape[1] > 1:
            return lambda table: softmax(plain(table) @ weights + start, copy=False)

        def two(table: Table) -> Any:
            second = expit((plain(table) @ weights + start).reshape(-1))
            return np.stack([1 - second, second], axis=1)

        return two
    if weights.shape[1] == 1:
        return lambda table: classes.take(
            ((plain(table) @ weights + start).reshape(-1) > 0).astype(np.intp), axis=0
        )
    return lambda table: classes.take((plain(table) @ weights + start).argmax(axis=1), axis=0)


def _equal(estimator: Any, way: Way, own: Callable[[Table], Any], order: _Order) -> bool:
    """Tell whether both ways give the same bits on many rows, those on thresholds among them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for made in _tables(estimator):
            table = np.asarray(made, order=order)
            kept = table.copy()
            left, right = np.asarray(way(table)), np.asarray(own(table))
            if left.dtype != right.dtype or left.shape != right.shape:
                return False
            if left.dtype == object:
                if left.tolist() != right.tolist():
                    return False
            elif left.tobytes() != right.tobytes():
                return False
            if not np.array_equal(table, kept):  # neither may change what it is given
                return False
    return True


def _tables(estimator: Any) -> Iterator[Table]:
    width = int(estimator.n_features_in_)
    rng = np.random.default_rng(width)
    thresholds = direct_trees.thresholds(estimator, width)
    for number, rows in enumerate(SIZES):
        table = rng.normal(size=(rows, width)) * rng.choice(SCALES, size=(rows, 1))
        if number % 2:
            table = table.round(1)
        for column, values in thresholds.items():
            picked = rng.random(rows) < 0.5
            table[picked, column] = rng.choice(values, int(picked.sum()))
        yield table
