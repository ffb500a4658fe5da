"""SIGKILL at any moment, of the gateway, with its writer, or of everything: what was answered is
in the store, once, and so is each label that was taken. PENSTOCK_KILLS=200 makes it long.
"""

import asyncio
import collections
import contextlib
import itertools
import json
import os
import random
import signal
import threading
import time

import pyarrow.parquet as pq
import pytest
from serving_traffic import connected, read_answer, request

from penstock.observations import Observations

KILLS = int(os.environ.get("PENSTOCK_KILLS", "15"))
LONGEST = 0.8
"""Seconds of traffic before a kill, at most: several files of the store."""


class Asking(threading.Thread):
    """Asks without pause and tells labels; knows what was answered, and which labels were taken."""

    def __init__(self, connections=6, pipelined=3):
        super().__init__()
        self.port = 0
        self.answered = []
        self.labelled = {}
        self.going = True
        self._numbers = itertools.count()
        self._connections = connections
        self._pipelined = pipelined

    def run(self):
        asyncio.run(self._ask())

    async def _ask(self):
        await asyncio.gather(*(self._client() for _ in range(self._connections)))

    async def _client(self):
        while self.going:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                async with connected(self.port) as (reader, writer):
                    await self._converse(reader, writer)
            await asyncio.sleep(0.02)

    async def _converse(self, reader, writer):
        while self.going:
            ids = []
            for _ in range(self._pipelined):
                number = next(self._numbers)
                body = b'{"inputs": [[%d]]}' % number
                writer.write(request(body, headers=f"x-request-id: k{number}\r\n"))
            for _ in range(self._pipelined):
                status, headers, _ = await read_answer(reader)
                if status == 200:
                    ids.append(headers["x-request-id"])
                    self.answered.append(ids[-1])
            for id in ids[:1]:
                await self._tell(reader, writer, id)

    async def _tell(self, reader, writer, id):
        label = int(id[1:]) % 97
        body = json.dumps({"request_id": id, "label": label}).encode()
        writer.write(request(body, path="/feedback"))
        status, _, _ = await read_answer(reader)
        if status == 202:
            self.labelled[id] = label


def killed(site, how):
    """Kill and, if nobody else does that, start again."""
    pid = json.loads((site.folder / "serve" / "gateway.json").read_text())["pid"]
    if how == "group":
        os.killpg(os.getpgid(pid), signal.SIGKILL)
        deadline = time.monotonic() + 60
        while site.processes("penstock.gateway"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        site.start(log_dir=str(site.log), log_interval=0.2)
        return
    victims = [pid]
    if how != "gateway":
        victims += site.processes("penstock.observations.writer")
    random.shuffle(victims)
    site.kill(*victims)


@pytest.mark.timeout(60 + 30 * KILLS)
def test_what_was_answered_is_in_the_store_once(site):
    drawn = random.Random(20130102)
    site.start(log_dir=str(site.log), log_interval=0.2)
    site.apply(site.bundle(1), champion="1")
    asking = Asking()
    asking.port = site.port
    asking.start()
    try:
        for number in range(KILLS):
            before = len(asking.answered)
            deadline = time.monotonic() + 60
            while len(asking.answered) < before + 20:
                assert time.monotonic() < deadline
                asking.port = site.port if site.client.status().running else asking.port
                time.sleep(0.01)
            time.sleep(drawn.uniform(0.0, LONGEST))
            killed(site, ("gateway", "gateway and writer", "group")[number % 3])
    finally:
        asking.going = False
        asking.join()
    settle(site)
    seen = collections.Counter()
    for path in site.log.glob("log/*/*/*.parquet"):
        seen.update(pq.read_table(path)["request_id"].to_pylist())
    lost = set(asking.answered) - set(seen)
    doubled = {id: count for id, count in seen.items() if count > 1}
    assert (len(lost), sorted(lost)[:5]) == (0, [])
    assert (len(doubled), sorted(doubled)[:5]) == (0, [])
    assert len(asking.answered) > 20 * KILLS
    frame = Observations(site.log).read().to_pandas().set_index("request_id")
    assert frame.index.is_unique
    found = frame["label"].reindex(list(asking.labelled))
    wrong = [id for id, label in asking.labelled.items() if found[id] != label]
    assert (len(wrong), wrong[:5]) == (0, [])
    assert len(asking.labelled) > 5 * KILLS
    assert list(site.log.glob("*.spool")) == []


def settle(site):
    """Stop, and wait for the writers of gateways that were killed."""
    site.until(lambda status: "1" in status.ready)
    site.client.stop()
    deadline = time.monotonic() + 60
    while site.processes("penstock.observations.writer"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    # A writer that another one was in the way of leaves the rest to the next.
    if list(site.log.glob("*.spool")):
        site.start(log_dir=str(site.log), log_interval=0.2)
        site.client.stop()
