"""Changes of the traffic table, deaths of workers and of the gateway, under load."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from serving_traffic import Load, connected, eventually, read_answer

CONNECTIONS = 64


def test_swaps_and_weight_changes_lose_no_request(site):
    """Weights, versions and replicas change 120 times; every request is answered, by one side of
    the split, with its own answer."""
    site.start()
    bundles = {number: site.bundle(number, echo=True) for number in (1, 2, 3)}
    site.apply(bundles[1], bundles[2], champion="1", challenger="2", weight=50.0)

    async def change_all_the_time():
        loop = asyncio.get_running_loop()
        async with Load(site.port, CONNECTIONS, pipeline=2) as load:

            async def apply(*given, **changes):
                await loop.run_in_executor(None, lambda: site.apply(*given, **changes))

            for turn in range(15):
                for step, weight in enumerate((0.0, 5.0, 50.0, 100.0)):
                    await apply(weight=weight)
                    await load.reach(3300 * turn + 700 * step)
                await apply(champion="2", challenger=None, weight=0.0)
                await apply(bundles[2], bundles[3], challenger="3", weight=25.0, replicas=2)
                await load.reach(3300 * turn + 2800)
                await apply(bundles[3], champion="3", challenger=None, weight=0.0)
                await apply(
                    bundles[1], bundles[2], bundles[3], champion="1", challenger="2", replicas=1
                )
            await load.reach(50_000)
        return load

    load = asyncio.run(change_all_the_time())
    assert site.table.generation > 100
    assert load.total >= 50_000
    assert dict(load.tally.codes) == {200: load.total}, load.tally.reasons
    assert (load.tally.misrouted, load.tally.mixed_up, load.tally.broken) == (0, 0, 0)
    assert set(load.tally.versions) == {"1", "2", "3"}
    counted = sum(one.requests for one in site.client.status().counters)
    assert counted == load.total


def test_killed_workers_are_replaced_and_their_requests_answered(site):
    """With two replicas the requests of a killed worker go to the other one."""
    site.start()
    site.apply(site.bundle(1, echo=True), champion="1", replicas=2)

    async def kill_now_and_then():
        await both_ready(site)
        async with Load(site.port, 16) as load:
            for turn in range(1, 4):
                await load.reach(turn * 500)
                victim = workers(site)[0]
                os.kill(victim, signal.SIGKILL)
                await eventually(lambda gone=victim: gone not in workers(site))
                await both_ready(site)
        return load

    load = asyncio.run(kill_now_and_then())
    assert dict(load.tally.codes) == {200: load.total}, load.tally.reasons
    assert (load.tally.misrouted, load.tally.mixed_up, load.tally.broken) == (0, 0, 0)


def test_killed_gateway_comes_back_with_its_table(site):
    """After SIGKILL the same table is in force on the same port, without anybody's help."""
    site.start()
    site.apply(
        site.bundle(1, echo=True),
        site.bundle(2, echo=True),
        champion="1",
        challenger="2",
        weight=50.0,
    )
    port = site.port
    epoch = site.client.status().counters

    async def kill_it():
        async with Load(site.port, 8) as load:
            await load.reach(500)
            os.kill(site.client.record()["pid"], signal.SIGKILL)
            await eventually(lambda: load.tally.codes[200] >= 2000)
        return load

    load = asyncio.run(kill_it())
    assert set(load.tally.codes) <= {200, 503}
    assert (load.tally.misrouted, load.tally.mixed_up) == (0, 0)
    status = site.until(lambda status: status.ready == {"1", "2"})
    assert status.generation == site.table.generation
    assert site.port == port
    assert {one.epoch for one in status.counters}.isdisjoint({one.epoch for one in epoch} - {""})


def test_stop_answers_what_is_in_flight(site):
    """A gateway that is told to stop answers first, and closes its connections properly."""
    site.start()
    site.apply(site.bundle(1, echo=True, delay=0.2), champion="1")

    async def stop_meanwhile():
        loop = asyncio.get_running_loop()
        async with Load(site.port, 8) as load:
            await load.reach(8)
            await loop.run_in_executor(None, site.client.stop)
            load._going = False
        return load

    load = asyncio.run(stop_meanwhile())
    assert dict(load.tally.codes) == {200: load.total}, load.tally.reasons
    assert not site.client.status().running


async def both_ready(site) -> None:
    """Wait until two workers of version 1 take requests."""
    while True:
        if await ready(site) == 2:
            return
        await asyncio.sleep(0.02)


async def ready(site) -> int:
    """Return how many workers of version 1 take requests."""
    async with connected(site.port) as (reader, writer):
        writer.write(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        _, _, body = await read_answer(reader)
    line = next(one for one in body.splitlines() if one.startswith(b"penstock_workers_ready{"))
    return int(line.split()[-1])


def workers(site) -> list[int]:
    """Return the process ids of the gateway's workers."""
    gateway = site.client.record()["pid"]
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == gateway and b"penstock.serving.worker" in command:
            found.append(int(entry.name))
    return found
