"""SIGKILL of the log's writer and of the gateway: what was accepted is kept, and kept once."""

import json
import os
import signal
import time
import urllib.error
import urllib.request

import pytest

from penstock.observations import Observations
from penstock.observations.spool import Spool

WRITER = "penstock.observations.writer"


def post(url, item, headers=None):
    request = urllib.request.Request(url, json.dumps(item).encode(), headers or {})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.status


def labelled(site):
    frame = Observations(site.log).read().to_pandas()
    assert not frame.duplicated(["request_id", "row"]).any()
    return frame.set_index("request_id")


def ask(site, k):
    headers = {"X-Request-Id": f"r{k}", "Content-Type": "application/json"}
    assert post(f"{site.url}/invocations", {"inputs": [[k]]}, headers) == 200


def written(site, count):
    """Wait until the gateway says that so many requests are on disk."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with urllib.request.urlopen(f"{site.url}/metrics", timeout=30) as answer:
            lines = answer.read().decode().splitlines()
        if f"penstock_log_written_total {count}" in lines:
            return
        time.sleep(0.05)
    raise AssertionError(lines)


def test_a_killed_writer_takes_nothing_with_it(site):
    site.start(log_dir=str(site.log), log_interval=30.0)  # nothing is written by itself
    site.apply(site.bundle(1), champion="1")
    for k in range(40):
        ask(site, k)
        told = {"request_id": f"r{k}", "label": k % 2}
        assert post(f"{site.url}/feedback", told) == 202
        if k in (11, 23):
            (pid,) = site.processes(WRITER)
            os.kill(pid, signal.SIGKILL)
    site.client.stop()
    frame = labelled(site)
    assert sorted(frame.index) == sorted(f"r{k}" for k in range(40))
    assert [frame.loc[f"r{k}", "label"] for k in range(40)] == [k % 2 for k in range(40)]
    assert list(site.log.glob("*.spool")) == []


def test_a_killed_gateway_and_writer_keep_every_accepted_label(site):
    site.start(log_dir=str(site.log), log_interval=0.2)
    site.apply(site.bundle(1), champion="1")
    for k in range(10):
        ask(site, k)
    written(site, 10)
    for k in range(10):
        assert post(f"{site.url}/feedback", {"request_id": f"r{k}", "label": k}) == 202
    (writer,) = site.processes(WRITER)
    os.kill(writer, signal.SIGKILL)
    pid = json.loads((site.folder / "serve" / "gateway.json").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    site.until(lambda status: "1" in status.ready)  # its guard starts another one
    ask(site, 10)
    written(site, 1)
    site.client.stop()
    frame = labelled(site)
    assert len(frame) == 11
    assert [frame.loc[f"r{k}", "label"] for k in range(10)] == list(range(10))


def test_labels_that_cannot_be_kept_are_refused(site):
    site.log.write_text("a file stands where the directory should be")
    site.start(log_dir=str(site.log), log_interval=0.05)
    site.apply(site.bundle(1), champion="1")
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(f"{site.url}/feedback", {"request_id": "r1", "label": 1})
    with refused.value as answer:
        assert answer.code == 503
        assert "send it again" in json.load(answer)["message"]
        assert answer.headers["Retry-After"] == "1"


def test_a_message_that_was_cut_short_is_left_out(tmp_path):
    from penstock.observations.records import Feedback
    from penstock.observations.spool import orphans

    spool = Spool(tmp_path)
    spool.keep([Feedback("a", 1.0, 0, 1.0, {})])
    assert list(orphans(tmp_path)) == []  # its writer is alive
    (path,) = tmp_path.glob("*.spool")
    copy = tmp_path / "labels-dead.spool"
    copy.write_bytes(path.read_bytes() * 2 + path.read_bytes()[:-3])
    ((found, items),) = orphans(tmp_path)
    assert found == copy
    assert [one.id for one in items] == ["a", "a"]
    assert not copy.exists()
    spool.close()
