"""The protocol's extension for binary tensors over HTTP, which its public clients use by default.

Source: "Binary Tensor Data Extension" of the Open Inference Protocol V2. With the header
``Inference-Header-Content-Length: N`` the first N bytes of a body are JSON, and the bytes of the
tensors follow in the order of the inputs; each says its ``binary_data_size``. Workers know JSON
only, so bodies are translated here, in both directions.
"""

from __future__ import annotations

import json
import struct
from typing import Any

from penstock.gateway.exchange import Exchange
from penstock.gateway.raw_tensors import from_raw, to_raw

LENGTH = b"inference-header-content-length"
"""Header that says how long the JSON before the tensors is."""
CONTENT = b"application/octet-stream"


class Wanted:
    """Which outputs a client wants as bytes.

    Args:
        item: the parsed request.
    """

    def __init__(self, item: dict[str, Any]) -> None:
        self._all = _parameter(item, "binary_data_output") is True
        outputs = item.get("outputs")
        self._named = {
            one.get("name"): _parameter(one, "binary_data") is True
            for one in (outputs if isinstance(outputs, list) else [])
            if isinstance(one, dict) and _parameter(one, "binary_data") is not None
        }

    def __bool__(self) -> bool:
        return self._all or any(self._named.values())

    def write(self, exchange: Exchange) -> None:
        """Turn the JSON of an answer into what was asked for."""
        if exchange.status != 200:
            return
        item = json.loads(exchange.answer)
        parts = []
        for one in item["outputs"]:
            if not self._named.get(one["name"], self._all):
                continue
            values = one.pop("data")
            if one["datatype"].startswith("FP"):
                values = [float("nan") if value is None else value for value in values]
            parts.append(to_raw(one["datatype"], values))
            one["parameters"] = {"binary_data_size": len(parts[-1])}
        head = json.dumps(item).encode()
        exchange.extra = b"%b: %d\r\n" % (LENGTH, len(head))
        exchange.answer = head + b"".join(parts)
        exchange.content = CONTENT


def split(length: bytes, body: bytes) -> tuple[bytes, Wanted]:
    """Return a request's JSON with all tensors in it, and which outputs are wanted as bytes.

    Args:
        length: value of the header `LENGTH`.
        body: of the request.

    Raises:
        ValueError: the body is not what the header says; the text names the input.
    """
    if not length.isdigit() or int(length) > len(body):
        raise ValueError(
            f"{LENGTH.decode()}: {length.decode('latin-1')!r} is no length of JSON here"
        )
    start = int(length)
    item = json.loads(body[:start])
    inputs = item.get("inputs") if isinstance(item, dict) else None
    for one in inputs if isinstance(inputs, list) else ():
        size = _parameter(one, "binary_data_size") if isinstance(one, dict) else None
        if size is None:
            continue
        name = one.get("name")
        if type(size) is not int or size < 0 or start + size > len(body):
            raise ValueError(f"input {name!r}: `binary_data_size` is more than the body has")
        try:
            one["data"] = from_raw(str(one.get("datatype")), body[start : start + size])
        except (ValueError, struct.error) as error:
            raise ValueError(f"input {name!r}: {error}") from None
        start += size
    if start != len(body):
        raise ValueError(f"{len(body) - start} bytes belong to no input")
    return json.dumps(item).encode(), wanted(item)


def wanted(item: Any) -> Wanted:
    """Return which outputs of a parsed request are wanted as bytes."""
    return Wanted(item if isinstance(item, dict) else {})


def _parameter(item: dict[str, Any], name: str) -> Any:
    parameters = item.get("parameters")
    return parameters.get(name) if isinstance(parameters, dict) else None
