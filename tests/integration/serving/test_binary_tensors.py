"""Tensors as bytes in HTTP: the protocol's extension that public clients use by default."""

from __future__ import annotations

import json
import struct
import urllib.error
import urllib.request

import pytest

RAW = struct.pack("<4d", 1.0, 2.0, 3.0, 4.5)


def infer(site, item, tensors=b"", length=None):
    """Return status, headers and body; `length` in place of the JSON's own."""
    head = json.dumps(item).encode()
    headers = {"content-type": "application/octet-stream"}
    if length is not False:
        headers["Inference-Header-Content-Length"] = str(length or len(head))
    path = "/v2/models/numbers/infer"
    request = urllib.request.Request(site.url + path, head + tensors, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


def asked(size=32, **more):
    tensor = {"name": "x", "shape": [2, 2], "datatype": "FP64"}
    return {"inputs": [tensor | {"parameters": {"binary_data_size": size}}], **more}


def test_bytes_in_and_json_out(shared_rpc):
    status, headers, body = infer(shared_rpc, asked(), RAW)
    assert (status, headers["content-type"]) == (200, "application/json")
    assert json.loads(body)["outputs"][0]["data"] == [1.0, 2.0, 1.0, 4.5]


@pytest.mark.parametrize(
    "wish",
    [
        {"parameters": {"binary_data_output": True}},
        {"outputs": [{"name": "predict", "parameters": {"binary_data": True}}]},
    ],
)
def test_bytes_in_and_bytes_out(shared_rpc, wish):
    status, headers, body = infer(shared_rpc, asked(**wish), RAW)
    assert (status, headers["content-type"]) == (200, "application/octet-stream")
    length = int(headers["inference-header-content-length"])
    (output,) = json.loads(body[:length])["outputs"]
    assert "data" not in output
    assert output["parameters"] == {"binary_data_size": 32}
    assert struct.unpack("<4d", body[length:]) == (1.0, 2.0, 1.0, 4.5)


def test_json_in_and_bytes_out(shared_rpc):
    item = asked(parameters={"binary_data_output": True})
    item["inputs"][0] |= {"data": [1, 2, 3, 4.5], "parameters": {}}
    status, headers, body = infer(shared_rpc, item, length=False)
    assert status == 200
    length = int(headers["inference-header-content-length"])
    assert struct.unpack("<4d", body[length:]) == (1.0, 2.0, 1.0, 4.5)


@pytest.mark.parametrize(
    ("item", "tensors", "length", "words"),
    [
        (asked(), RAW, 10_000, "is no length of JSON"),
        (asked(), RAW, "x", "is no length of JSON"),
        (asked(33), RAW, None, "more than the body has"),
        (asked(-1), RAW, None, "more than the body has"),
        (asked(31), RAW[:31], None, "31 bytes are no values of FP64"),
        (asked(16), RAW[:16], None, "asks for 4 values"),
        (asked(), RAW + b"more", None, "4 bytes belong to no input"),
        (asked(), RAW, 3, "Unterminated string"),
        ([], b"", None, "must be an object"),
    ],
)
def test_mistakes_are_named(shared_rpc, item, tensors, length, words):
    status, _, body = infer(shared_rpc, item, tensors, length)
    assert status == 400
    assert words in json.loads(body)["error"]
