"""Bodies of every odd shape: the readers take them or leave them, but nothing raises."""

from __future__ import annotations

import json
from itertools import product

import pytest

from penstock.inference import frames
from penstock.inference.description import Description, Field
from penstock.serving.answers import mistake
from penstock.serving.batch import Batcher
from penstock.serving.rows import FORMS, RowReader

ODD = [
    None, True, 0, 1.5, "a", [], {}, [[]], [{}], [[{}]], {"a": []}, {"a": {"b": 1}}, [["a"], "b"],
    [1, "a"], [-1], [10**30],
]  # fmt: skip


class Summing:
    """A runtime that sums rows, and refuses what it cannot read."""

    def __init__(self, inputs, columns, width):
        self._inputs = inputs
        self.rows = RowReader(columns, width).read

    def describe(self):
        return Description(inputs=self._inputs)

    def predict(self, rows):
        return [sum(row) for row in rows]

    def whole(self, kind, body):
        return mistake("not that")


SHAPES = [
    ((Field("a", "double"), Field("b", "double")), ("a", "b"), None),
    ((Field("a", "double"),), ("a",), None),
    ((Field("", "float64", (-1, 2)),), None, 2),
    ((), None, None),
]


def answered(runtime, kind, items):
    batcher = Batcher(runtime)
    requests = [(k, kind, json.dumps(item).encode()) for k, item in enumerate(items)]
    # All of them together, so that one could spoil the others'.
    answers = batcher.answer(requests)
    assert sorted(one.number for one in answers) == list(range(len(requests)))
    return {one.number: one.status for one in answers}


@pytest.mark.parametrize("shape", SHAPES)
def test_forms_of_mlflow(shape):
    tables = [
        *ODD,
        *({"columns": names, "data": data} for names, data in product(ODD, ODD)),
        *({"columns": [one, two], "data": [[1, 2]]} for one, two in product(ODD, ODD)),
        *({"columns": ["a", "b", one], "data": [[1, 2, 3]]} for one in ODD),
        *([{"a": one, "b": two}] for one, two in product(ODD, ODD)),
        *({"a": one, "b": two} for one, two in product(ODD, ODD)),
    ]
    items = [{form: table} for form in FORMS for table in tables]
    items += ODD
    assert set(answered(Summing(*shape), frames.INVOCATIONS_JSON, items).values()) <= {
        200,
        400,
        500,
    }


@pytest.mark.parametrize("shape", SHAPES)
def test_tensors(shape):
    tensor = {"name": "a", "shape": [1], "datatype": "FP64", "data": [1]}
    items = [
        {"inputs": [{**tensor, key: value, "parameters": more}], "outputs": more, "id": more}
        for key, value, more in product(tensor, ODD, ODD)
    ]
    items += [{"inputs": value} for value in ODD]
    assert set(answered(Summing(*shape), frames.V2_INFER, items).values()) <= {200, 400, 500}


class Strange(Summing):
    """Answers what no JSON can hold."""

    def predict(self, rows):
        return [{1, 2} for _ in rows]


@pytest.mark.parametrize("kind", [frames.INVOCATIONS_JSON, frames.V2_INFER])
def test_a_prediction_that_is_no_json_is_an_error_of_the_model(kind):
    tensor = {"name": "a", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}
    item = {"inputs": [tensor] if kind == frames.V2_INFER else [[1, 2]]}
    assert answered(Strange((), None, 2), kind, [item, item]) == {0: 500, 1: 500}
