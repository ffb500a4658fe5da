"""Ten thousand clients that want nothing good: memory stays bounded, the others are served."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import time
from pathlib import Path

import pytest
from serving_traffic import BODY, connected, read_answer, request

from penstock.gateway.exchange import Exchange
from penstock.gateway.heads import Heads
from penstock.gateway.http import MAX_READING, Connection, Request

ROW = BODY % (b"1", 2)
CROWD = 10_000
TRICKLE = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 400\r\n\r\n" + b"[" * 300
SENT = (
    b"",
    b"POST /invoc",
    b"POST /invocations HTTP/1.1\r\nhost: x\r\nx: " + b"y" * 1000,
    b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\n" + b" " * 800,
)
"""What the crowd sends, in turn, and then no more."""


@pytest.fixture
def many_files():
    """Allow this process as many sockets as it may have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield before[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def memory(site) -> float:
    """Return the MiB that the gateway holds."""
    pid = site.client.record()["pid"]
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / (1 << 20)


def ask(site, path: str, body: bytes | None = None) -> tuple[int, str]:
    """Ask once on a connection of its own."""

    async def one() -> tuple[int, str]:
        whole = request(body or b"", path)
        async with connected(site.port) as (reader, writer):
            writer.write(whole if body else whole.replace(b"POST", b"GET", 1))
            status, _, answer = await read_answer(reader)
        return status, answer.decode()

    return asyncio.run(one())


def test_ten_thousand_connections(site, many_files):
    """Idle and half-sent connections are held, cost little, and harm nobody."""
    assert many_files > CROWD + 500
    site.start(read_timeout=120.0)
    site.apply(site.bundle(1), champion="1")
    assert ask(site, "/invocations", ROW)[0] == 200
    before = memory(site)
    held = []
    for number in range(CROWD):
        one = socket.create_connection(("127.0.0.1", site.port), timeout=60)
        one.sendall(SENT[number % len(SENT)])
        held.append(one)
    asked = []
    for _ in range(50):
        began = time.monotonic()
        assert ask(site, "/invocations", ROW)[0] == 200
        asked.append(time.monotonic() - began)
    # All of them are open still: the gateway did not serve us by sending the others away.
    lines = ask(site, "/metrics")[1].splitlines()
    (open_now,) = (one for one in lines if one.startswith("penstock_connections"))
    assert float(open_now.split()[-1]) >= CROWD
    assert memory(site) - before < 150, "MiB for ten thousand connections"
    assert sorted(asked)[25] < 1.0
    for one in held:
        one.close()


def test_those_who_send_forever_are_told_that_it_took_too_long(site):
    """A byte now and then does not keep a request alive; meanwhile others are answered."""
    site.start(read_timeout=1.5)
    site.apply(site.bundle(1), champion="1")

    async def trickle() -> int:
        async with connected(site.port) as (reader, writer):
            writer.write(TRICKLE)
            answer = asyncio.ensure_future(read_answer(reader))
            while not answer.done():
                writer.write(b"1")
                await asyncio.wait([answer], timeout=0.2)
            return (await answer)[0]

    async def honest(until: asyncio.Future[list[int]]) -> list[int]:
        codes = []
        async with connected(site.port) as (reader, writer):
            while not until.done():
                writer.write(request(ROW))
                codes.append((await read_answer(reader))[0])
                await asyncio.sleep(0.01)
        return codes

    async def both() -> tuple[list[int], list[int]]:
        slow = asyncio.gather(*(trickle() for _ in range(40)))
        served = await honest(slow)
        return await slow, served

    slow, served = asyncio.run(both())
    assert slow == [408] * 40
    assert set(served) == {200}


def test_bodies_that_are_announced_too_long_are_not_received(site):
    """Each is refused by its head; nothing of the rest is kept."""
    site.start(max_body=1 << 20)
    site.apply(site.bundle(1), champion="1")
    assert ask(site, "/invocations", ROW)[0] == 200
    before = memory(site)
    head = b"POST /invocations HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % (1 << 40)

    async def send_much() -> int:
        async with connected(site.port) as (reader, writer):
            writer.write(head)
            answer = asyncio.ensure_future(read_answer(reader))
            with contextlib.suppress(OSError):  # it was closed; the answer came first
                for _ in range(100):
                    writer.write(b"x" * 100_000)
                    await writer.drain()
            return (await answer)[0]

    async def crowd() -> list[int]:
        return await asyncio.gather(*(send_much() for _ in range(30)))

    assert set(asyncio.run(crowd())) == {413}
    assert memory(site) - before < 50
    assert ask(site, "/invocations", ROW)[0] == 200


class Full:
    """Takes requests while so much is being received already that no more may be."""

    max_body = 1000

    def __init__(self) -> None:
        self.reading = MAX_READING + 1
        self.heads = Heads()
        self.handled = 0

    def handle(self, _request: Request) -> None:
        self.handled += 1

    def record(self, exchange: Exchange) -> None:
        """Count nothing: no model answers."""

    def opened(self, connection: Connection) -> None:
        """Keep nothing."""

    def closed(self, connection: Connection) -> None:
        """Forget nothing."""


def test_bodies_under_way_are_bounded_over_all_connections():
    async def one_more() -> tuple[int, int]:
        desk = Full()
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(desk), "127.0.0.1", 0
        )
        async with connected(server.sockets[0].getsockname()[1]) as (reader, writer):
            writer.write(request(ROW))
            status, _, _ = await read_answer(reader)
        server.close()
        return status, desk.handled

    assert asyncio.run(one_more()) == (503, 0)
