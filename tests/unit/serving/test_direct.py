"""Asking scikit-learn's models directly gives the bits that they give themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from penstock.inference.description import Field
from penstock.serving.runtimes.direct import direct, directly
from penstock.serving.runtimes.tabular import table_of

WIDTH = 6
_RNG = np.random.default_rng(5)
X = _RNG.normal(size=(150, WIDTH)).round(2)
_SCORE = X[:, 0] + 0.5 * X[:, 1] + _RNG.normal(size=150)
TARGETS = {
    "two": (_SCORE > 0).astype(int),
    "three": np.digitize(_SCORE, [-0.5, 0.5]),
    "words": np.array(["no", "yes"])[(_SCORE > 0).astype(int)],
}
CLASSIFIERS = (
    GradientBoostingClassifier(n_estimators=8),
    GradientBoostingClassifier(n_estimators=4, init="zero"),
    HistGradientBoostingClassifier(max_iter=6),
    RandomForestClassifier(n_estimators=7, random_state=1),
    DecisionTreeClassifier(max_depth=4),
    LogisticRegression(),
    LinearDiscriminantAnalysis(),
    LinearSVC(),
    SGDClassifier(random_state=1),
    RidgeClassifier(),
    make_pipeline(StandardScaler(), LogisticRegression()),
    make_pipeline(MinMaxScaler(), "passthrough", GradientBoostingClassifier(n_estimators=5)),
    make_pipeline(StandardScaler(with_mean=False), DecisionTreeClassifier(max_depth=3)),
)
REGRESSORS = (
    GradientBoostingRegressor(n_estimators=8),
    HistGradientBoostingRegressor(max_iter=6),
    HistGradientBoostingRegressor(max_iter=6, loss="poisson"),
    RandomForestRegressor(n_estimators=7, random_state=1),
    DecisionTreeRegressor(max_depth=4),
    LinearRegression(),
    Ridge(),
    make_pipeline(StandardScaler(), LinearRegression()),
)


def name_of(value: Any) -> str:
    return type(value).__name__


def same(left: Any, right: Any) -> bool:
    left, right = np.asarray(left), np.asarray(right)
    return left.dtype == right.dtype and left.tolist() == right.tolist()


def hold_both(model: Any, method: str) -> None:
    quick = direct(model, method)
    assert quick is not None
    own = getattr(model, method)
    rng = np.random.default_rng(11)
    for rows in (1, 1, 1, 2, 7, 32, 300):
        for scale in (0.1, 1.0, 1e3):
            table = rng.normal(scale=scale, size=(rows, WIDTH)).round(int(rng.integers(1, 8)))
            assert same(quick(table), own(table))
    assert same(quick(X), own(X))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("model", CLASSIFIERS, ids=name_of)
def test_classes_and_probabilities_are_the_models_own(model: Any, target: str) -> None:
    model.fit(X, TARGETS[target])
    for method in ("predict", "predict_proba"):
        if hasattr(model, method):
            hold_both(model, method)


@pytest.mark.parametrize("model", REGRESSORS, ids=name_of)
def test_numbers_are_the_models_own(model: Any) -> None:
    hold_both(model.fit(X, np.abs(_SCORE)), "predict")


def test_a_forest_with_threads_is_asked_in_one() -> None:
    model = ExtraTreesRegressor(n_estimators=5, n_jobs=2, random_state=0).fit(X, _SCORE)
    quick = direct(model, "predict")
    assert quick is not None
    assert np.allclose(quick(X), model.predict(X), rtol=1e-12)
    assert model.n_jobs == 2


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf, 1e300, 3.5e38])
@pytest.mark.parametrize(
    "model",
    [
        GradientBoostingClassifier(n_estimators=3),
        HistGradientBoostingClassifier(max_iter=3),
        RandomForestClassifier(n_estimators=3, random_state=1),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=name_of,
)
def test_odd_numbers_are_the_models_own_business(model: Any, odd: float) -> None:
    model.fit(X, TARGETS["two"])
    quick = direct(model, "predict")
    assert quick is not None
    table = X[:3].copy()
    table[1, 2] = odd
    with np.errstate(over="ignore"):
        try:
            expected = model.predict(table)
        except ValueError as error:
            with pytest.raises(ValueError, match=str(error)[:20]):
                quick(table)
        else:
            assert same(quick(table), expected)


@pytest.mark.parametrize(
    "model",
    [
        KNeighborsClassifier(),
        PoissonRegressor(),
        GradientBoostingRegressor(n_estimators=3, init=LinearRegression()),
        make_pipeline(PolynomialFeatures(), LogisticRegression()),
        make_pipeline(MinMaxScaler(clip=True), LogisticRegression()),
    ],
    ids=name_of,
)
def test_what_is_not_known_keeps_its_own_way(model: Any) -> None:
    assert direct(model.fit(X, TARGETS["two"]), "predict") is None


def test_a_subclass_with_an_answer_of_its_own_keeps_it() -> None:
    class Opposite(LogisticRegression):
        def predict(self, X: Any) -> Any:
            return 1 - super().predict(X)

    Opposite.__module__ = "sklearn.linear_model._logistic"
    assert direct(Opposite().fit(X, TARGETS["two"]), "predict") is None


def test_a_model_fitted_on_a_frame_is_given_an_array() -> None:
    names = tuple("abcdef")
    frame = pd.DataFrame(X, columns=list(names)).assign(b=np.arange(150) % 9)
    model = GradientBoostingClassifier(n_estimators=5).fit(frame, TARGETS["two"])
    inputs = tuple(Field(name, "long" if name == "b" else "double") for name in names)
    table = table_of(inputs, signed=True, fitted_names=names, fitted_width=WIDTH)
    assert table is not None
    found = directly(model, "predict", inputs, names, table)
    assert found is not None
    quick, ask = found
    rows = frame.to_numpy(dtype=object).tolist()
    assert isinstance(quick.build(rows), np.ndarray)
    assert same(ask(quick.build(rows)), model.predict(table.build(rows)))
    empty = [[None, *row[1:]] for row in rows]
    with pytest.raises(ValueError, match="NaN"):
        ask(quick.build(empty))
    for strange in (1.5, True, 1 << 60, None, "1"):
        with pytest.raises(TypeError, match="integer"):
            quick.build([[0.5, strange, 0.5, 0.5, 0.5, 0.5]])
    assert directly(model, "predict", inputs, names[::-1], table) is None
