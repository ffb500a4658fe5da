"""Tensors as bytes, as gRPC and the binary extension of the Open Inference Protocol carry them.

Values are little-endian and in the order of rows; texts have their length before them.
"""

from __future__ import annotations

import base64
import struct
import sys
from array import array
from typing import Any

RAW = {
    "BOOL": "b", "INT8": "b", "INT16": "h", "INT32": "i", "INT64": "q",
    "UINT8": "B", "UINT16": "H", "UINT32": "I", "UINT64": "Q", "FP32": "f", "FP64": "d",
}  # fmt: skip
"""Datatype -> code of the standard library's `array`; raw bytes are little-endian."""


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
        texts.append(as_text(data[start : start + size]))
        start += size
    return texts


def as_text(data: bytes) -> str:
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
