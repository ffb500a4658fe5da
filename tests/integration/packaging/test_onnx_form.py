"""The ONNX form of a scikit-learn model: served where it agrees, refused where it does not."""

from __future__ import annotations

import json
import os
import warnings

import numpy as np
import pandas as pd
import pytest

from penstock.domain.verdict import Outcome
from penstock.inference import frames
from penstock.packaging import as_onnx
from penstock.serving.batch import Batcher
from penstock.serving.runtimes import load
from penstock.serving.runtimes.converting import convert

pytestmark = pytest.mark.filterwarnings("ignore")


def people(count: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, count).astype("float64"),
            "income": rng.normal(3000.0, 800.0, count).round(2),
            "town": rng.choice(["Ulm", "Trier", "Köln"], count),
        }
    )


def save(path, model, X, y, **settings):
    import mlflow.sklearn
    from mlflow.models import infer_signature

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.sklearn.save_model(
            model.fit(X, y),
            str(path),
            signature=infer_signature(X, y),
            serialization_format="cloudpickle",
            pip_requirements=[],
            **settings,
        )
    return path


def converted(root, path, frame, tolerance=1e-4):
    data = root / "test.csv"
    frame.assign(y=0).to_csv(data, index=False)
    return as_onnx(
        path,
        path.name,
        root,
        data=data,
        target="y",
        tolerance=tolerance,
        timeout=120,
        environment=dict(os.environ),
    )


def answers(path, frame):
    """Return predictions of one runtime for JSON, the fast way, and for CSV, the long way."""
    batcher = Batcher(load(str(path)))
    split = json.loads(frame.to_json(orient="split", index=False))
    split.pop("index", None)
    asked = [
        (1, frames.INVOCATIONS_JSON, json.dumps({"dataframe_split": split}).encode()),
        (2, frames.INVOCATIONS_CSV, frame.to_csv(index=False).encode()),
    ]
    found = sorted(batcher.answer(asked))
    assert [one.status for one in found] == [200, 200]
    return [json.loads(one.body)["predictions"] for one in found]


def models():
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = people()
    late = np.where(frame["income"] > 3000, "late", "early")
    numbers = frame[["age", "income"]]
    mixed = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["town"]),
            (StandardScaler(), ["age", "income"]),
        ),
        LogisticRegression(),
    )
    yield "classes", GradientBoostingClassifier(n_estimators=5), numbers, (late == "late") * 1, {}
    yield "numbers", GradientBoostingRegressor(n_estimators=5), numbers, frame["income"] * 2, {}
    yield "texts", mixed, frame, late, {}
    chances = {"pyfunc_predict_fn": "predict_proba"}
    yield "chances", GradientBoostingClassifier(n_estimators=5), numbers, late, chances


def test_what_agrees_is_served_in_the_same_words(tmp_path):
    for name, model, frame, y, settings in models():
        path = save(tmp_path / name, model, frame, y, **settings)
        form = tmp_path / f"{name}-onnx"
        found = convert(str(path), form, frame, 1e-4)
        assert (found["rows"], found["differ"]) == (300, 0)
        assert load(str(form)).describe().runtime == "onnx"
        assert "onnxruntime==" in (form / "requirements.txt").read_text()
        for saved, other in zip(answers(path, frame), answers(form, frame), strict=True):
            if isinstance(saved[0], str | int):
                assert other == saved
            else:
                assert np.allclose(other, saved, atol=1e-4)


def test_a_form_is_made_once(tmp_path):
    _, model, frame, y, _ = next(models())
    path = save(tmp_path / "classes", model, frame, y)
    made = converted(tmp_path, path, frame)
    assert made.verdict.outcome is Outcome.PASSED, made.verdict.words
    assert "all 300 held-out rows are predicted the same in ONNX" in made.verdict.words
    assert made.path is not None
    before = (made.path / "model.onnx").stat()
    assert converted(tmp_path, path, frame) == made
    assert (made.path / "model.onnx").stat() == before


def test_what_differs_is_refused_and_the_worst_row_named(tmp_path):
    from sklearn.linear_model import LinearRegression

    # Whole numbers beyond 2^24 are not told apart in 32 bits.
    frame = pd.DataFrame({"id": np.arange(200.0) + 2**25, "other": np.zeros(200)})
    path = save(tmp_path / "exact", LinearRegression(), frame, np.arange(200.0))
    made = converted(tmp_path, path, frame)
    assert made.path is None
    assert made.verdict.outcome is Outcome.FAILED
    assert "rows are predicted otherwise in ONNX; worst is row" in made.verdict.words
    (evidence,) = made.verdict.evidence
    assert evidence.n == 200
    assert evidence.details["differ"] > 50
    worst = evidence.details["worst"]
    assert worst["values"] == [frame["id"][worst["row"]], 0.0]
    assert not list((tmp_path / ".penstock" / "models").iterdir())


def test_what_has_no_onnx_form_says_so(tmp_path):
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    frame = people()[["age", "income"]]
    model = make_pipeline(FunctionTransformer(np.log1p), LinearRegression())
    path = save(tmp_path / "own", model, frame, frame["age"])
    made = converted(tmp_path, path, frame)
    assert made.path is None
    assert made.verdict.outcome is Outcome.FAILED
    assert made.verdict.words.startswith("the model has no ONNX form that can be served: ")
