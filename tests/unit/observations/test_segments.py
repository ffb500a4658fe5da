"""Segments of answered requests, and what becomes of them when somebody is killed."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.inference import frames
from penstock.observations import Observations, ownership, segment
from penstock.observations.intake import Intake
from penstock.observations.records import Record, Stretch, encode_record
from penstock.observations.segment import Segment

HOUR = 3600.0
SIZE = 1 << 16


def record(number, *, time=10.0, body=None):
    item = json.dumps({"inputs": [[number]]}).encode() if body is None else body
    answer = b'{"predictions": [1]}'
    id = f"r{number}"
    return Record(id, time, "1", "champion", 200, 0.01, frames.INVOCATIONS_JSON, item, answer)


def filled(directory, records, size=SIZE):
    made = Segment.create(directory, size, "m", ("secret",))
    assert all(made.append(encode_record(one)) for one in records)
    return made


def ids(directory):
    """Return the request ids in the files themselves, as often as they are there."""
    import pyarrow.parquet as pq

    paths = sorted(Path(directory).glob("log/*/*/*.parquet"))
    return sorted(id for path in paths for id in pq.read_table(path)["request_id"].to_pylist())


class Trouble(list):
    def __call__(self, words, error):
        self.append(f"{words}: {error}")


def intake(directory, trouble=None):
    return Intake(Observations(directory), frozenset(), Trouble() if trouble is None else trouble)


def test_records_are_read_back_and_only_their_user_may(tmp_path):
    records = [record(k) for k in range(50)]
    made = filled(tmp_path, records)
    descriptor = segment.share(made.name)
    head = segment.read_head(descriptor)
    assert (head.model, head.exclude, head.start) == ("m", ("secret",), made.start)
    found = segment.parse(os.pread(descriptor, SIZE, head.start), head.start)
    assert (found.records, found.end) == (records, made.end)
    assert Path(made.name).stat().st_mode & 0o777 == 0o600
    os.close(descriptor)
    made.remove()
    assert segment.share(made.name) is None


def test_a_full_segment_takes_no_more(tmp_path):
    made = Segment.create(tmp_path, 4096, "m", ())
    payload = encode_record(record(1, body=b"x" * 1000))
    assert [made.append(payload) for _ in range(5)] == [True, True, True, False, False]
    assert made.count(made.start) == 3
    assert made.append(encode_record(record(2, body=b"")))  # a small one still goes in
    made.remove()


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path):
    with pytest.raises(OSError, match=r"."):
        Segment.create(tmp_path, 1 << 62, "m", ())
    assert list(tmp_path.iterdir()) == []


def test_a_segment_in_memory_can_be_shared():
    made = Segment.in_memory(SIZE, "m", ())
    made.append(encode_record(record(7)))
    descriptor = segment.share(made.name)
    data = os.pread(descriptor, made.end - made.start, made.start)
    assert segment.parse(data, made.start).records == [record(7)]
    os.close(descriptor)
    made.remove()


records_of = st.lists(st.binary(max_size=60), max_size=12)


@given(bodies=records_of, cut=st.integers(0, 2000))
@settings(deadline=None)
def test_what_is_cut_short_is_left_out(tmp_path_factory, bodies, cut):
    directory = tmp_path_factory.mktemp("cut")
    records = [record(k, body=body) for k, body in enumerate(bodies)]
    made = filled(directory, records)
    data = Path(made.name).read_bytes()[made.start : made.end]
    found = segment.parse(data[:cut], 0)
    assert found.records == records[: len(found.records)]
    assert found.end < cut + 8
    if cut >= len(data):
        assert found.records == records
    made.remove()


@given(bodies=records_of, damage=st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=9))))
@settings(deadline=None)
def test_damaged_bytes_give_no_wrong_record(tmp_path_factory, bodies, damage):
    directory = tmp_path_factory.mktemp("damaged")
    records = [record(k, body=body) for k, body in enumerate(bodies)]
    made = filled(directory, records)
    made.release()
    path = Path(made.name)
    data = bytearray(path.read_bytes())
    for at, change in damage:
        data[at : at + len(change)] = change
    path.write_bytes(data)
    found = segment.parse(bytes(data[made.start :]), made.start)
    assert found.records == records[: len(found.records)]
    list(intake(directory).recover())
    assert ids(directory) in ([], sorted(one.id for one in found.records))


@given(data=st.binary(max_size=200))
@settings(deadline=None)
def test_a_file_of_something_else_is_left_alone(tmp_path_factory, data):
    directory = tmp_path_factory.mktemp("other")
    path = directory / "traffic-0123456789.spool"
    path.write_bytes(b"SOMETHING" + data)
    trouble = Trouble()
    assert list(intake(directory, trouble).recover()) == []
    assert path.exists()
    assert len(trouble) == 1


def test_only_spools_of_the_dead_are_taken_over(tmp_path):
    living = filled(tmp_path, [record(1)])
    dead = filled(tmp_path, [record(2), record(3)])
    empty = Segment.create(tmp_path, SIZE, "m", ())
    begun = tmp_path / "traffic-00000000ff.spool"
    begun.write_bytes(bytes(SIZE))  # killed before it had a description
    dead.release()
    empty.release()
    assert sum(intake(tmp_path).recover()) == 2
    assert ids(tmp_path) == ["r2", "r3"]
    assert [str(one) for one in tmp_path.glob("*.spool")] == [living.name]
    (row, _) = Observations(tmp_path).read().to_pylist()
    assert row["model"] == "m"
    living.remove()


def test_features_that_a_spool_names_are_not_kept(tmp_path):
    body = b'{"dataframe_records": [{"age": 1, "secret": "hush"}]}'
    filled(tmp_path, [record(1, body=body)]).release()
    assert list(intake(tmp_path).recover()) == [1]
    assert "features.secret" not in Observations(tmp_path).read().column_names
    assert all(b"hush" not in one.read_bytes() for one in tmp_path.rglob("*") if one.is_file())


def test_a_body_that_makes_no_table_costs_only_itself(tmp_path):
    odd = b'{"dataframe_split": {"columns": ["a"], "data": [1, 2]}}'
    made = filled(tmp_path, [record(1), record(2, body=odd), record(3)])
    trouble = Trouble()
    own = intake(tmp_path, trouble)
    own.add([Stretch(made.name, made.start, made.end)])
    assert own.store()["written"] == 3
    rows = {one["request_id"]: one for one in Observations(tmp_path).read().to_pylist()}
    assert [rows[f"r{k}"]["features.0"] for k in (1, 2, 3)] == [1.0, None, 3.0]
    assert len(trouble) == 1
    made.remove()


def test_a_spool_that_is_gone_is_said_to_be(tmp_path):
    own = intake(tmp_path)
    own.add([Stretch(str(tmp_path / "traffic-0123456789.spool"), 64, 128)])
    assert own.waiting
    assert own.store()["gone"] == [str(tmp_path / "traffic-0123456789.spool")]
    assert not own.waiting


def test_files_are_not_merged_while_their_spool_is_needed(tmp_path):
    made = filled(tmp_path, [record(1)])
    own = intake(tmp_path)
    for number in (2, 3):
        start = made.end
        made.append(encode_record(record(number)))
        own.add([Stretch(made.name, start, made.end)])
        own.store()
    store = Observations(tmp_path)
    assert store.compact(2 * HOUR) == 0
    made.release()
    assert list(intake(tmp_path).recover()) == [1]
    assert ids(tmp_path) == ["r1", "r2", "r3"]
    assert store.compact(2 * HOUR) == 1
    assert ids(tmp_path) == ["r1", "r2", "r3"]


def test_a_name_is_owned_or_shared(tmp_path):
    _, path, first = ownership.create(tmp_path, "traffic", ownership.SHARE)
    second = ownership.take(path, ownership.SHARE)
    assert ownership.take(path, ownership.OWN) is None
    os.close(first)
    assert ownership.take(path, ownership.OWN) is None
    os.close(second)
    owner = ownership.take(path, ownership.OWN)
    assert ownership.take(path, ownership.SHARE) is None
    late = os.open(path, os.O_RDONLY)
    path.unlink()
    os.close(owner)
    assert ownership.take(path, ownership.OWN) is None
    os.close(late)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("answer"), st.integers(1, 4)),
        st.tuples(st.just("store"), st.sampled_from(("said", "unsaid", "half"))),
        st.tuples(st.just("change"), st.just(0)),
        st.tuples(st.just("kill writer"), st.just(0)),
        st.tuples(st.just("kill gateway"), st.booleans()),
        st.tuples(st.just("recover"), st.just(0)),
    ),
    max_size=14,
)


class Life:
    """A gateway and its writers; each may be killed between any two of its steps."""

    def __init__(self, directory):
        self.directory = directory
        self.answered = []
        self.segments = [filled(directory, [])]
        self.intake = intake(directory)
        self.resumed = False

    def answer(self, count):
        for _ in range(count):
            number = len(self.answered)
            # Every second one came before the hour was over: two files for one stretch.
            one = record(number, time=HOUR - 1.0 + 2.0 * (number % 2))
            assert self.segments[-1].append(encode_record(one))
            self.answered.append(one.id)

    def store(self, how):
        for one in self.segments:
            start = one.stored if self.resumed else one.told
            if one.end > start:
                self.intake.add([Stretch(one.name, start, one.end, self.resumed)])
                one.told = one.end
        self.resumed = False
        before = set(self.directory.glob("log/*/*/*.parquet"))
        said = self.intake.store()
        if how == "said":
            for name, end in said["stored"]:
                for one in self.segments[:]:
                    if one.name == name:
                        one.stored = end
                        if one.stored == one.end and one is not self.segments[-1]:
                            self.segments.remove(one)
                            one.remove()
            return
        if how == "half":  # killed after the file of the first hour, before that of the second
            for path in sorted(set(self.directory.glob("log/*/*/*.parquet")) - before)[1:]:
                path.unlink()
        self.kill_writer()

    def change(self, _):
        self.segments.append(filled(self.directory, []))

    def kill_writer(self, _=0):
        self.intake.close()
        self.intake = intake(self.directory)
        self.resumed = True

    def kill_gateway(self, with_writer):
        for one in self.segments:
            one.release()
        self.segments = [filled(self.directory, [])]
        if with_writer:
            self.kill_writer()
        else:  # it finishes what it has, then looks for the rest
            self.intake.store()
            self.recover()
            self.intake = intake(self.directory)
        self.resumed = False

    def recover(self, _=0):
        list(intake(self.directory).recover())


@given(steps=STEPS)
@settings(deadline=None, max_examples=60)
def test_whoever_is_killed_when_every_record_is_stored_once(tmp_path_factory, steps):
    life = Life(tmp_path_factory.mktemp("life"))
    for name, argument in steps:
        getattr(life, name.replace(" ", "_"))(argument)
    life.kill_gateway(True)
    for one in life.segments:
        one.release()
    life.recover()
    assert ids(life.directory) == sorted(life.answered)
    assert list(life.directory.glob("*.spool")) == []
