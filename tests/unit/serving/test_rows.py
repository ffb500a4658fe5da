import json

import pytest

from penstock.serving.rows import RowReader, is_plain

NAMED = RowReader(("a", "b"), None)
ARRAY = RowReader(None, 2)
ROWS = [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "item",
    [
        {"dataframe_split": {"columns": ["a", "b"], "data": ROWS}},
        {"dataframe_split": {"columns": ["b", "a"], "data": [[2, 1], [4, 3]]}},
        {"dataframe_split": {"columns": ["b", "x", "a"], "data": [[2, 9, 1], [4, 9, 3]]}},
        {"dataframe_records": [{"a": 1, "b": 2}, {"b": 4, "a": 3, "c": 5}]},
        {"instances": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]},
        {"inputs": {"a": [1, 3], "b": [2, 4]}},
    ],
)
def test_named_columns_are_put_in_order(item):
    assert [list(row) for row in NAMED.read(item)] == ROWS


@pytest.mark.parametrize(
    "item",
    [
        {"inputs": ROWS},
        {"instances": ROWS},
        {"dataframe_split": {"data": ROWS}},
        {"dataframe_split": {"columns": ["x", "y"], "data": ROWS}},
    ],
)
def test_arrays_are_taken_as_they_are(item):
    assert ARRAY.read(item) == ROWS


@pytest.mark.parametrize("reader", [NAMED, ARRAY])
@pytest.mark.parametrize(
    "item",
    [
        {},
        {"inputs": []},
        {"inputs": 3},
        {"inputs": [[1]]},
        {"inputs": [[1, 2], 3]},
        {"inputs": [[1, 2]], "params": {}},
        {"inputs": {"a": [1]}},
        {"inputs": {"a": [1], "b": 2}},
        {"inputs": {"a": [1], "b": [2, 3]}},
        {"instances": [{"a": 1}]},
        {"dataframe_records": [1]},
        {"dataframe_split": [1]},
        {"dataframe_split": {"columns": ["a"], "data": [[1]]}},
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1]]}},
        {"dataframe_split": {"columns": ["a", "b"], "data": [[1, 2]], "index": [1]}},
        {"dataframe_split": {"columns": ["a", "a", "b"], "data": [[1, 2]]}},
        {"other": ROWS},
    ],
)
def test_what_is_odd_is_left_to_mlflow(reader, item):
    assert reader.read(item) is None


def test_requests_to_language_models_are_not_plain():
    assert is_plain({"inputs": ROWS})
    assert not is_plain({"messages": []})
    assert not is_plain([1])


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ([], "exactly one"),
        ({"dataframe_split": {"columns": ["a"], "data": [[1]]}}, "missing inputs ['b']"),
        ({"dataframe_records": [{"b": 1}]}, "missing inputs ['a']"),
        ({"inputs": {"a": [1]}}, "missing inputs ['b']"),
        ({"inputs": 4}, "of 2 values"),
    ],
)
def test_complaints_name_the_field(item, words):
    assert words in NAMED.complaint(item)


def test_rows_survive_json():
    text = json.dumps({"inputs": ROWS})
    assert ARRAY.read(json.loads(text)) == ROWS
