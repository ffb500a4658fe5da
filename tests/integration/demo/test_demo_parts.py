"""Parts of the demo: the repository, what is planted in it, and the replayed traffic."""

import ast
import http.server
import json
import threading

import pytest

from penstock.demo import changes, data, project, traffic
from penstock.errors import StateError


@pytest.fixture(scope="module")
def flights(tmp_path_factory):
    return project.create(tmp_path_factory.mktemp("parts") / "flights", fast=True, port=18_080)


def test_the_repository_is_an_ordinary_one(flights):
    assert flights.git("status", "--porcelain") == ""
    assert flights.git("log", "--format=%s").strip() == (
        "Predict late arrivals from January to March"
    )
    tracked = flights.git("ls-files").split()
    assert "data/flights/2013-03.parquet.dvc" in tracked
    assert not [one for one in tracked if one.endswith((".parquet", ".csv"))]
    assert "port: 18080" in (flights.root / "penstock.yaml").read_text()
    assert "weather" in flights.dvc("stage", "list")


def test_a_directory_in_use_is_refused(flights):
    with pytest.raises(StateError) as caught:
        project.create(flights.root)
    assert caught.value.code == "demo.not-empty"


@pytest.mark.parametrize("change", [changes.WRONG_COLUMN, changes.NO_IMPUTER, changes.LARGE_FOREST])
def test_a_planted_change_is_a_small_commit_that_reads_well(flights, change):
    flights.git("switch", "--quiet", "--create", change.branch)
    change.apply(flights)
    flights.commit(change.message)
    (path,) = flights.git("diff", "--name-only", "main").split()
    assert path.startswith("src/")
    ast.parse((flights.root / path).read_text())
    lines = flights.git("diff", "--shortstat", "main")
    assert "1 file changed" in lines
    flights.git("switch", "--quiet", "main")


def test_a_project_that_somebody_edited_is_not_edited_blindly(flights):
    flights.git("switch", "--quiet", "--create", "edited")
    path = flights.root / "src/clean.py"
    path.write_text(path.read_text().replace("departure_delay", "delay_at_departure"))
    path.write_text(path.read_text().replace('flights["dep_time"]', 'flights["dep"]'))
    with pytest.raises(StateError) as caught:
        changes.WRONG_COLUMN.apply(flights)
    assert caught.value.code == "demo.edited"
    flights.git("reset", "--quiet", "--hard")
    flights.git("switch", "--quiet", "main")


def test_live_traffic_has_gaps_and_training_data_has_the_same_features():
    rows = data.live("2013-04")
    assert list(rows.columns) == data.FEATURES
    assert 0.02 < rows.isna().any(axis=1).mean() < 0.05
    assert rows["dep_delay"].notna().all()


def test_bodies_are_what_the_scoring_protocol_wants():
    found = traffic.bodies("2013-04", every=500)
    assert len(found) > 40
    for body in found:
        split = json.loads(body)["dataframe_split"]
        assert split["columns"] == data.FEATURES
        assert len(split["data"][0]) == len(data.FEATURES)
    assert any(b"null" in body for body in traffic.bodies("2013-04", every=5))
    assert not any(b"NaN" in body for body in found)


class Gateway(http.server.BaseHTTPRequestHandler):
    """Answers as version 1 and 2 in turn; refuses what says so."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        bad = body == b"bad"
        answer = b"oh no" if bad else b"{}"
        self.send_response(500 if bad else 200)
        self.send_header("X-Penstock-Version", "2" if bad else "1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def test_a_replay_counts_every_answer():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        port = server.server_address[1]
        bodies = [b"good", b"good", b"bad"]
        replay = traffic.Replay("127.0.0.1", port, bodies, rate=300, connections=3).start()
        while replay.tally.sent < 60:
            threading.Event().wait(0.02)
        tally = replay.stop()
        server.shutdown()
        thread.join()
    assert tally.sent == sum(tally.versions.values()) >= 60
    assert tally.failed == tally.versions["2"] == tally.reasons["500"]
    assert abs(tally.failed - tally.sent / 3) <= 1
    assert tally.sample == "oh no"


def test_a_gateway_that_is_not_there_is_counted_as_failures():
    port = traffic.free_port()
    replay = traffic.Replay("127.0.0.1", port, [b"x"], rate=200, connections=2).start()
    while replay.tally.sent < 5:
        threading.Event().wait(0.02)
    tally = replay.stop()
    assert tally.failed == tally.sent
    assert set(tally.reasons) == {"ConnectionRefusedError"}
