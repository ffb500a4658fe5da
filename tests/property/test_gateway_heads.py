"""Looking up the head of a request gives what the parser gives, however the bytes come."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.gateway.exchange import Exchange
from penstock.gateway.heads import MOST, Heads
from penstock.gateway.http import Connection, Request

STARTS = (
    b"POST /invocations HTTP/1.1\r\n",
    b"POST /v2/models/m/infer?a=1 HTTP/1.1\r\n",
    b"GET /ping HTTP/1.1\r\n",
    b"POST /invocations HTTP/1.0\r\n",
    b"\r\nPOST /invocations HTTP/1.1\r\n",
    b"POST /invocations HTTP/9.9\r\n",
    b"POST\r\n",
)
LINES = (
    b"Host: a\r\n",
    b"content-type: application/json\r\n",
    b"X-Request-Id: one\r\n",
    b"Connection: close\r\n",
    b"Connection: keep-alive\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: h2c\r\nConnection: upgrade\r\n",
    b"Content-Length: 3\r\n",
    b"Content-Length: +3\r\n",
    b"Folded: a\r\n b\r\n",
    b"Bare: a\n",
    b"Bad\x00: a\r\n",
)
BODIES = (b"", b"abc", b"\r\n\r\n", b"a\r\n\r\nb", b"3\r\nabc\r\n0\r\n\r\n")
requests = st.builds(
    lambda start, lines, length, body: (
        start
        + b"".join(lines)
        + (b"Content-Length: %d\r\n" % len(body) if length else b"")
        + b"\r\n"
        + body
    ),
    st.sampled_from(STARTS[:3]) | st.sampled_from(STARTS),
    st.lists(st.sampled_from(LINES[:3]) | st.sampled_from(LINES), max_size=3),
    st.sampled_from([True, True, True, False]),
    st.sampled_from(BODIES),
)


class Wire:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.written = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def write_eof(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


class Desk:
    """Answers every request with what it was taken for."""

    max_body = 1000

    def __init__(self, heads: Heads) -> None:
        self.reading = 0
        self.heads = heads

    def handle(self, request: Request) -> None:
        said = (request.method, request.path, sorted(request.headers.items()), request.body)
        request.exchange("id").finish(200, repr((said, request.keep_alive)).encode())

    def record(self, exchange: Exchange) -> None:
        pass

    def opened(self, connection: Connection) -> None:
        pass

    def closed(self, connection: Connection) -> None:
        pass


class Forgetful(Heads):
    """Learns nothing, so that the parser reads every head."""

    def learn(self, *given: Any) -> None:
        pass


def conversation(heads: Heads, pieces: list[bytes]) -> tuple[bytes, bool]:
    wire, desk = Wire(), Desk(heads)
    connection = Connection(desk)
    connection.connection_made(wire)  # type: ignore[arg-type]
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
    assert wire.closed or desk.reading >= 0
    return wire.written, wire.closed


@settings(max_examples=300)
@given(st.lists(requests, min_size=1, max_size=3), st.data())
def test_the_same_conversation_with_and_without(made: list[bytes], data: st.DataObject) -> None:
    heads = Heads()
    for whole in made * 2:  # a head is kept when it came twice
        conversation(heads, [whole])
    stream = b"".join(data.draw(st.lists(st.sampled_from(made), min_size=1, max_size=5)))
    if data.draw(st.booleans()):
        pieces = data.draw(st.lists(st.sampled_from(made), min_size=1, max_size=6))
    else:
        size = data.draw(st.integers(1, len(stream)))
        pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert conversation(heads, pieces) == conversation(Forgetful(), pieces)


def plain(number: int, body: bytes = b"abc") -> bytes:
    return b"POST /x HTTP/1.1\r\nn: %d\r\ncontent-length: %d\r\n\r\n%b" % (number, len(body), body)


def test_a_head_is_kept_when_it_comes_again() -> None:
    heads = Heads()
    conversation(heads, [plain(1), plain(2)])
    assert not heads.known
    conversation(heads, [plain(1), plain(3, b"other")])
    assert [one.path for one in heads.known.values()] == [b"/x"]
    assert next(iter(heads.known.values())).length == 3


def test_memory_for_heads_is_bounded() -> None:
    heads = Heads()
    for number in range(3 * MOST):
        conversation(heads, [plain(number)] * 2)
    assert 0 < len(heads.known) <= MOST
    long = b"POST /x HTTP/1.1\r\nn: %b\r\n\r\n" % (b"x" * 5000)
    before = len(heads.known)
    conversation(heads, [long] * 3)
    assert len(heads.known) == before
