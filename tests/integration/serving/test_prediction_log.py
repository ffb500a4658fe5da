"""What went through the gateway is found in the observations, with what was told of it later."""

from __future__ import annotations

import asyncio
import json

from serving_traffic import connected, read_answer, request

from penstock.observations import Observations


def exchange(site, *requests: bytes):
    async def conversation():
        found = []
        async with connected(site.port) as (reader, writer):
            for one in requests:
                writer.write(one)
                found.append(await read_answer(reader))
        return found

    return asyncio.run(conversation())


def row(age, name, id) -> bytes:
    body = json.dumps({"dataframe_records": [{"age": age, "name": name}]}).encode()
    return request(body, headers=f"x-request-id: {id}\r\n")


def test_requests_answers_and_labels_are_kept(site):
    site.start(log_dir=str(site.log), log_exclude=("name",), log_interval=0.1)
    bundle = site.bundle(1)
    path = site.models / bundle.path
    item = json.loads((path / "MLmodel").read_text())
    columns = [{"type": "long", "name": "age"}, {"type": "string", "name": "name"}]
    item["signature"] = {"inputs": json.dumps(columns)}
    (path / "MLmodel").write_text(json.dumps(item))
    site.apply(bundle, champion="1")
    asked = [row(30 + k, f"person {k}", f"id-{k}") for k in range(50)]
    assert {status for status, _, _ in exchange(site, *asked)} == {200}
    told = [{"request_id": f"id-{k}", "label": k % 2} for k in range(10)]
    told.append({"request_id": "id-0", "metrics": {"revenue": 2.5}})
    (answer,) = exchange(site, request(json.dumps(told).encode(), "/feedback"))
    assert (answer[0], json.loads(answer[2])) == (202, {"accepted": 11, "remembered": 11})
    means = site.counters("1", "champion").means
    assert means == {"correct": (10, 5.0), "revenue": (1, 2.5)}
    site.client.stop()
    table = Observations(site.log).read().to_pandas().set_index("request_id")
    assert len(table) == 50
    assert set(table["version"]) == {"1"}
    assert set(table["model"]) == {"numbers"}
    assert table.loc["id-7", "features.age"] == 37
    assert table.loc["id-7", "prediction"] == 1
    assert table.loc["id-7", "label"] == 1
    assert table["label"].notna().sum() == 10
    # What is excluded is nowhere on disk.
    assert "features.name" not in table.columns
    for file in site.log.rglob("*"):
        if file.is_file():
            assert b"person" not in file.read_bytes()


def test_a_sample_is_a_sample(site):
    site.start(log_dir=str(site.log), log_sample=0.5)
    site.apply(site.bundle(1), champion="1")
    body = b'{"inputs": [[1]]}'
    exchange(site, *(request(body, headers=f"x-request-id: s{k}\r\n") for k in range(200)))
    site.client.stop()
    assert 60 < Observations(site.log).count() < 140


def test_a_full_disk_stops_no_request(site):
    """The log's directory cannot be made: answers go on, losses are counted."""
    site.log.write_text("a file stands where the directory should be")
    site.start(log_dir=str(site.log), log_interval=0.05)
    site.apply(site.bundle(1), champion="1")
    body = request(b'{"inputs": [[1]]}')
    assert exchange(site, body)[0][0] == 200

    def lost() -> int:
        (answer,) = exchange(site, b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n")
        lines = answer[2].decode().splitlines()
        line = next(one for one in lines if one.startswith("penstock_log_dropped_total"))
        return int(line.split()[-1])

    site.until(lambda _: lost() == 1)
    assert exchange(site, body)[0][0] == 200
