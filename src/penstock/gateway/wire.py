"""Answers as they go over the wire, in HTTP/1.1."""

from __future__ import annotations

from http import HTTPStatus

from penstock.gateway.exchange import Exchange

MAX_STARTS = 512
"""Most beginnings of answers that are kept made."""

_STARTS: dict[tuple[int, bytes, str], bytes] = {}
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}


def written(exchange: Exchange) -> bytes:
    """Return an answer as it goes over the wire."""
    kind = (exchange.status, exchange.content, exchange.version)
    start = _STARTS.get(kind)
    if start is None:
        start = _start(*kind)
    answer = exchange.answer
    if exchange.id and exchange.keep_alive and not exchange.extra and not exchange.retry_after:
        id = exchange.id.encode("latin-1", "replace")
        return b"%b%d\r\nx-request-id: %b\r\n\r\n%b" % (start, len(answer), id, answer)
    head = b"%b%d\r\n" % (start, len(answer))
    if exchange.id:
        head += b"x-request-id: %b\r\n" % exchange.id.encode("latin-1", "replace")
    if exchange.retry_after:
        head += b"retry-after: %d\r\n" % exchange.retry_after
    if not exchange.keep_alive:
        head += b"connection: close\r\n"
    return head + exchange.extra + b"\r\n" + answer


def _start(status: int, content: bytes, version: str) -> bytes:
    """Return how answers of a kind begin, up to the number of bytes of the body."""
    start = b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\n" % (
        status,
        _REASONS.get(status, b"Unknown"),
        content,
    )
    if version:
        start += b"x-penstock-version: %b\r\n" % version.encode()
    start += b"content-length: "
    if len(_STARTS) >= MAX_STARTS:
        _STARTS.clear()
    _STARTS[status, content, version] = start
    return start
