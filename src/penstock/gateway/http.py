"""HTTP/1.1 on one client connection: parse, limit, answer in order.

Parsing is llhttp's (through httptools), which refuses what RFC 9112 calls malformed. What is added
here: limits on head and body, time-outs against slow clients, pipelining in order, and an end to
reading while a client does not read its answers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from time import monotonic
from typing import Protocol, cast

import httptools

from penstock.gateway.exchange import Exchange
from penstock.gateway.heads import END, Heads
from penstock.gateway.refusals import problem
from penstock.gateway.wire import written

MAX_HEAD = 64 << 10
"""Longest head of a request in bytes, all headers together."""
MAX_HEADERS = 100
"""Most headers of a request."""
MAX_READING = 512 << 20
"""Most bytes of bodies that may be under way to us at once, over all connections."""
LINGER = 2.0
"""Seconds for which the rest of a refused request is read and thrown away."""
MAX_URL = 8 << 10
"""Longest URL in bytes."""
MAX_PIPELINED = 64
"""Requests of one connection in flight; then it is not read until answers went out."""


class Handler(Protocol):
    """What a connection hands its requests to."""

    max_body: int
    reading: int
    """Bytes of bodies that are being received, over all connections."""
    heads: Heads
    """Heads of earlier requests."""

    def handle(self, request: Request) -> None:
        """Answer `request` by finishing its exchange, now or later."""
        ...

    def record(self, exchange: Exchange) -> None:
        """Count a request that was answered by a model."""
        ...

    def opened(self, connection: Connection) -> None:
        """Note a new connection."""
        ...

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        ...


class Request:
    """One request as it came in.

    Attributes:
        method: such as ``b"POST"``.
        path: of the URL, without the query.
        headers: by name in lower case; of repeated ones the last; not to be changed.
        body: whole.
        connection: to answer on.
        translate: turns the answer into what the client speaks, None for nothing to do.
    """

    __slots__ = (
        "body",
        "connection",
        "headers",
        "keep_alive",
        "method",
        "path",
        "started",
        "translate",
    )

    def __init__(
        self,
        connection: Connection,
        method: bytes,
        path: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        keep_alive: bool,
        started: float,
    ) -> None:
        self.connection = connection
        self.method = method
        self.path = path
        self.headers = headers
        self.body = body
        self.keep_alive = keep_alive
        self.started = started
        self.translate: Callable[[Exchange], None] | None = None

    def exchange(self, id: str = "", kind: int = 0) -> Exchange:
        """Return the exchange that will carry the answer; answers go out in this order."""
        exchange = Exchange(self.connection, id, kind, self.body, self.started)
        exchange.keep_alive = self.keep_alive
        exchange.translate = self.translate
        self.connection.expect(exchange)
        return exchange


class Connection(asyncio.Protocol):
    """A client's connection.

    Attributes:
        since: monotonic time of the last byte received or sent.
        reading: monotonic time when the request that is being read began, 0 between requests.
    """

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._heads = handler.heads.known
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._queue: deque[Exchange] = deque()
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []
        self._size = 0
        self._count = 0
        self._head = 0
        self._lingers = False
        self._in_head = True
        self._between = True
        self._whole = 0
        self._paused = False
        self._blocked = False
        self._closing = False
        self._refusal: tuple[int, str] | None = None
        self.since = monotonic()
        self.reading = 0.0

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket."""
        self._transport = cast(asyncio.Transport, transport)
        self._handler.opened(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Forget the client; answers to it are thrown away."""
        self._transport = None
        self._handler.reading -= self._size
        self._size = 0
        self._queue.clear()
        self._handler.closed(self)

    def data_received(self, data: bytes) -> None:
        """Parse what came; `handle` is called for each request that is complete."""
        if self._closing:
            return  # the rest of what was refused
        self.since = now = monotonic()
        if self._between:
            end = data.find(END) + 4
            known = self._heads.get(data[:end])
            if known is not None and known.length == len(data) - end:
                method, path, headers, _ = known
                request = Request(self, method, path, headers, data[end:], True, now)
                self._handler.handle(request)
                return
            if self._parse(data, now):
                path = self._url.partition(b"?")[0]
                self._handler.heads.learn(data, self._parser.get_method(), path, self._headers)
        else:
            self._parse(data, now)

    def _parse(self, data: bytes, now: float) -> bool:
        """Give bytes to the parser; tell whether they ended with the first request in them."""
        self._whole = 0
        if not self.reading:
            self.reading = now
        if self._in_head:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._closing = True  # it was answered in HTTP/1.1; what follows is another protocol
        except httptools.HttpParserError as error:
            self._refusal = self._refusal or (400, f"this is not HTTP/1.1: {error}")
        if self._refusal is None and self._in_head and self._head > MAX_HEAD:
            self._refusal = (431, f"the headers are longer than {MAX_HEAD} bytes")
        if self._refusal is not None:
            self._refuse(*self._refusal)
        return self._whole == 1 and self._between and not self._closing

    def eof_received(self) -> bool:
        """Answer what is due to a client that will send no more, then close."""
        if not self._queue:
            return False
        self._queue[-1].keep_alive = False
        self._closing = True
        return True

    def pause_writing(self) -> None:
        """Stop reading from a client that does not read its answers."""
        self._blocked = True
        self._pace()

    def resume_writing(self) -> None:
        """Read again."""
        self._blocked = False
        self._pace()

    # the parser's side

    def on_message_begin(self) -> None:
        """Start a request."""
        self._between = False
        self._url = b""
        self._headers = {}
        self._body = []
        self._count = 0
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        """Take a piece of the URL; it may come in several."""
        self._url += url
        if len(self._url) > MAX_URL:
            self._stop(414, f"the URL is longer than {MAX_URL} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self._headers[name.lower()] = value
        self._count += 1
        if self._count > MAX_HEADERS:
            self._stop(431, f"more than {MAX_HEADERS} headers")

    def on_headers_complete(self) -> None:
        """Look at the length that the body will have."""
        self._in_head = False
        self._head = 0
        headers = self._headers
        length = headers.get(b"content-length")
        if length is not None and int(length) > self._handler.max_body:
            self._stop(413, f"the body is longer than {self._handler.max_body} bytes")
        elif b"expect" in headers:
            if headers[b"expect"].lower() != b"100-continue":
                self._stop(417, "only 100-continue can be expected")
            elif not self._queue and self._transport is not None:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self._size + len(data) > self._handler.max_body:
            self._stop(413, f"the body is longer than {self._handler.max_body} bytes")
        elif self._handler.reading > MAX_READING:
            self._stop(503, "too many requests are being received")
        else:
            self._body.append(data)
            self._size += len(data)
            self._handler.reading += len(data)

    def on_message_complete(self) -> None:
        """Hand the request on."""
        self._in_head = self._between = True
        self._whole += 1
        self.reading = 0.0
        self._handler.reading -= self._size
        self._size = 0
        if self._refusal is not None or self._closing:
            return
        body = self._body
        url = self._url
        mark = url.find(b"?")
        request = Request(
            self,
            self._parser.get_method(),
            url if mark < 0 else url[:mark],
            self._headers,
            body[0] if len(body) == 1 else b"".join(body),
            self._parser.should_keep_alive() and not self._parser.should_upgrade(),
            self.since,
        )
        self._body = []
        if not request.keep_alive:
            # What follows the last request of a connection is not looked at.
            self._closing = True
        self._handler.handle(request)

    def _stop(self, status: int, message: str) -> None:
        self._refusal = self._refusal or (status, message)
        raise ValueError(message)

    # answering

    def expect(self, exchange: Exchange) -> None:
        """Keep a place for an answer."""
        self._queue.append(exchange)
        if len(self._queue) >= MAX_PIPELINED:
            self._pace()

    def answered(self, exchange: Exchange) -> None:
        """Write the answers that are due, in the order of their requests."""
        if exchange.version:
            exchange.seconds = monotonic() - exchange.started
            self._handler.record(exchange)
            if exchange.translate is not None:
                exchange.translate(exchange)
        transport = self._transport
        queue = self._queue
        if transport is None:
            return
        if queue[0] is exchange and len(queue) == 1:
            queue.popleft()
            transport.write(written(exchange))
        else:
            due = []
            while queue and queue[0].status:
                exchange = queue.popleft()
                due.append(written(exchange))
                if not exchange.keep_alive:
                    break
            if not due:
                return
            transport.write(b"".join(due))
        self.since = monotonic()
        if not exchange.keep_alive:
            self._closing = True
            if self._refusal is None or self._paused:
                transport.close()
            else:
                # Closing with bytes unread would reset the connection, and the client might lose
                # the answer. So only our side is closed until the client has closed its own.
                self._lingers = True
                transport.write_eof()
        elif self._paused:
            self._pace()

    def _refuse(self, status: int, message: str) -> None:
        """Answer a request that cannot be taken, and close."""
        self._closing = True
        self._refusal = (status, message)
        if self._transport is None:
            return
        exchange = Exchange(self, "", 0, b"", self.since)
        exchange.keep_alive = False
        self._queue.append(exchange)
        exchange.finish(status, problem("BAD_REQUEST", message))

    def _pace(self) -> None:
        """Read only while answers can go out."""
        wanted = self._blocked or len(self._queue) >= MAX_PIPELINED
        if wanted != self._paused and self._transport is not None:
            self._paused = wanted
            if wanted:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def timed_out(self, now: float, read_timeout: float, idle_timeout: float) -> None:
        """Close a connection that sends too slowly, does not read, or is idle for too long."""
        if self._transport is None:
            return
        quiet = now - self.since
        if self._lingers:
            if quiet > LINGER:
                self._transport.abort()
        elif self.reading and now - self.reading > read_timeout and not self._closing:
            self._refuse(408, f"the request was not complete within {read_timeout:g} s")
        elif (self._blocked or self._closing) and quiet > read_timeout and not self._waits():
            self._transport.abort()
        elif not self._queue and quiet > idle_timeout:
            self._transport.close()

    def _waits(self) -> bool:
        """Tell whether the model, not the client, is what is being waited for."""
        return bool(self._queue) and not self._queue[0].status and not self._blocked

    def close_when_done(self) -> None:
        """Close after the answers that are due; new requests are not taken."""
        if self._queue:
            self._queue[-1].keep_alive = False
            self._closing = True
        elif self._transport is not None:
            self._closing = True
            self._transport.close()
