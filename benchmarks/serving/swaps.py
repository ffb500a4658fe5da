"""Swaps and weight changes under full load: how many requests fail, go astray, or get slow.

    python benchmarks/serving/swaps.py --swaps 100 --requests 1000000

Two versions that answer their own number; every answer is held against the version it claims.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

from penstock.domain.traffic import TrafficTable
from penstock.domain.version import Bundle
from penstock.gateway import GatewayClient, GatewayOptions, start_gateway

LUA = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
wrk.body = '{"inputs": [[1.5, 2.5, 3.5]]}'
local threads = {}
astray = 0
function setup(thread) table.insert(threads, thread) end
function response(status, headers, body)
  if status == 200 and body ~= '{"predictions": [' .. headers["x-penstock-version"] .. ']}' then
    astray = astray + 1
  end
end
function done(summary, latency, requests)
  local total = 0
  for _, thread in ipairs(threads) do total = total + thread:get("astray") end
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99),
    e.status + e.connect + e.read + e.write + e.timeout, total))
end
"""
NAMES = ("requests", "micros", "p50_us", "p99_us", "failed", "astray")
CODE = "def load(path, mlmodel):\n    n = mlmodel['flavors']['penstock']['number']\n"
CODE += "    return lambda rows: [n] * len(rows)\n"


def bundle(work: Path, number: int) -> Bundle:
    path = work / f"model-{number}"
    (path / "code").mkdir(parents=True)
    (path / "code" / "numbered.py").write_text(CODE)
    flavour = {"loader": "numbered:load", "number": number}
    (path / "MLmodel").write_text(json.dumps({"flavors": {"penstock": flavour}}))
    return Bundle("numbers", str(number), str(path), sys.executable)


def start_load(work: Path, url: str, seconds: float) -> subprocess.Popen[str]:
    script = work / "swaps.lua"
    script.write_text(LUA)
    command = ["wrk", "-t1", "-c64", f"-d{max(1, round(seconds))}s", "-s", str(script)]
    return subprocess.Popen([*command, f"{url}/invocations"], stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> dict[str, int]:
    out, _ = process.communicate()
    values = re.search(r"RESULT ([\d ]+)", out)
    assert values is not None, out
    return dict(zip(NAMES, map(int, values[1].split()), strict=True))


def settle(client: GatewayClient, table: TrafficTable) -> None:
    client.apply(table)
    wanted = {one.version for one in table.bundles}
    while client.status().ready != wanted:
        time.sleep(0.005)


def answered_by(client: GatewayClient, version: str) -> int:
    return sum(one.requests for one in client.status().counters if one.version == version)


def rollbacks(
    client: GatewayClient, table: TrafficTable, turns: int
) -> tuple[TrafficTable, list[float]]:
    """Return seconds from the order to roll back to the last answer of the challenger.

    Half of the requests go to it before each order; its counter is watched for half a second after.
    """
    seconds = []
    for _ in range(turns):
        table = replace(table, generation=table.generation + 1, challenger="2", weight=50.0)
        settle(client, table)
        time.sleep(0.2)
        table = replace(table, generation=table.generation + 1, challenger=None, weight=0.0)
        began = last = time.monotonic()
        client.apply(table)
        count = -1
        while (now := time.monotonic()) - began < 0.5:
            found = answered_by(client, "2")
            if found != count:
                count, last = found, now
        seconds.append(last - began)
    return table, seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/tmp/penstock-swaps"))
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--requests", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    GatewayClient(given.work / "state").stop()
    shutil.rmtree(given.work, ignore_errors=True)
    given.work.mkdir(parents=True)
    options = GatewayOptions(port=0, log_dir=str(given.work / "log"))
    client = start_gateway(given.work / "state", options)
    one, two = bundle(given.work, 1), bundle(given.work, 2)
    table = TrafficTable(1, (one, two), champion="1")
    settle(client, table)
    url = client.status().url
    result(start_load(given.work, url, 3))  # the first requests start the writer of the log
    rest = result(start_load(given.work, url, 8))
    rate = rest["requests"] / rest["micros"] * 1e6
    seconds = given.requests / rate * 1.1
    load = start_load(given.work, url, seconds)
    slowest = 0.0
    for turn in range(given.swaps):
        champion, other = ("1", "2") if turn % 2 else ("2", "1")
        # weight up, other champion, the old one leaves, and comes back
        for change in (
            {"challenger": champion, "champion": other, "weight": 50.0},
            {"champion": champion, "challenger": None, "weight": 0.0},
            {"bundles": (two,) if champion == "2" else (one,)},
            {"bundles": (one, two)},
        ):
            table = replace(table, generation=table.generation + 1, **change)
            began = time.monotonic()
            client.apply(table)
            slowest = max(slowest, time.monotonic() - began)
            settle(client, table)
        time.sleep(max(0.0, seconds / given.swaps - 0.2))
    under = result(load)
    load = start_load(given.work, url, 20 * 1.5)
    table = replace(table, champion="1")
    table, seconds = rollbacks(client, table, 20)
    while_rolling = result(load)
    counted = sum(one.requests for one in client.status().counters)
    client.stop()
    found = {"rest": rest, "swapping": under, "swaps": given.swaps, "slowest_apply_s": slowest}
    found["connections"] = 64
    found |= {"rollbacks": while_rolling, "rollback_median_s": statistics.median(seconds)}
    found |= {"rollback_slowest_s": max(seconds)}
    print(json.dumps({**found, "counted": counted}, indent=2))
    if given.json is not None:
        given.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
