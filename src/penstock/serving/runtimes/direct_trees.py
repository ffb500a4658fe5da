"""What trees, forests and boosted trees of scikit-learn compute, without the checks around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.float64]
Way = Callable[[Table], Any]

LIMIT = 1e76
"""Sum of squares below which no value of a table is NaN, infinite, or too large for float32."""
SOME = 20
"""Trees, and divisions of each column, that are looked at for values to compare on."""
ONE_THREAD = 256
"""Rows below which threads cost more than they save."""


class OddError(ValueError):
    """A table holds what the direct way does not take: NaN, an infinity, a huge number."""


def plain(table: Table) -> Table:
    """Return the table if all its values are finite and of a common size.

    One product is a third of the cost of asking whether each value is finite.

    Raises:
        OddError: they are not.

    Example:
        >>> plain(np.array([[1.0, 2.0]])).shape
        (1, 2)
    """
    flat = table.ravel()
    if not flat.dot(flat) < LIMIT:
        raise OddError
    return table


def single(table: Table) -> NDArray[np.float32]:
    """Return the table in the precision in which trees compare."""
    return plain(table).astype(np.float32, order="C")


def tree(model: Any, method: str) -> Way | None:
    """Return how a single decision tree answers."""
    if type(model).__module__ != "sklearn.tree._classes" or model.n_outputs_ != 1:
        return None
    inner = model.tree_
    if not hasattr(model, "classes_"):
        return (lambda table: inner.predict(single(table))[:, 0]) if method == "predict" else None
    count = model.n_classes_
    return _classes(lambda table: inner.predict(single(table))[:, :count], model, method)


def forest(model: Any, method: str) -> Way | None:
    """Return how a forest answers: the mean of its trees, added up in their order."""
    if type(model).__module__ != "sklearn.ensemble._forest" or model.n_outputs_ != 1:
        return None
    trees = [one.tree_.predict for one in model.estimators_]
    count = len(trees)
    if not hasattr(model, "classes_"):

        def mean(table: Table) -> Any:
            rows = single(table)
            total = np.zeros(len(rows), dtype=np.float64)
            for one in trees:
                total += one(rows)[:, 0]
            total /= count
            return total

        return mean if method == "predict" else None
    classes = int(model.n_classes_)

    def shares(table: Table) -> Any:
        rows = single(table)
        total = np.zeros((len(rows), classes), dtype=np.float64)
        for one in trees:
            total += one(rows)[:, :classes]
        total /= count
        return total

    return _classes(shares, model, method)


def _classes(shares: Way, model: Any, method: str) -> Way | None:
    if method == "predict_proba":
        return shares
    names = model.classes_
    return (
        (lambda table: names.take(shares(table).argmax(axis=1), axis=0))
        if (method == "predict")
        else None
    )


def boosted(model: Any, method: str) -> Way | None:
    """Return how gradient boosting answers, of either kind."""
    home = type(model).__module__
    positive: Any
    if home == "sklearn.ensemble._gb":
        raw, positive = _staged(model), np.greater_equal
    elif home == "sklearn.ensemble._hist_gradient_boosting.gradient_boosting":
        if model.is_categorical_ is not None:
            return None
        raw, positive = _histogram(model), np.greater
    else:
        return None
    if not hasattr(model, "classes_"):
        if method != "predict":
            return None
        if home == "sklearn.ensemble._gb":
            return lambda table: raw(table).ravel()
        inverse = model._loss.link.inverse
        return lambda table: inverse(raw(table).ravel())
    if method == "predict_proba":
        return _probabilities(model, raw, home)
    if method != "predict":
        return None
    names = model.classes_
    if model.n_trees_per_iteration_ == 1:
        return lambda table: names.take(positive(raw(table).ravel(), 0).astype(np.intp), axis=0)
    return lambda table: names.take(raw(table).argmax(axis=1), axis=0)


def _probabilities(model: Any, raw: Way, home: str) -> Way:
    convert = model._loss.predict_proba
    if model.n_trees_per_iteration_ == 1 and home == "sklearn.ensemble._gb":
        return lambda table: convert(raw(table).ravel())
    return lambda table: convert(raw(table))


def _staged(model: Any) -> Way:
    """Return the sums of a GradientBoosting model: where it starts is the same for every row."""
    from sklearn.ensemble._gradient_boosting import predict_stages

    width, outputs = model.n_features_in_, model.n_trees_per_iteration_
    probe = np.zeros((2, width), dtype=np.float32)
    probe[1] = 1.0
    start = model._raw_predict_init(probe)
    if start[0].tobytes() != start[1].tobytes():
        raise OddError("its first estimate depends on the row")
    first = start[0].copy()
    trees, rate = model.estimators_, model.learning_rate

    def raw(table: Table) -> Any:
        rows = single(table)
        sums = np.empty((len(rows), outputs), dtype=np.float64)
        sums[:] = first
        predict_stages(trees, rows, rate, sums)
        return sums

    return raw


def _histogram(model: Any) -> Way:
    """Return the sums of a HistGradientBoosting model."""
    from sklearn.ensemble._hist_gradient_boosting._predictor import _predict_from_raw_data
    from sklearn.utils._openmp_helpers import _openmp_effective_n_threads

    categories, places = model._bin_mapper.make_known_categories_bitsets()
    start, outputs = model._baseline_prediction, model.n_trees_per_iteration_
    trees = [
        (k, one.nodes, one.raw_left_cat_bitsets)
        for stage in model._predictors
        for k, one in enumerate(stage)
    ]
    many = _openmp_effective_n_threads()

    def raw(table: Table) -> Any:
        rows = plain(table)
        count = len(rows)
        sums = np.zeros((count, outputs), dtype=start.dtype, order="F")
        sums += start
        threads = 1 if count < ONE_THREAD else many
        out = np.empty(count, dtype=np.float64)
        columns = [sums[:, k] for k in range(outputs)]
        for k, nodes, left in trees:
            _predict_from_raw_data(nodes, rows, left, categories, places, threads, out)
            columns[k] += out
        return sums

    return raw


def thresholds(model: Any, width: int) -> dict[int, NDArray[np.float64]]:
    """Return values of each column at which trees of a model divide, and their neighbours.

    Args:
        model: any estimator; one without trees has none.
        width: number of its columns.
    """
    inner = getattr(model, "estimators_", None)
    found = [model] if inner is None else list(np.ravel(inner)[:SOME])
    trees = [one.tree_ for one in found if hasattr(one, "tree_")]
    if not trees:
        return {}
    columns = np.concatenate([one.feature for one in trees])
    values = np.concatenate([one.threshold for one in trees])
    picked = {}
    for column in range(width):
        here = values[columns == column][:SOME]
        if len(here):
            beside = [np.nextafter(here, np.inf), np.nextafter(here, -np.inf)]
            picked[column] = np.concatenate([here, *beside])
    return picked
