"""Clients that put a gateway under load, without any library between."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

BODY = b'{"inputs": [[%s, %d]]}'


@dataclass
class Tally:
    """What the clients saw."""

    codes: Counter = field(default_factory=Counter)
    versions: Counter = field(default_factory=Counter)
    misrouted: int = 0
    mixed_up: int = 0
    broken: int = 0
    reasons: Counter = field(default_factory=Counter)


async def eventually(holds, seconds: float = 120.0) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(seconds):
        while True:
            if holds():
                return
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def connected(
    port: int, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Hold a connection; at the end it is gone, whatever was still to be sent."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def read_answer(reader) -> tuple[int, dict[str, str], bytes]:
    """Read one HTTP answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers["content-length"]))
    return int(first.split()[1]), headers, body


def request(body: bytes, path: str = "/invocations", headers: str = "") -> bytes:
    """Return one request as it goes over the wire."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n{headers}\r\n".encode()
        + body
    )


class Load:
    """Connections that ask until they are told to stop.

    Every request carries its own number; an echoing model gives it back with its version, so
    an answer that went to the wrong request or claims the wrong version is seen.
    """

    def __init__(self, port: int, connections: int, pipeline: int = 1) -> None:
        self.port = port
        self.tally = Tally()
        self.total = 0
        self._number = 0
        self._connections = connections
        self._pipeline = pipeline
        self._going = True
        self._tasks = []

    async def __aenter__(self):
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self._connections)]
        return self

    async def __aexit__(self, *exc):
        self._going = False
        await asyncio.gather(*self._tasks)

    async def reach(self, total: int) -> None:
        """Wait until so many requests were answered."""
        while self.total < total:
            for task in self._tasks:
                if task.done():
                    task.result()
            await asyncio.sleep(0.01)

    async def _client(self) -> None:
        while self._going:
            try:
                async with connected(self.port) as (reader, writer):
                    await self._converse(reader, writer)
            except (OSError, asyncio.IncompleteReadError):
                self.tally.broken += 1
                await asyncio.sleep(0.02)

    async def _converse(self, reader, writer) -> None:
        while self._going:
            numbers = []
            for _ in range(self._pipeline):
                self._number += 1
                numbers.append(self._number)
                writer.write(request(BODY % (b"0", self._number)))
            for number in numbers:
                status, headers, body = await read_answer(reader)
                self.total += 1
                self._check(number, status, headers, body)
                if headers.get("connection") == "close":
                    return

    def _check(self, number, status, headers, body) -> None:
        tally = self.tally
        tally.codes[status] += 1
        if status != 200:
            tally.reasons[body] += 1
            return
        ((version, echoed),) = json.loads(body)["predictions"]
        claimed = headers["x-penstock-version"]
        tally.versions[claimed] += 1
        tally.misrouted += str(version) != claimed
        tally.mixed_up += echoed != number
