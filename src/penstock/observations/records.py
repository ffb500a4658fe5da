"""What goes over the wire from the gateway to the writer, and the rows that are made of it.

A message is a ``u32`` length and a msgpack array ``[kind, items]``. Items of `SPOOLED` are
`Stretch` as arrays: where records stand; items of `FEEDBACK` are `Feedback` as arrays.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

SPOOLED = 1
FEEDBACK = 2

_LENGTH = struct.Struct("<I")


class Record(msgspec.Struct, array_like=True, gc=False):
    """One answered request.

    Attributes:
        id: of the request.
        time: of its arrival, in seconds since the epoch.
        version, role: who answered, and as what.
        status: HTTP status of the answer.
        seconds: latency.
        kind: form of the body, as in `penstock.inference.frames`.
        body: of the request.
        answer: its body.
    """

    id: str
    time: float
    version: str
    role: str
    status: int
    seconds: float
    kind: int
    body: bytes
    answer: bytes


class Stretch(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Where records stand that the writer is to put into the store.

    Attributes:
        name: path of the segment.
        start, end: offsets in it.
        resumed: whether another writer may have stored a part of it already.
    """

    name: str
    start: int
    end: int
    resumed: bool = False


class Feedback(msgspec.Struct, array_like=True, gc=False):
    """What became known later about a request.

    Attributes:
        id: of the request.
        time: when it was told, in seconds since the epoch.
        row: of the request, from 0.
        label: the truth: a number, a text, or None if only metrics were told.
        metrics: business metrics by name.
    """

    id: str
    time: float
    row: int
    label: Any
    metrics: dict[str, float]


class _Message(msgspec.Struct, array_like=True):
    kind: int
    items: msgspec.Raw


_encoder = msgspec.msgpack.Encoder()
_message = msgspec.msgpack.Decoder(_Message)
_stretches = msgspec.msgpack.Decoder(list[Stretch])
_feedback = msgspec.msgpack.Decoder(list[Feedback])


encode_record = _encoder.encode
"""Returns the bytes of a record; a tuple of what it is made of will do."""
decode_record = msgspec.msgpack.Decoder(Record).decode


def encode(kind: int, items: Sequence[Stretch] | Sequence[Feedback]) -> bytes:
    """Return one message."""
    payload = _encoder.encode((kind, items))
    return _LENGTH.pack(len(payload)) + payload


class MessageReader:
    """Cuts a stream of bytes into messages."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[list[Stretch] | list[Feedback]]:
        """Yield the items of each message that is complete with `data`."""
        buffer = self._buffer
        buffer += data
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            end = start + _LENGTH.size + length
            if end > len(buffer):
                break
            message = _message.decode(bytes(buffer[start + _LENGTH.size : end]))
            start = end
            yield (_stretches if message.kind == SPOOLED else _feedback).decode(message.items)
        del buffer[:start]
