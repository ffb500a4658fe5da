"""Values outside the limits: found alike in plain rows and in what MLflow parses."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from penstock.inference import frames
from penstock.inference.description import Field
from penstock.inference.manner import Limit, Manner
from penstock.serving.checks import Checks

INPUTS = (Field("age", "long"), Field("fare", "double"), Field("town", "string"))
LIMITS = (
    Limit("age", 18, 99, nulls=False),
    Limit("fare", 0.0, 500.0),
    Limit("town", values=("Köln", "Ulm"), nulls=False),
    Limit("gone", 0, 1),
)


def checks(mode="reject") -> Checks:
    return Checks(Manner(mode, LIMITS), INPUTS)


def found(asked: Checks) -> dict[str, list]:
    return json.loads(asked.taken())


CASES = [
    ([30, 10.0, "Ulm"], []),
    ([30, None, "Ulm"], []),
    ([18, 500.0, "Köln"], []),
    ([17, 10.0, "Ulm"], [["age", "below", 1]]),
    ([100, -0.5, "Bonn"], [["age", "above", 1], ["fare", "below", 1], ["town", "unseen", 1]]),
    ([30, 10.0, None], [["town", "missing", 1]]),
    ([30, float("inf"), "Ulm"], [["fare", "above", 1]]),
    ([30, float("nan"), "Ulm"], []),
    # of another type: the signature says that, not the limits
    (["x", 10.0, "Ulm"], []),
    ([30, 10.0, ["Ulm"]], []),
]


@pytest.mark.parametrize(("row", "kinds"), CASES)
def test_plain_rows(row, kinds):
    asked = checks()
    reply = asked.refused(7, frames.INVOCATIONS_JSON, [[30, 10.0, "Ulm"], row])
    assert (reply is None) == (not kinds)
    assert found(asked) == ({"7": kinds} if kinds else {})


@pytest.mark.parametrize(("row", "kinds"), CASES[:8])
def test_a_parsed_table_says_the_same(row, kinds):
    asked = checks()
    asked.expect(3, frames.INVOCATIONS_CSV)
    frame = pd.DataFrame([[30, 10.0, "Ulm"], row], columns=["age", "fare", "town"])
    reply = asked.look(frame)
    assert (reply is None) == (not kinds)
    assert found(asked) == ({"3": kinds} if kinds else {})


def test_a_refusal_names_field_row_value_and_what_is_allowed():
    asked = checks()
    reply = asked.refused(1, frames.INVOCATIONS_JSON, [[30, 1.0, "Ulm"], [120, 1.0, "Rom"]])
    assert reply is not None
    assert reply.status == 422
    said = json.loads(reply.body)
    assert said["error_code"] == "INPUT_OUT_OF_RANGE"
    assert said["violations"] == [
        {"field": "age", "row": 1, "kind": "above", "value": 120, "allowed": "18 to 99"},
        {
            "field": "town",
            "row": 1,
            "kind": "unseen",
            "value": "Rom",
            "allowed": "one of 'Köln', 'Ulm'",
        },
    ]
    assert "field 'age' of row 1 is 120, allowed is 18 to 99" in said["message"]
    reply = asked.refused(2, frames.V2_INFER, [[120, 1.0, "Ulm"]])
    assert reply is not None
    assert list(json.loads(reply.body)) == ["error"]


def test_to_warn_is_not_to_refuse():
    asked = checks("warn")
    assert asked.refused(1, frames.INVOCATIONS_JSON, [[5, 1.0, "Ulm"]]) is None
    assert found(asked) == {"1": [["age", "below", 1]]}
    assert found(asked) == {}


def test_limits_of_an_array_go_by_place():
    limits = (Limit("a", 0, 1), Limit("b", -1, 1, nulls=False))
    inputs = (Field("", "float64", (-1, 2)),)
    asked = Checks(Manner("reject", limits), inputs)
    assert asked.refused(1, 0, [[0.5, 0.5]]) is None
    assert asked.refused(1, 0, [[0.5, 3]]) is not None
    assert found(asked) == {"1": [["b", "above", 1]]}
    assert asked.look(np.array([[0.5, np.nan], [7.0, 0.0]])) is not None
    assert found(asked) == {"1": [["a", "above", 1], ["b", "missing", 1]]}
    assert Checks(Manner("reject", limits), (Field("", "float64", (-1, 3)),)).limits == ()
