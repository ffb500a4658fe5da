"""Broken HTTP of all kinds: the gateway answers with a status or closes, and serves on."""

from __future__ import annotations

import asyncio
import random

from serving_traffic import BODY, connected, read_answer, request

WHOLE = request(BODY % (b"1", 2), headers="x-request-id: f\r\n")
CHUNKED = (
    b"POST /invocations HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    b'11\r\n{"inputs": [[1]]}\r\n0\r\n\r\n'
)
SPICE = [
    b"\r\n", b"\n", b"\x00", b"\xff", b": ", b" ", b"\t", b"GET ", b"HTTP/1.1", b"HTTP/1.0",
    b"content-length: 5\r\n", b"content-length: 99999999999999999999\r\n", b"a" * 5000,
    b"transfer-encoding: chunked\r\n", b"connection: close\r\n", b"expect: 100-continue\r\n",
    b"upgrade: websocket\r\nconnection: upgrade\r\n", b"0\r\n\r\n", b"ffffffffffffffff\r\n",
]  # fmt: skip


def mutated(rng: random.Random) -> bytes:
    """Return a request, or several, with some bytes changed, lost, doubled or put in."""
    data = bytearray(rng.choice([WHOLE, CHUNKED, WHOLE * 3, CHUNKED + WHOLE]))
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        what = rng.randrange(4)
        if what == 0 and at < len(data):
            data[at] = rng.randrange(256)
        elif what == 1:
            del data[at : at + rng.randint(1, 20)]
        elif what == 2:
            data[at:at] = rng.choice(SPICE)
        else:
            data[at:at] = data[at : at + rng.randint(1, 30)]
    return bytes(data)


def test_mutated_requests(shared):
    rng = random.Random(17)

    async def attack(data: bytes, cut: int) -> list[int]:
        """Send bytes in two pieces, close our side, return the statuses that came back."""
        codes = []
        try:
            async with connected(shared.port) as (reader, writer), asyncio.timeout(60):
                writer.write(data[:cut])
                await asyncio.sleep(0)
                writer.write(data[cut:])
                writer.write_eof()
                while True:
                    codes.append((await read_answer(reader))[0])
        except TimeoutError:
            raise  # neither answered nor closed
        except (asyncio.IncompleteReadError, OSError):
            return codes  # it was refused and closed, perhaps before we had sent all
        except (KeyError, ValueError):
            return codes  # `100 Continue` has no length

    async def campaign():
        seen = set()
        for _ in range(40):
            attacks = []
            for _ in range(15):
                data = mutated(rng)
                attacks.append(attack(data, rng.randrange(len(data) + 1)))
            for codes in await asyncio.gather(*attacks):
                seen.update(codes)
        async with connected(shared.port) as (reader, writer):
            writer.write(WHOLE)
            status, _, body = await read_answer(reader)
        return seen, status, body

    pid = shared.client.record()["pid"]
    seen, status, body = asyncio.run(campaign())
    assert seen <= {200, 400, 404, 405, 408, 413, 414, 415, 417, 431, 500}
    assert {200, 400} <= seen
    assert (status, body) == (200, b'{"predictions": [1]}')
    assert shared.client.record()["pid"] == pid
