"""Tensors of the Open Inference Protocol: from gRPC's messages to its JSON, and back.

The workers know the JSON of the protocol only, so a request over gRPC has the same answer as over
HTTP by construction.
"""

from __future__ import annotations

import base64
import struct
import sys
from array import array
from typing import Any

CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Datatype -> field of ``InferTensorContents``; FP16 travels as raw bytes only."""
RAW = {
    "BOOL": "b", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "FP32": "f", "FP64": "d",
}  # fmt: skip
"""Datatype -> code of the standard library's `array`; raw bytes are little-endian."""


class NoTensorError(ValueError):
    """The message is not one of the protocol; the text says why."""


def request_item(message: Any) -> dict[str, Any]:
    """Return a ``ModelInferRequest`` as the protocol's JSON says it.

    Raises:
        NoTensorError: what is wrong, naming the input.
    """
    raw = list(message.raw_input_contents)
    if raw and len(raw) != len(message.inputs):
        raise NoTensorError(f"{len(raw)} raw contents for {len(message.inputs)} inputs")
    inputs = []
    for k, one in enumerate(message.inputs):
        about = {"name": one.name, "shape": list(one.shape), "datatype": one.datatype}
        try:
            data = from_raw(one.datatype, raw[k]) if raw else _typed(one)
        except (ValueError, struct.error) as error:
            raise NoTensorError(f"input {one.name!r}: {error}") from None
        inputs.append({**about, "data": data})
    item: dict[str, Any] = {"inputs": inputs}
    if message.id:
        item["id"] = message.id
    if message.outputs:
        item["outputs"] = [{"name": one.name} for one in message.outputs]
    return item


def _typed(tensor: Any) -> list[Any]:
    name = CONTENTS.get(tensor.datatype)
    if name is None:
        raise NoTensorError(f"`datatype` {tensor.datatype!r} has no typed contents")
    values = list(getattr(tensor.contents, name))
    return [_text(one) for one in values] if tensor.datatype == "BYTES" else values


def from_raw(datatype: str, data: bytes) -> list[Any]:
    """Return the values of a tensor given as bytes, in the order of rows.

    Raises:
        ValueError: the bytes do not hold values of that type.
        struct.error: a text ends before its length.

    Example:
        >>> from_raw("FP32", bytes.fromhex("0000803f00000040")), from_raw("BYTES", b"\2\0\0\0hi")
        ([1.0, 2.0], ['hi'])
    """
    if datatype == "BYTES":
        return _texts(data)
    if datatype == "FP16":
        if len(data) % 2:
            raise ValueError(f"{len(data)} bytes are no values of FP16")
        return list(struct.unpack(f"<{len(data) // 2}e", data))
    code = RAW.get(datatype)
    if code is None:
        raise ValueError(f"`datatype` {datatype!r} is not one of the protocol's")
    values = array(code)
    if len(data) % values.itemsize:
        raise ValueError(f"{len(data)} bytes are no values of {datatype}")
    values.frombytes(data)
    if sys.byteorder == "big":
        values.byteswap()
    return [value != 0 for value in values] if datatype == "BOOL" else values.tolist()


def _texts(data: bytes) -> list[str]:
    """Return texts, each of which has its length before it."""
    texts, start = [], 0
    while start < len(data):
        (size,) = struct.unpack_from("<I", data, start)
        start += 4
        if start + size > len(data):
            raise ValueError("a text ends before its length")
        texts.append(_text(data[start : start + size]))
        start += size
    return texts


def _text(data: bytes) -> str:
    """Return bytes as JSON can hold them: as text, or in base 64 where they are none."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return base64.b64encode(data).decode("ascii")


def to_raw(datatype: str, values: list[Any]) -> bytes:
    """Return values as bytes, the reverse of `from_raw`.

    Example:
        >>> to_raw("BYTES", ["hi"]), to_raw("BOOL", [True, False])
        (b'\x02\x00\x00\x00hi', b'\x01\x00')
    """
    if datatype == "BYTES":
        texts = [str(one).encode() for one in values]
        return b"".join(struct.pack("<I", len(one)) + one for one in texts)
    made = array(RAW[datatype], values)
    if sys.byteorder == "big":
        made.byteswap()
    return made.tobytes()


def fill_response(message: Any, item: dict[str, Any], *, raw: bool) -> None:
    """Write an answer of the protocol's JSON into a ``ModelInferResponse``.

    Args:
        message: to fill.
        item: the parsed answer.
        raw: whether contents go as bytes, as those of the request did.
    """
    message.model_name = item.get("model_name", "")
    message.model_version = item.get("model_version", "") or ""
    message.id = item.get("id", "") or ""
    for one in item["outputs"]:
        kind = one["datatype"]
        tensor = message.outputs.add(name=one["name"], datatype=kind, shape=one["shape"])
        values = one["data"]
        if kind.startswith("FP"):
            values = [float("nan") if value is None else float(value) for value in values]
        if raw:
            message.raw_output_contents.append(to_raw(kind, values))
            continue
        if kind == "BYTES":
            values = [str(value).encode() for value in values]
        getattr(tensor.contents, CONTENTS[kind]).extend(values)
