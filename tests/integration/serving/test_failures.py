"""Models that do not load, hang, crash or eat; tables that are refused; ports that are taken."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from dataclasses import replace

import pytest
from serving_traffic import BODY, connected, read_answer, request

from penstock.errors import StateError, UnavailableError
from penstock.gateway import GatewayClient, GatewayOptions, start_gateway

ROW = BODY % (b"1", 2)


def ask(site, body=ROW, headers=""):
    async def conversation():
        async with connected(site.port) as (reader, writer), asyncio.timeout(120):
            writer.write(request(body, headers=headers))
            return await read_answer(reader)

    return asyncio.run(conversation())


def test_a_version_that_cannot_be_loaded_is_said_so_in_words(site):
    site.start()
    site.apply(site.bundle(1), champion="1")
    site.apply(
        *site.table.bundles, site.bundle(2, broken=True), challenger="2", weight=100.0, wait=False
    )
    status = site.until(lambda status: "2" in status.failed)
    assert "the weights are missing" in status.failed["2"]
    assert status.ready == {"1"}
    # It never gets traffic, whatever its weight; nor does a version without an interpreter.
    assert ask(site)[1]["x-penstock-version"] == "1"
    missing = replace(site.bundle(3), python="/nowhere/python")
    site.apply(site.table.bundles[0], missing, challenger="3", wait=False)
    status = site.until(lambda status: "3" in status.failed)
    assert "/nowhere/python" in status.failed["3"]


def test_a_new_champion_takes_over_when_it_is_ready(site):
    """The old one answers until then, though the table names it no more."""
    site.start()
    site.apply(site.bundle(1), champion="1")
    site.apply(site.bundle(2, broken=True), champion="2", wait=False)
    site.until(lambda status: "2" in status.failed)
    assert ask(site)[1]["x-penstock-version"] == "1"
    site.apply(site.bundle(3), champion="3")
    assert ask(site)[1]["x-penstock-version"] == "3"
    site.until(lambda status: status.ready == {"3"})


def test_a_version_packed_anew_replaces_itself(site):
    """The same version from another directory: the old workers answer until the new are ready."""
    site.start()
    first = site.bundle(1)
    site.apply(first, champion="1")
    broken = replace(first, path=site.bundle(8, broken=True).path)
    site.apply(broken, wait=False)
    site.until(lambda status: "1" in status.failed)
    assert ask(site)[2] == b'{"predictions": [1]}'
    site.apply(replace(first, path=site.bundle(9).path), wait=False)
    site.until(lambda _: ask(site)[2] == b'{"predictions": [9]}')
    assert site.client.status().failed == {}


def test_no_model_at_all(site):
    site.start()
    status, headers, body = ask(site)
    assert (status, headers["retry-after"]) == (503, "1")
    assert "no model version is deployed" in json.loads(body)["message"]


def test_requests_of_a_dead_worker_are_answered(site):
    site.start()
    site.apply(site.bundle(1), champion="1")
    status, headers, body = ask(site, BODY % (b'"crash"', 1))
    assert (status, headers["retry-after"]) == (503, "1")
    assert "died" in json.loads(body)["message"]
    site.until(lambda status: "1" in status.ready)
    assert ask(site)[0] == 200


def test_a_worker_that_hangs_is_replaced(site):
    site.start(timeout=1.0)
    site.apply(site.bundle(1), champion="1")
    before = time.monotonic()
    status, _, body = ask(site, BODY % (b'"hang"', 1))
    assert (status, body) == (504, b"Request processing time exceeded limit")
    assert time.monotonic() - before < 60
    # Nobody answers until another worker is ready; it is, without anybody's help.
    deadline = time.monotonic() + 60
    while ask(site)[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert site.counters("1", "champion").errors >= 1


def test_a_worker_that_eats_memory_is_replaced(site):
    site.start(memory_mb=150)
    site.apply(site.bundle(1), champion="1")
    assert ask(site, BODY % (b'"eat"', 1))[0] == 200
    log = site.folder / "serve" / "log" / "gateway.ndjson"
    deadline = time.monotonic() + 60
    while "the limit is 150 MiB" not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    site.until(lambda status: "1" in status.ready)


def test_too_many_requests_are_refused_at_once(site):
    site.start(max_waiting=4)
    site.apply(site.bundle(1, delay=0.5), champion="1")

    async def crowd():
        async def one():
            async with connected(site.port) as (reader, writer):
                writer.write(request(ROW))
                return await read_answer(reader)

        return await asyncio.gather(*(one() for _ in range(30)))

    found = asyncio.run(crowd())
    codes = [status for status, _, _ in found]
    assert set(codes) == {200, 429}
    assert all(headers["retry-after"] == "1" for status, headers, _ in found if status == 429)
    assert site.counters("1", "champion").errors == 0


def test_scaling_down_keeps_the_replica_that_answers(site):
    site.start()
    site.apply(site.bundle(1, first_takes=3), champion="1", replicas=2)
    site.apply(replicas=1)
    assert [ask(site)[0] for _ in range(5)] == [200] * 5


def test_the_old_champion_stands_in_even_if_it_is_the_new_challenger(site):
    site.start()
    site.apply(one := site.bundle(1), champion="1")
    two = site.bundle(2, first_takes=2)
    site.apply(one, two, champion="2", challenger="1", weight=50.0, wait=False)
    assert [ask(site)[1]["x-penstock-version"] for _ in range(10)] == ["1"] * 10
    site.until(lambda status: "2" in status.ready)
    assert {ask(site)[1]["x-penstock-version"] for _ in range(40)} == {"1", "2"}


def test_a_shadow_sees_copies_and_is_compared(site):
    site.start()  # so few requests that a slow shadow, too, gets a copy of each
    one, two, three = site.bundle(1), site.bundle(2), site.bundle(3, delay=0.01)
    site.apply(one, replace(two, path=one.path), champion="1", challenger="2", shadow=True)
    for _ in range(15):
        status, headers, _ = ask(site)
        assert (status, headers["x-penstock-version"]) == (200, "1")
    site.until(lambda _: site.counters("2", "shadow").compared == 15)
    assert site.counters("2", "shadow").differed == 0
    site.apply(one, three, challenger="3")
    for _ in range(15):
        assert ask(site)[1]["x-penstock-version"] == "1"
    site.until(lambda _: site.counters("3", "shadow").compared == 15)
    shadow = site.counters("3", "shadow")
    assert (shadow.requests, shadow.differed, shadow.errors) == (15, 15, 0)
    assert shadow.predictions == {"3": 15}
    assert site.counters("1", "champion").requests == 30


@pytest.mark.parametrize("sticky", ["header:X-User", "field:user"])
def test_a_caller_stays_on_its_side_and_the_ramp_moves_nobody_back(site, sticky):
    site.start()
    site.apply(site.bundle(1), site.bundle(2), champion="1", challenger="2", sticky=sticky)

    def sides():
        found = {}
        for user in range(40):
            body = json.dumps({"dataframe_records": [{"user": user}], "inputs": [[1]]}).encode()
            if sticky == "header:X-User":
                body = ROW
            _, headers, _ = ask(site, body, headers=f"x-user: {user}\r\n")
            found[user] = headers["x-penstock-version"]
        return found

    moved: set[int] = set()
    for weight in (0.0, 20.0, 50.0, 100.0):
        site.apply(weight=weight, salt="rollout-1")
        now = sides()
        assert now == sides()
        there = {user for user, version in now.items() if version == "2"}
        assert moved <= there
        moved = there
    assert len(moved) == 40


def test_tables_are_taken_in_order(site):
    site.start()
    site.apply(site.bundle(1), champion="1")
    site.client.apply(site.table)
    with pytest.raises(StateError, match="in force with other contents"):
        site.client.apply(replace(site.table, weight=3.0))
    with pytest.raises(StateError, match="older") as caught:
        site.client.apply(replace(site.table, generation=0))
    assert caught.value.code == "gateway.older-table"


def test_a_stopped_gateway_remembers_its_table(site):
    site.start()
    site.apply(site.bundle(1), champion="1")
    site.client.stop()
    site.client.stop()
    assert not site.client.status().running
    with pytest.raises(UnavailableError, match="no gateway answers"):
        site.client.apply(site.table)
    site.start()
    assert site.client.status().generation == 1
    site.until(lambda status: status.ready == {"1"})
    assert ask(site)[0] == 200


def test_a_port_in_use_is_an_error_with_a_remedy(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StateError, match=f"cannot listen on 127.0.0.1:{port}") as caught:
            start_gateway(tmp_path, GatewayOptions(port=port))
    assert caught.value.code == "gateway.port-busy"
    assert "serve: {port:" in caught.value.hint


def test_starting_twice_gives_the_same_gateway(site):
    first = site.start()
    second = start_gateway(site.folder / "serve")
    assert first.record() == second.record()


def test_a_broken_table_is_said_so(tmp_path):
    (tmp_path / "table.json").write_text("{")
    with pytest.raises(StateError, match="not a traffic table"):
        start_gateway(tmp_path, GatewayOptions(port=0))
    assert not GatewayClient(tmp_path).status().running


def test_a_directory_with_a_very_long_name(tmp_path):
    """Sockets may not have long paths; ours may."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    client = start_gateway(deep, GatewayOptions(port=0))
    assert client.status().running
    client.stop()
