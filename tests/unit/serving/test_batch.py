"""Batches of mixed requests, with a runtime that notes how it was called."""

import json

import pytest

from penstock.inference import frames
from penstock.inference.description import Description
from penstock.serving.answers import Reply
from penstock.serving.batch import Batcher
from penstock.serving.rows import RowReader


class Doubling:
    """Doubles a number; cannot double 13."""

    def __init__(self, example=""):
        self.calls = []
        self.example = example
        self.rows = RowReader(None, 1).read

    def describe(self):
        return Description(example=self.example, batches=True)

    def predict(self, rows):
        self.calls.append(len(rows))
        if any(row == [13] for row in rows):
            raise ValueError("unlucky")
        return [2 * row[0] for row in rows]

    def settle(self):
        pass

    def whole(self, kind, body):
        if body == b"explode":
            raise KeyError("gone")
        return Reply(400, b'{"error_code": "BAD_REQUEST", "message": "odd"}')


def ask(number, *values):
    return number, frames.INVOCATIONS_JSON, json.dumps({"inputs": [[v] for v in values]}).encode()


def test_rows_of_all_requests_are_predicted_together_and_given_back():
    runtime = Doubling()
    found = Batcher(runtime).answer([ask(7, 1), ask(8, 2, 3), ask(9, 4.5)])
    assert runtime.calls == [4]
    assert {one.number: one.body for one in found} == {
        7: b'{"predictions": [2]}',
        8: b'{"predictions": [4, 6]}',
        9: b'{"predictions": [9.0]}',
    }
    assert {one.number: one.label for one in found} == {7: b"2", 8: b"4", 9: b"6.31..10"}


def test_a_bad_request_does_not_spoil_its_neighbours():
    runtime = Doubling()
    found = Batcher(runtime).answer([ask(k, 13 if k == 5 else 1) for k in range(16)])
    codes = {one.number: one.status for one in found}
    assert codes == {k: 400 if k == 5 else 200 for k in range(16)}


def test_odd_requests_go_the_long_way_and_never_end_the_worker():
    requests = [(1, frames.INVOCATIONS_JSON, b"{"), (2, frames.INVOCATIONS_CSV, b"explode")]
    found = Batcher(Doubling()).answer([*requests, ask(3, 1)])
    assert {one.number: one.status for one in found} == {1: 400, 2: 500, 3: 200}


def test_protocols_share_a_batch():
    tensor = {"name": "x", "shape": [1, 1], "datatype": "FP64", "data": [4]}
    infer = (1, frames.V2_INFER, json.dumps({"inputs": [tensor]}).encode())
    runtime = Doubling()
    found = Batcher(runtime, "m", "2").answer([infer, ask(2, 5), (3, frames.V2_INFER, b"[]")])
    assert runtime.calls == [2]
    by_number = {one.number: one for one in found}
    assert json.loads(by_number[1].body)["outputs"][0]["data"] == [8]
    assert by_number[3].status == 400
    assert list(json.loads(by_number[3].body)) == ["error"]


def test_large_batches_are_cut():
    runtime = Doubling()
    found = Batcher(runtime).answer([ask(k, *range(20, 6020)) for k in range(5)])
    assert len(found) == 5
    assert max(runtime.calls) <= 16_384
    assert sum(runtime.calls) == 30_000


def test_warm_up():
    good = Doubling('{"inputs": [[1]]}')
    Batcher(good).warm_up()
    assert good.calls
    with pytest.raises(RuntimeError, match="its own input example"):
        Batcher(Doubling('{"inputs": [[13]]}')).warm_up()


ODD_NUMBERS = (0, -1, 2**70, 1.5, -0.0, 1e300, float("nan"), float("inf"), True, None, "1", [1.0])


@pytest.mark.parametrize("value", ODD_NUMBERS, ids=repr)
def test_one_prediction_is_written_as_json_writes_it(value):
    class Constant(Doubling):
        def predict(self, rows):
            return [value for _ in rows]

    (found,) = Batcher(Constant()).answer([ask(1, 1)])
    assert found.body == json.dumps({"predictions": [value]}).encode()
    # Its label is the one that it has among others.
    (among,) = Batcher(Constant()).answer([ask(1, 1, 2)])
    assert found.label == among.label


def test_a_number_too_long_to_be_written_does_not_end_the_worker():
    class Endless(Doubling):
        def predict(self, rows):
            return [10**5000 for _ in rows]

    found = Batcher(Endless()).answer([ask(1, 1), ask(2, 2)])
    assert [one.status for one in found] == [500, 500]
