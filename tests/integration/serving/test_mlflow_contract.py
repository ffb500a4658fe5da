"""The contract: answers byte for byte as MLflow's own scoring server gives them.

The other side is the real application (`mlflow.pyfunc.scoring_server`), called through ASGI. Ours
gets each body alone and all bodies in one batch, so the fast way, the long way and the splitting
of batches are all held against it.
"""

from __future__ import annotations

import io
import json
import math
import warnings

import numpy as np
import pandas as pd
import pytest
from scoring_server import mlflow_answers

from penstock.inference import frames
from penstock.serving.batch import Batcher
from penstock.serving.runtimes import load

pytestmark = pytest.mark.filterwarnings("ignore")

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
KINDS = {
    JSON: frames.INVOCATIONS_JSON,
    CSV: frames.INVOCATIONS_CSV,
    PARQUET: frames.INVOCATIONS_PARQUET,
}
COLUMNS = ["age", "income", "town", "member"]


def people(count: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 90, count),
            "income": rng.normal(3000.0, 800.0, count).round(2),
            "town": rng.choice(["Ulm", "Trier", "Köln"], count),
            "member": rng.random(count) < 0.5,
        }
    )


def save(path, model, X, y, **settings):
    import mlflow.sklearn
    from mlflow.models import infer_signature

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.sklearn.save_model(
            model,
            str(path),
            signature=infer_signature(X, y) if settings.pop("signed", True) else None,
            serialization_format="cloudpickle",
            pip_requirements=[],
            **settings,
        )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models of all kinds of input, by name."""
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(5)
    X = rng.normal(size=(80, 4))
    y = (X[:, 0] > 0).astype(int)
    named = pd.DataFrame(X, columns=COLUMNS)
    table = people()
    late = np.where(table["income"] > 3000, "late", "early")
    pipeline = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["town"]), remainder="passthrough"),
        LogisticRegression(max_iter=5000),
    )
    made = {
        "tensor": (GradientBoostingClassifier(n_estimators=5), X, y, {}),
        "tensor32": (GradientBoostingClassifier(n_estimators=5), X.astype("float32"), y, {}),
        "unsigned": (GradientBoostingClassifier(n_estimators=5), X, y, {"signed": False}),
        "named": (GradientBoostingClassifier(n_estimators=5), named, y, {}),
        "mixed": (pipeline, table, late, {}),
        "regression": (LinearRegression(), named, X[:, 1], {}),
        "missing": (HistGradientBoostingRegressor(max_iter=5), named, X[:, 2], {}),
        "scores": (
            GradientBoostingClassifier(n_estimators=5),
            named,
            y,
            {"pyfunc_predict_fn": "predict_proba"},
        ),
    }
    for name, (model, inputs, target, settings) in made.items():
        save(folder / name, model.fit(inputs, target), inputs, target, **settings)
    save_boosted(folder, X, named, y)
    save_onnx(folder / "onnx", made["tensor"][0], X.astype("float32"))
    return folder


def save_boosted(folder, X, named, y) -> None:
    import lightgbm
    import mlflow.lightgbm
    import mlflow.xgboost
    import xgboost
    from mlflow.models import infer_signature

    few = {"n_estimators": 4, "max_depth": 2}
    quiet = {"max_depth": 2, "verbose": -1, "min_data_in_leaf": 5, "num_threads": 1}
    light = lightgbm.train(quiet, lightgbm.Dataset(named, y), 4)
    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(named, y), 4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, module, model, inputs in (
            ("xgboost", mlflow.xgboost, xgboost.XGBClassifier(**few).fit(named, y), named),
            ("booster", mlflow.xgboost, booster, named),
            ("lightgbm", mlflow.lightgbm, light, named),
        ):
            module.save_model(
                model, str(folder / name), signature=infer_signature(inputs), pip_requirements=[]
            )


def save_onnx(path, model, X) -> None:
    import mlflow.onnx
    from mlflow.models import infer_signature
    from skl2onnx import to_onnx

    made = to_onnx(model, X[:1], options={"zipmap": False})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.onnx.save_model(made, str(path), signature=infer_signature(X), pip_requirements=[])


def number_bodies():
    rows = [[1, 2.5, -3, 1e-7], [0.1, 0.2, 0.3, 0.4], [-1.0, 5, 7.25, 1e20]]
    names = ["member", "town", "age", "income"]
    records = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    yield JSON, {"inputs": rows}
    yield JSON, {"inputs": rows[:1]}
    yield JSON, {"instances": rows}
    yield JSON, {"instances": records}
    yield JSON, {"dataframe_split": {"columns": COLUMNS, "data": rows}}
    yield JSON, {"dataframe_split": {"columns": names, "data": rows}}
    yield JSON, {"dataframe_split": {"columns": [*names, "more"], "data": [[*r, 9] for r in rows]}}
    yield JSON, {"dataframe_split": {"index": [5], "columns": COLUMNS, "data": rows[:1]}}
    yield JSON, {"dataframe_split": {"data": rows}}
    yield JSON, {"dataframe_records": records}
    yield JSON, {"dataframe_records": [dict(reversed(one.items())) for one in records]}
    yield JSON, {"dataframe_records": records[:1], "params": {}}
    yield JSON, {"inputs": {name: [row[k] for row in rows] for k, name in enumerate(COLUMNS)}}
    # what does not fit
    yield JSON, {"inputs": [[1, 2]]}
    yield JSON, {"inputs": [[1, 2, 3, 4], [1]]}
    yield JSON, {"inputs": [["a", 1, 2, 3]]}
    yield JSON, {"inputs": [[None, 1, 2, 3]]}
    yield JSON, {"inputs": [["1.5", 1, 2, 3]]}
    yield JSON, {"inputs": [[True, 1, 2, 3]]}
    yield JSON, {"inputs": [float("nan")]}
    yield JSON, {"inputs": []}
    yield JSON, {"inputs": 3}
    yield JSON, {"dataframe_records": [{"age": 1, "income": 2}]}
    yield JSON, {"dataframe_split": {"columns": COLUMNS, "data": [[None, 1, 2, 3]]}}
    yield JSON, {"dataframe_split": {"columns": COLUMNS, "data": [["x", 1, 2, 3]]}}
    yield JSON, {"dataframe_split": {"columns": COLUMNS, "data": [["2", 1, True, 3]]}}
    yield JSON, {"dataframe_split": {"columns": COLUMNS, "rows": rows}}
    yield JSON, {"inputs": rows, "instances": rows}
    yield JSON, rows
    yield JSON, b'{"inputs": [[NaN, 1, 2, Infinity]]}'
    yield JSON, b'{"inputs": [[1, 2, 3, 123456789012345678901234567890]]}'
    yield JSON, b'{"inputs"'
    yield JSON, b"\xff\xfe"
    frame = pd.DataFrame(rows, columns=COLUMNS)
    yield CSV, frame.to_csv(index=False).encode()
    yield CSV, b"age,income\n1,2\n"
    yield CSV, b"\xff"
    yield PARQUET, parquet(frame)
    yield PARQUET, b"no parquet"


def people_bodies():
    table = people(5)
    split = json.loads(table.to_json(orient="split"))
    del split["index"]
    records = json.loads(table.to_json(orient="records"))
    yield JSON, {"dataframe_split": split}
    yield JSON, {"dataframe_split": {**split, "data": split["data"][:1]}}
    yield JSON, {"dataframe_records": records}
    yield JSON, {"dataframe_records": [{**records[0], "more": 1}]}
    yield JSON, {"instances": records}
    yield JSON, {"inputs": {name: [one[name] for one in records] for name in COLUMNS}}
    for name, value in (
        ("town", None),
        ("town", 5),
        ("age", 30.0),
        ("age", 30.5),
        ("age", "30"),
        ("age", None),
        ("income", None),
        ("income", 1),
        ("member", 1),
        ("member", "yes"),
        ("age", 2**70),
    ):
        yield JSON, {"dataframe_records": [{**records[0], name: value}]}
    yield JSON, {"dataframe_records": [{k: v for k, v in records[0].items() if k != "town"}]}
    yield CSV, table.to_csv(index=False).encode()
    yield PARQUET, parquet(table)


def parquet(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file)
    return file.getvalue()


def same(ours, theirs):
    """Whether answers are equal but for the last digit, where rows were put together."""
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[k], theirs[k]) for k in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, float):
        return math.isclose(ours, theirs, rel_tol=1e-12)
    return type(ours) is type(theirs) and ours == theirs


@pytest.mark.parametrize(
    "name",
    [
        *("tensor", "tensor32", "unsigned", "named", "mixed", "regression", "missing", "scores"),
        *("xgboost", "booster", "lightgbm", "onnx"),
    ],
)
def test_answers_are_those_of_mlflow(models, name):
    made = people_bodies() if name == "mixed" else number_bodies()
    bodies = [
        (content, body if isinstance(body, bytes) else json.dumps(body).encode())
        for content, body in made
    ]
    theirs = mlflow_answers(models / name, bodies)
    batcher = Batcher(load(str(models / name)))
    asked = [(number, KINDS[content], body) for number, (content, body) in enumerate(bodies)]
    alone = [batcher.answer([one])[0] for one in asked]
    together = sorted(batcher.answer(asked))
    fine = 0
    for (_, body), (status, answer), single, shared in zip(
        bodies, theirs, alone, together, strict=True
    ):
        if status == 200:
            assert (single.status, single.body) == (200, answer), body
            assert shared.status == 200, body
            # A product of matrices rounds by its size, on some processors: scikit-learn's as well.
            linear = name == "regression" and same(json.loads(shared.body), json.loads(answer))
            assert shared.body == answer or linear, body
            fine += 2
        for ours in (single, shared):
            if status != 200:
                assert ours.status >= 400, body
                assert set(json.loads(ours.body)) >= {"error_code", "message"}
    assert fine >= 6


def test_the_fast_way_is_taken(models):
    """A table of plain numbers must not need MLflow at all."""
    rows = [[1, 2, 3, 4], [0.5, 1, 1, 1]]
    for name, item in (
        ("tensor", {"inputs": rows}),
        ("unsigned", {"inputs": rows}),
        ("named", {"dataframe_split": {"columns": COLUMNS, "data": rows}}),
        ("mixed", {"dataframe_records": json.loads(people(2).to_json(orient="records"))}),
        ("xgboost", {"dataframe_split": {"columns": COLUMNS, "data": rows}}),
        ("booster", {"dataframe_split": {"columns": COLUMNS, "data": rows}}),
        ("lightgbm", {"dataframe_split": {"columns": COLUMNS, "data": rows}}),
        ("onnx", {"inputs": rows}),
    ):
        runtime = load(str(models / name))
        assert runtime.describe().batches
        found = runtime.rows(item)
        assert found is not None
        assert len(runtime.predict(found)) == 2


def test_errors_name_the_field(models):
    batcher = Batcher(load(str(models / "mixed")))
    record = json.loads(people(1).to_json(orient="records"))[0]
    for name, value in (("town", None), ("age", "x")):
        changed = {**record, name: value}
        if value is None:
            del changed[name]
        body = json.dumps({"dataframe_records": [changed]}).encode()
        (answer,) = batcher.answer([(1, frames.INVOCATIONS_JSON, body)])
        assert answer.status == 400
        assert name in json.loads(answer.body)["message"]
