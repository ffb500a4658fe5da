"""The contract with MLflow's scoring server for every kind of signature, on pyfunc models.

Each body is answered as MLflow answers it: byte for byte where it answers with 200, with an error
of the same kind where it does not.
"""

from __future__ import annotations

import io
import json
import warnings

import pandas as pd
import pytest
from scoring_server import mlflow_answers

from penstock.inference import frames
from penstock.inference.manner import Manner
from penstock.serving.batch import Batcher
from penstock.serving.runtimes import load

pytestmark = pytest.mark.filterwarnings("ignore")

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"
KINDS = {
    JSON: frames.INVOCATIONS_JSON,
    CSV: frames.INVOCATIONS_CSV,
    PARQUET: frames.INVOCATIONS_PARQUET,
}
CODE = '''
import json
import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


def told(value):
    """Return a value of any kind as text, with its type."""
    if isinstance(value, dict):
        return {str(key): told(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [told(one) for one in value]
    if isinstance(value, np.ndarray):
        return [str(value.dtype), told(value.tolist())]
    return f"{type(value).__name__} {value}"


class Echo(PythonModel):
    def predict(self, context, model_input, params=None):
        if isinstance(model_input, pd.DataFrame):
            types = {str(name): str(kind) for name, kind in model_input.dtypes.items()}
            rows = model_input.to_dict("records")
            return [json.dumps([types, told(row), params], sort_keys=True) for row in rows]
        return [json.dumps([told(model_input), params], sort_keys=True)]


set_model(Echo())
'''


def signatures():
    """Return a signature and bodies for each kind, by name."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
    from mlflow.types.schema import AnyType, Array, Map, Object, Property

    def columns(*pairs, params=None):
        made = [ColSpec(kind, name, required=need) for name, kind, need in pairs]
        return ModelSignature(Schema(made), params=params)

    def records(*items, **more):
        return JSON, json.dumps({"dataframe_records": list(items), **more}).encode()

    def split(names, *rows):
        return JSON, json.dumps({"dataframe_split": {"columns": names, "data": rows}}).encode()

    def inputs(value, **more):
        return JSON, json.dumps({"inputs": value, **more}).encode()

    def csv(text):
        return CSV, text.encode()

    def parquet(frame):
        file = io.BytesIO()
        frame.to_parquet(file)
        return PARQUET, file.getvalue()

    params = ParamSchema(
        [
            ParamSpec("threshold", DataType.double, 0.5),
            ParamSpec("names", DataType.string, ["a"], shape=(-1,)),
        ]
    )
    person = Object([Property("name", DataType.string), Property("age", DataType.long, False)])
    x = ("x", "double", True)
    yield (
        "params",
        columns(x, params=params),
        [
            records({"x": 1}),
            records({"x": 1}, params={"threshold": 0.75}),
            records({"x": 1}, params={"threshold": 1, "names": ["b", "c"]}),
            records({"x": 1}, params={"threshold": "high"}),
            records({"x": 1}, params={"other": 1}),
            records({"x": 1}, params=[1]),
            records({"x": 1}, params=None),
        ],
    )
    yield (
        "datetimes",
        columns(("at", "datetime", True), x),
        [
            records({"at": "2026-01-02T03:04:05", "x": 1}),
            records({"at": "2026-01-02", "x": 1.5}, {"at": "2026-01-02T03:04:05.678", "x": 2}),
            records({"at": "2026-01-02T03:04:05+02:00", "x": 1}),
            records({"at": 1767323045000, "x": 1}),
            records({"at": "yesterday", "x": 1}),
            records({"at": None, "x": 1}),
            split(["x", "at"], [1, "2026-01-02T03:04:05Z"]),
            csv("at,x\n2026-01-02T03:04:05,1\n"),
            parquet(pd.DataFrame({"at": pd.to_datetime(["2026-01-02"]), "x": [1.0]})),
        ],
    )
    yield (
        "optional",
        columns(x, ("y", "double", False), ("town", "string", False)),
        [
            records({"x": 1}),
            records({"x": 1, "y": 2}),
            records({"x": 1, "y": None, "town": None}),
            records({"x": 1, "y": 2, "town": "Ulm"}, {"x": 2, "town": "Trier"}),
            records({"y": 2}),
            split(["town", "x"], ["Ulm", 1]),
            inputs({"x": [1, 2]}),
            csv("x\n1\n2\n"),
        ],
    )
    yield (
        "widths",
        columns(
            ("i", "integer", True),
            ("l", "long", True),
            ("f", "float", True),
            ("b", "boolean", True),
        ),
        [
            records({"i": 1, "l": 2, "f": 0.1, "b": True}),
            records({"i": 2**31 - 1, "l": 2**63 - 1, "f": 1e38, "b": False}),
            records({"i": 2**31, "l": 2, "f": 0.1, "b": True}),
            records({"i": 1, "l": 2**63, "f": 0.1, "b": True}),
            records({"i": 1, "l": 2, "f": 1e39, "b": True}),
            records({"i": 1.0, "l": 2.0, "f": 1, "b": 1}),
            records({"i": 1.5, "l": 2, "f": 0.1, "b": True}),
            records({"i": True, "l": 2, "f": 0.1, "b": "true"}),
            records({"i": None, "l": 2, "f": None, "b": True}),
            split(["b", "f", "l", "i"], [True, 0.1, 2, 1], [False, 0.2, 3, 4]),
            csv("i,l,f,b\n1,2,0.5,True\n"),
            parquet(pd.DataFrame({"i": [1], "l": [2], "f": [0.5], "b": [True]})),
        ],
    )
    yield (
        "texts",
        columns(("s", "string", True), ("raw", "binary", True)),
        [
            records({"s": "Köln", "raw": "YWJj"}),
            records({"s": "", "raw": ""}),
            records({"s": 5, "raw": "YWJj"}),
            records({"s": "a", "raw": 5}),
            records({"s": None, "raw": "YWJj"}),
        ],
    )
    nested = ModelSignature(
        Schema(
            [
                ColSpec(Array(DataType.double), "xs"),
                ColSpec(person, "who"),
                ColSpec(Map(DataType.long), "counts", required=False),
            ]
        )
    )
    yield (
        "nested",
        nested,
        [
            records({"xs": [1.0, 2.5], "who": {"name": "Ann", "age": 5}}),
            records({"xs": [], "who": {"name": "Ann"}, "counts": {"a": 1}}),
            records({"xs": [1.0, "b"], "who": {"name": "Ann"}}),
            records({"xs": 1.0, "who": {"name": "Ann"}}),
            records({"xs": [1.0], "who": {"age": 5}}),
            records({"xs": [1.0], "who": {"name": "Ann", "more": 1}}),
            inputs({"xs": [[1.0], [2.0, 3.0]], "who": [{"name": "A"}, {"name": "B"}]}),
            split(["xs", "who"], [[1.5], {"name": "A", "age": 1}]),
        ],
    )
    yield (
        "any",
        ModelSignature(Schema([ColSpec(AnyType(), "x"), ColSpec("long", "n")])),
        [
            records({"x": {"deep": [1, None]}, "n": 1}),
            records({"x": None, "n": 1}),
            records({"x": "text", "n": "1"}),
        ],
    )
    one = ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 2, 3))]))
    cube = [[[1, 2, 3], [4, 5, 6]]]
    yield (
        "tensor",
        one,
        [
            inputs(cube),
            inputs([*cube, *cube]),
            (JSON, json.dumps({"instances": cube}).encode()),
            inputs([[[1, 2], [3, 4]]]),
            inputs("x"),
            inputs({"x": cube}),
        ],
    )
    two = ModelSignature(
        Schema(
            [
                TensorSpec(np.dtype("float32"), (-1, 2), "a"),
                TensorSpec(np.dtype("int64"), (-1,), "n"),
            ]
        )
    )
    yield (
        "tensors",
        two,
        [
            inputs({"a": [[1, 2]], "n": [3]}),
            inputs({"a": [[1, 2], [3, 4]], "n": [3, 4]}),
            (JSON, json.dumps({"instances": [{"a": [1, 2], "n": 3}]}).encode()),
            inputs({"a": [[1, 2]]}),
            inputs({"a": [[1, 2, 3]], "n": [3]}),
            inputs({"a": [[1, 2]], "n": [1.5]}),
        ],
    )
    words = ModelSignature(Schema([TensorSpec(np.dtype("str"), (-1,))]))
    yield "words", words, [inputs(["a", "b"]), inputs([1, 2]), inputs([None])]
    yield (
        "none",
        None,
        [
            records({"x": 1, "y": "a"}),
            records({"x": 1}, {"y": "a"}),
            split(["x", "y"], [1, "a"]),
            inputs([[1, 2]]),
            inputs({"a": [1, 2]}),
            inputs(5),
            (JSON, json.dumps({"instances": [1, 2]}).encode()),
            records({"x": 1}, params={"a": 1}),
            csv("x,y\n1,a\n"),
            csv(""),
            parquet(pd.DataFrame({"x": [1, 2]})),
            (JSON, b'{"messages": [{"role": "user", "content": "hi"}]}'),
            (JSON, b'{"input": "hi"}'),
            (JSON, b"[1]"),
        ],
    )


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models of every kind of signature: path and bodies, by name."""
    import mlflow.pyfunc

    folder = tmp_path_factory.mktemp("signatures")
    code = folder / "echo.py"
    code.write_text(CODE)
    made = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, signature, bodies in signatures():
            mlflow.pyfunc.save_model(
                str(folder / name), python_model=str(code), signature=signature, pip_requirements=[]
            )
            made[name] = (folder / name, bodies)
    return made


NAMES = (
    *("params", "datetimes", "optional", "widths", "texts", "nested", "any", "tensor"),
    *("tensors", "words", "none"),
)


@pytest.mark.parametrize("name", NAMES)
def test_answers_are_those_of_mlflow(models, name):
    path, bodies = models[name]
    theirs = mlflow_answers(path, bodies)
    batcher = Batcher(load(str(path)))
    asked = [(number, KINDS[content], body) for number, (content, body) in enumerate(bodies)]
    alone = [batcher.answer([one])[0] for one in asked]
    together = sorted(batcher.answer(asked))
    for (_, body), (status, answer), *ours in zip(bodies, theirs, alone, together, strict=True):
        for one in ours:
            if status == 200:
                assert (one.status, one.body) == (200, answer), body
            elif status < 500:
                assert (one.status, json.loads(one.body)) == (status, json.loads(answer)), body
            else:
                assert one.status >= 400, body
    assert any(status == 200 for status, _ in theirs)


ALONE = """
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel


class Model(PythonModel):
    def predict(self, context, model_input, params=None):
        total = model_input["x"] * 2 + model_input["y"]
        return RESULT


set_model(Model())
"""


@pytest.mark.parametrize(
    ("result", "batches"),
    [("total", True), ("total.tolist()", True), ("total - total.mean()", False)],
)
def test_a_pyfunc_is_batched_once_it_has_proven_that_it_may(tmp_path, result, batches):
    import mlflow.pyfunc
    from mlflow.models import infer_signature

    code = tmp_path / "model.py"
    code.write_text(ALONE.replace("RESULT", result))
    example = pd.DataFrame({"x": [1.0], "y": [2.0]})
    path = tmp_path / "model"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mlflow.pyfunc.save_model(
            str(path),
            python_model=str(code),
            signature=infer_signature(example),
            input_example=example,
            pip_requirements=[],
        )
    assert not load(str(path)).describe().batches
    runtime = load(str(path), Manner(batch="all"))
    assert runtime.describe().batches == batches
    bodies = [
        (JSON, json.dumps({"dataframe_split": {"columns": ["x", "y"], "data": rows}}).encode())
        for rows in ([[1.0, 2.0]], [[3, 4.5], [5.0, 6.0]], [[None, 1.0]])
    ]
    batcher = Batcher(runtime)
    batcher.warm_up()
    asked = [(number, KINDS[content], body) for number, (content, body) in enumerate(bodies)]
    ours = sorted(batcher.answer(asked))
    theirs = mlflow_answers(path, bodies)
    assert [(one.status, one.body) for one in ours] == theirs
