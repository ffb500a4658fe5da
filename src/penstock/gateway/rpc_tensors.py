"""Tensors of the Open Inference Protocol: from gRPC's messages to its JSON, and back.

The workers know the JSON of the protocol only, so a request over gRPC has the same answer as over
HTTP by construction.
"""

from __future__ import annotations

import struct
from typing import Any

from penstock.gateway.raw_tensors import as_text, from_raw, to_raw

CONTENTS = {
    "BOOL": "bool_contents",
    "INT8": "int_contents", "INT16": "int_contents", "INT32": "int_contents",
    "INT64": "int64_contents",
    "UINT8": "uint_contents", "UINT16": "uint_contents", "UINT32": "uint_contents",
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents", "FP64": "fp64_contents", "BYTES": "bytes_contents",
}  # fmt: skip
"""Datatype -> field of ``InferTensorContents``; FP16 travels as raw bytes only."""


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
    return [as_text(one) for one in values] if tensor.datatype == "BYTES" else values


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
