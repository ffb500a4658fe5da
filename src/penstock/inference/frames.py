"""Frames between gateway and worker: many requests in one message, answers in one message.

A frame is a little-endian ``u32`` length of the payload, a ``u8`` type, and the payload:

- `HELLO` (worker to gateway, once): JSON, ``{"ready": {...}}`` or ``{"failed": "reason"}``.
- `REQUESTS` (gateway to worker): ``u32`` count, then per request ``u32`` number, kind and length,
  then all bodies.
- `ANSWERS` (worker to gateway): ``u32`` count, then per answer ``u32`` number, status, length of
  the body and length of the label, then body and label of each in turn.
- `NOTES` (worker to gateway, before the answers): JSON, number of a request -> what was noted of
  it: ``[field, kind, count]`` of each violated limit.

Numbers are chosen by the gateway and only echoed by the worker, so answers may come in any order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

HELLO = 1
REQUESTS = 2
ANSWERS = 3
NOTES = 4

INVOCATIONS_JSON = 1
INVOCATIONS_CSV = 2
INVOCATIONS_PARQUET = 3
V1_PREDICT = 4
V2_INFER = 5

MEMORY = "PENSTOCK_WORKER_MEMORY_MB"
"""Variable that tells a worker how much memory it may hold, in MiB; 0 is any."""
MAX_FRAME = 1 << 31
"""Longest payload in bytes that a reader accepts; anything longer is a broken peer."""

TEXT_PLAIN = 1 << 16
"""Added to the status of an answer whose body is plain text instead of JSON."""

_HEAD = struct.Struct("<IB")
_COUNT = struct.Struct("<I")


class Answer(NamedTuple):
    """One answer of a worker.

    Attributes:
        number: of the request it answers.
        status: HTTP status.
        body: of the answer, as it goes to the client.
        label: bin or class of the prediction, b"" where there is none.
        plain: whether the body is text instead of JSON.
    """

    number: int
    status: int
    body: bytes
    label: bytes = b""
    plain: bool = False


class BrokenFrameError(ValueError):
    """The peer sent bytes that are no frame; the connection is of no more use."""


def frame(kind: int, payload: bytes) -> bytes:
    """Return `payload` as one frame of type `kind`."""
    return _HEAD.pack(len(payload), kind) + payload


def encode_requests(requests: Sequence[tuple[int, int, bytes]]) -> bytes:
    """Return one frame of requests, each given as (number, kind, body)."""
    heads: list[int] = [len(requests)]
    parts: list[bytes] = [b"", b""]
    total = 4 + 12 * len(requests)
    for number, kind, body in requests:
        size = len(body)
        heads += (number, kind, size)
        parts.append(body)
        total += size
    parts[0] = _HEAD.pack(total, REQUESTS)
    parts[1] = struct.pack(f"<{len(heads)}I", *heads)
    return b"".join(parts)


def decode_requests(payload: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Yield (number, kind, body) of each request of a payload."""
    (count,) = _COUNT.unpack_from(payload)
    heads = struct.unpack_from(f"<{3 * count}I", payload, 4)
    start = 4 + 12 * count
    for at in range(0, 3 * count, 3):
        end = start + heads[at + 2]
        yield heads[at], heads[at + 1], payload[start:end]
        start = end


def encode_answers(answers: Iterable[Answer]) -> bytes:
    """Return one frame of answers."""
    heads: list[int] = [0]
    parts: list[bytes] = [b"", b""]
    total = 4
    for number, status, body, label, plain in answers:
        heads += (number, status | TEXT_PLAIN if plain else status, len(body), len(label))
        parts.append(body)
        parts.append(label)
        total += 16 + len(body) + len(label)
    heads[0] = len(heads) // 4
    parts[0] = _HEAD.pack(total, ANSWERS)
    parts[1] = struct.pack(f"<{len(heads)}I", *heads)
    return b"".join(parts)


def decode_answers(payload: bytes) -> Iterator[tuple[int, int, bytes, bytes, bool]]:
    """Yield the answers of a payload: what `Answer` holds, as plain tuples for speed."""
    (count,) = _COUNT.unpack_from(payload)
    heads = struct.unpack_from(f"<{4 * count}I", payload, 4)
    start = 4 + 16 * count
    for at in range(0, 4 * count, 4):
        number, status, size, label_size = heads[at : at + 4]
        end = start + size
        label = payload[end : end + label_size] if label_size else b""
        yield number, status & 0xFFFF, payload[start:end], label, status >= TEXT_PLAIN
        start = end + label_size


class FrameReader:
    """Cuts a stream of bytes into frames, however the stream was split."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (type, payload) of each frame that is complete with `data`.

        Raises:
            BrokenFrameError: a frame claims to be longer than `MAX_FRAME`.
        """
        buffer = self._buffer
        buffer += data
        start = 0
        size = len(buffer)
        try:
            while size - start >= _HEAD.size:
                length, kind = _HEAD.unpack_from(buffer, start)
                if length > MAX_FRAME:
                    raise BrokenFrameError(f"a frame of {length} bytes")
                end = start + _HEAD.size + length
                if end > size:
                    break
                payload = bytes(memoryview(buffer)[start + _HEAD.size : end])
                start = end
                yield kind, payload
        finally:
            if start:
                del buffer[:start]
