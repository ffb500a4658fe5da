"""The Open Inference Protocol over gRPC, with a client of the public library."""

from __future__ import annotations

import json
import struct

import grpc
import pytest

from penstock.gateway.rpc_messages import SERVICE, classes


@pytest.fixture(scope="module")
def called(shared_rpc):
    """A channel to a gateway, and its site."""
    address = shared_rpc.client.record()["grpc"]
    with grpc.insecure_channel(address) as channel:
        yield channel, shared_rpc


def call(called, method_name, metadata=(), **fields):
    channel, _ = called
    made = classes()
    method = channel.unary_unary(
        f"/{SERVICE}/{method_name}",
        request_serializer=made[f"{method_name}Request"].SerializeToString,
        response_deserializer=made[f"{method_name}Response"].FromString,
    )
    return method.with_call(
        made[f"{method_name}Request"](**fields), timeout=60, metadata=metadata, wait_for_ready=True
    )


def tensor(**contents):
    return {"name": "x", "datatype": "FP64", "shape": [2, 2], **contents}


def test_health_and_metadata(called):
    assert call(called, "ServerLive")[0].live
    assert call(called, "ServerReady")[0].ready
    assert call(called, "ModelReady", name="numbers")[0].ready
    assert call(called, "ServerMetadata")[0].name == "penstock"
    about = call(called, "ModelMetadata", name="numbers")[0]
    assert (about.name, list(about.versions), about.platform) == ("numbers", ["1"], "mlflow_own")


def test_typed_contents(called):
    made = tensor(contents={"fp64_contents": [1.0, 2.0, 3.0, 4.5]})
    answer, done = call(
        called,
        "ModelInfer",
        [("x-request-id", "mine")],
        model_name="numbers",
        id="a",
        inputs=[made],
    )
    assert (answer.id, answer.model_name, answer.model_version) == ("a", "numbers", "1")
    (output,) = answer.outputs
    assert (output.datatype, list(output.shape)) == ("FP64", [2, 2])
    assert list(output.contents.fp64_contents) == [1.0, 2.0, 1.0, 4.5]
    assert dict(done.trailing_metadata())["x-request-id"] == "mine"
    assert dict(done.trailing_metadata())["x-penstock-version"] == "1"


def test_raw_contents_are_answered_raw(called):
    raw = struct.pack("<4d", 1.0, 2.0, 3.0, 4.5)
    answer, _ = call(
        called, "ModelInfer", model_name="numbers", inputs=[tensor()], raw_input_contents=[raw]
    )
    assert struct.unpack("<4d", answer.raw_output_contents[0]) == (1.0, 2.0, 1.0, 4.5)
    assert not answer.outputs[0].HasField("contents")


def test_calls_are_counted_as_requests(called):
    before = called[1].counters("1", "champion").requests
    made = tensor(contents={"fp64_contents": [1.0, 2.0, 3.0, 4.0]})
    call(called, "ModelInfer", model_name="numbers", inputs=[made])
    assert called[1].counters("1", "champion").requests == before + 1


GOOD = {"contents": {"fp64_contents": [1.0, 2.0, 3.0, 4.0]}}


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"model_name": "other"}, "NOT_FOUND", "model 'other' is not served here"),
        ({"model_version": "7"}, "NOT_FOUND", "version '7' is not served here"),
        ({"inputs": []}, "INVALID_ARGUMENT", "`inputs` is empty"),
        ({"inputs": [tensor()]}, "INVALID_ARGUMENT", "asks for 4 values"),
        ({"inputs": [tensor()], "raw_input_contents": [b"123"]}, "INVALID_ARGUMENT", "input 'x'"),
        ({"raw_input_contents": [b"", b""]}, "INVALID_ARGUMENT", "2 raw contents for 1 inputs"),
        ({"inputs": [tensor() | {"datatype": "FP8"}]}, "INVALID_ARGUMENT", "'FP8'"),
    ],
)
def test_mistakes_are_named(called, fields, code, words):
    fields = {"model_name": "numbers", "inputs": [tensor(**GOOD)], **fields}
    with pytest.raises(grpc.RpcError) as caught:
        call(called, "ModelInfer", **fields)
    assert caught.value.code().name == code
    assert words in caught.value.details()


def test_a_taken_port_is_said(called, site):
    from penstock.errors import StateError

    port = int(called[1].client.record()["grpc"].rpartition(":")[2])
    with pytest.raises(StateError, match="for gRPC") as caught:
        site.start(grpc_port=port)
    assert caught.value.code == "gateway.port-busy"
    assert json.loads((site.folder / "serve" / "options.json").read_text())["grpc_port"] == port
