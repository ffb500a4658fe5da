import json

import pytest

from penstock.inference.description import Field
from penstock.serving.tensors import NoInferError, parse, written

COLUMNS = (Field("age", "long"), Field("name", "string"))


def tensor(name, data, kind="FP64", shape=None):
    return {"name": name, "shape": shape or [len(data)], "datatype": kind, "data": data}


def test_one_input_per_column():
    inputs = [tensor("name", ["x", "y"], "BYTES"), tensor("age", [1, 2], "INT64", [2, 1])]
    found = parse({"id": "q", "inputs": inputs}, COLUMNS)
    assert found.id == "q"
    assert found.item == {
        "dataframe_split": {"columns": ["age", "name"], "data": [[1, "x"], [2, "y"]]}
    }


def test_one_matrix_for_all_columns():
    fields = (Field("a", "double"), Field("b", "double"))
    found = parse({"inputs": [tensor("x", [1, 2, 3, 4], shape=[2, 2])]}, fields)
    assert found.item == {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2], [3, 4]]}}


@pytest.mark.parametrize("data", [[1, 2, 3, 4], [[1, 2], [3, 4]]])
def test_tensors_flat_or_nested(data):
    found = parse({"inputs": [tensor("x", data, shape=[2, 2])]}, (Field("", "float64", (-1, 2)),))
    assert found.item == {"inputs": [[1, 2], [3, 4]]}


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ([], "must be an object"),
        ({"inputs": []}, "is empty"),
        ({"inputs": [3]}, "with a `name`"),
        ({"inputs": [tensor("x", [1], shape=[2])]}, "'x': `shape` [2] asks for 2 values"),
        ({"inputs": [tensor("x", [1], shape=["a"])]}, "'x': `shape` must be"),
        ({"inputs": [tensor("x", [1], "FP128")]}, "'x': `datatype` 'FP128'"),
        ({"inputs": [tensor("x", ["a"])]}, "'x': 'a' is no FP64"),
        ({"inputs": [tensor("x", [300], "UINT8")]}, "'x': 300 is no UINT8"),
        ({"inputs": [tensor("x", [-129], "INT8")]}, "'x': -129 is no INT8"),
        ({"inputs": [tensor("x", [1], "BOOL")]}, "'x': 1 is no BOOL"),
        ({"inputs": [tensor("x", [[1], 2])]}, "'x': `data` is ragged"),
        ({"inputs": [tensor("age", [1]), tensor("age", [1])]}, "'age' is there twice"),
        ({"inputs": [tensor("age", [1])]}, "needs the inputs 'name'"),
        ({"inputs": [tensor("age", [1]), tensor("name", [1, 2])]}, "different numbers of rows"),
        ({"inputs": [tensor("age", [1])], "outputs": [1]}, "`outputs`"),
        ({"inputs": [tensor("age", [1])], "id": 3}, "`id`"),
    ],
)
def test_what_is_wrong_is_said(item, words):
    with pytest.raises(NoInferError) as caught:
        parse(item, COLUMNS)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("values", "outputs"),
    [
        ([1, 2], [("predict", [2], "INT64", [1, 2])]),
        ([0.5], [("predict", [1], "FP64", [0.5])]),
        ([True], [("predict", [1], "BOOL", [True])]),
        (["a"], [("predict", [1], "BYTES", ["a"])]),
        ([[0.1, 0.9]], [("predict", [1, 2], "FP64", [0.1, 0.9])]),
        ([{"a": 1, "b": "x"}], [("a", [1], "INT64", [1]), ("b", [1], "BYTES", ["x"])]),
        ({"a": [1, 2]}, [("a", [2], "INT64", [1, 2])]),
        ([1, None], [("predict", [2], "FP64", [1, None])]),
    ],
)
def test_answers(values, outputs):
    request = parse({"id": "q", "inputs": [tensor("x", [1])]}, ())
    reply = written(request, values, model="m", version="3", outputs=())
    item = json.loads(reply.body)
    assert (item["model_name"], item["model_version"], item["id"]) == ("m", "3", "q")
    found = [(o["name"], o["shape"], o["datatype"], o["data"]) for o in item["outputs"]]
    assert found == outputs


def test_only_wanted_outputs():
    ask = {"inputs": [tensor("x", [1])], "outputs": [{"name": "b"}]}
    reply = written(parse(ask, ()), [{"a": 1, "b": 2}], model="m", version="1", outputs=())
    assert [one["name"] for one in json.loads(reply.body)["outputs"]] == ["b"]
    reply = written(parse(ask, ()), [1], model="m", version="1", outputs=())
    assert reply.status == 400
    assert "no output 'b'" in json.loads(reply.body)["error"]
