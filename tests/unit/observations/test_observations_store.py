import json

import pytest

from penstock.inference import frames
from penstock.observations import Observations
from penstock.observations.bodies import features, predictions
from penstock.observations.records import SPOOLED, MessageReader, Record, Stretch, encode

HOUR = 3600.0


def record(k, time, body=None, answer=None, **changes):
    item = {"dataframe_records": [{"age": k, "town": "Ulm"}]} if body is None else body
    made = {
        "id": f"r{k}",
        "time": time,
        "version": "1",
        "role": "champion",
        "status": 200,
        "seconds": 0.01,
        "kind": frames.INVOCATIONS_JSON,
        "body": json.dumps(item).encode(),
        "answer": json.dumps({"predictions": [k % 2] if answer is None else answer}).encode(),
    }
    return Record(**{**made, **changes})


def test_a_window_is_read_back(tmp_path):
    store = Observations(tmp_path)
    store.append_batch([record(k, 1000.0 + k) for k in range(10)], model="m")
    store.append_batch([record(k, 2000.0 + k, version="2") for k in range(10)], model="m")
    table = store.read(1005.0, 2005.0).to_pandas()
    assert list(table["request_id"]) == [f"r{k}" for k in [*range(5, 10), *range(5)]]
    assert list(store.read(version="2").to_pandas()["time"]) == [2000.0 + k for k in range(10)]
    assert store.read(role="shadow").num_rows == 0
    assert store.count(1005.0, 2005.0) == 10
    assert list(store.features(since=2000.0)["age"]) == list(range(10))


def test_nothing_was_written(tmp_path):
    store = Observations(tmp_path / "none")
    assert store.read().num_rows == 0
    assert store.count() == 0
    assert store.compact(1e12) == 0


def test_the_last_label_wins_and_belongs_to_its_row(tmp_path):
    store = Observations(tmp_path)
    two = {"dataframe_records": [{"age": 1}, {"age": 2}]}
    store.append_batch([record(0, 10.0, two, [0, 1]), record(1, 11.0)])
    store.label("r0", 1, now=20.0)
    store.label("r0", 0, now=30.0)
    store.label("r0", 5, row=1, now=15.0)
    store.label("unknown", 1, now=20.0)
    table = store.read().to_pandas().set_index(["request_id", "row"])
    assert table.loc[("r0", 0), "label"] == 0
    assert table.loc[("r0", 1), "label"] == 5
    assert table["label"].isna().sum() == 1
    assert "label" not in store.read(labels=False).column_names


def test_types_that_change_become_text(tmp_path):
    store = Observations(tmp_path)
    store.append_batch([record(0, 10.0, {"dataframe_records": [{"x": 1}]}, ["yes"])])
    store.append_batch([record(1, 20.0, {"dataframe_records": [{"x": "one"}]}, [1.5])])
    table = store.read().to_pylist()
    assert [one["features.x"] for one in table] == ["1", "one"]
    assert [one["prediction"] for one in table] == ["yes", "1.5"]


def test_files_are_merged_by_hour_and_expire(tmp_path):
    store = Observations(tmp_path)
    for k in range(6):
        store.append_batch([record(k, k * HOUR / 2)])
        store.label(f"r{k}", 1, now=k * HOUR / 2)
    before = store.read().to_pylist()
    assert store.compact(3 * HOUR) == 4  # two hours of traffic and two of labels
    assert store.read().to_pylist() == before
    assert store.compact(3 * HOUR) == 0
    assert store.expire(HOUR) == 2
    assert [one["request_id"] for one in store.read().to_pylist()] == ["r2", "r3", "r4", "r5"]


def test_a_crash_between_writing_and_deleting_duplicates_nothing(tmp_path):
    store = Observations(tmp_path)
    store.append_batch([record(0, 10.0)])
    (file,) = tmp_path.rglob("*.parquet")
    file.with_name("0000000010000-0000000010001-copy.parquet").write_bytes(file.read_bytes())
    assert store.read().num_rows == 1


def test_excluded_features_and_failed_requests(tmp_path):
    store = Observations(tmp_path)
    bad = record(1, 11.0, status=500, answer="x")
    store.append_batch([record(0, 10.0), bad], exclude={"town"})
    table = store.read()
    assert "features.town" not in table.column_names
    assert [one["prediction"] for one in table.to_pylist()] == [0.0, None]


@pytest.mark.parametrize(
    ("kind", "body", "names", "rows"),
    [
        (1, b'{"inputs": [[1, 2], [3, 4]]}', ("0", "1"), [[1, 2], [3, 4]]),
        (1, b'{"instances": [1, 2]}', ("0",), [[1], [2]]),
        (1, b'{"inputs": {"a": [1, 2], "b": ["x", "y"]}}', ("a", "b"), [[1, "x"], [2, "y"]]),
        (1, b'{"dataframe_split": {"columns": ["a"], "data": [[1]]}}', ("a",), [[1]]),
        (1, b'{"instances": [{"a": 1}, {"b": 2}]}', ("a", "b"), [[1, None], [None, 2]]),
        (2, b"a,b\n1,x\n2,y\n", ("a", "b"), [[1, "x"], [2, "y"]]),
        (
            5,
            b'{"inputs":[{"name":"a","shape":[2],"data":[1,2]},{"name":"b","shape":[2],"data":[3,4]}]}',
            ("a", "b"),
            [[1, 3], [2, 4]],
        ),
        (
            5,
            b'{"inputs": [{"name": "x", "shape": [2, 2], "data": [[1, 2], [3, 4]]}]}',
            ("0", "1"),
            [[1, 2], [3, 4]],
        ),
        (1, b"", (), []),
        (1, b"[]", (), []),
        (1, b'{"inputs": []}', (), []),
        (1, b'{"inputs": {"a": [1], "b": [1, 2]}}', (), []),
        (3, b"no parquet", (), []),
        (5, b'{"inputs": []}', (), []),
    ],
)
def test_features_of_all_forms(kind, body, names, rows):
    found = features(kind, body)
    assert (found.names, [list(row) for row in found.values]) == (names, rows)


def test_predictions_of_all_forms():
    assert predictions(b'{"predictions": [1, 2]}') == [1, 2]
    assert predictions(b'{"predictions": 1}') == [1]
    assert predictions(b'{"outputs": [{"data": ["a"]}]}') == ["a"]
    assert predictions(b"no json") == []
    assert predictions(b"{}") == []


def test_messages_survive_any_splitting():
    told = [Stretch("a name", 8 * k, 8 * k + 8) for k in range(5)]
    stream = encode(SPOOLED, told[:2]) + encode(SPOOLED, told[2:])
    for size in (1, 7, 100, len(stream)):
        reader = MessageReader()
        found = []
        for at in range(0, len(stream), size):
            for items in reader.feed(stream[at : at + size]):
                found += items
        assert found == told


def test_a_merge_that_was_killed_doubles_nothing(tmp_path):
    store = Observations(tmp_path)
    for k in range(4):
        store.append_batch([record(k, 10.0 * k)])
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.parquet")}
    before = store.read().to_pylist()
    assert store.compact(HOUR * 2) == 1
    for path, content in kept.items():  # as if it had been killed before it removed them
        path.write_bytes(content)
    assert store.read().to_pylist() == before
    assert store.compact(HOUR * 2) == 1
    (left,) = tmp_path.rglob("*.parquet")
    assert left not in kept
    assert store.read().to_pylist() == before


def test_columns_that_are_asked_for(tmp_path):
    store = Observations(tmp_path)
    store.append_batch([record(k, 10.0 + k) for k in range(3)])
    table = store.read(version="1", columns=("prediction", "features.age"), labels=False)
    assert set(table.column_names) == {"prediction", "features.age"}
    assert table["features.age"].to_pylist() == [0, 1, 2]
    assert "label" in store.read(columns=("row",)).column_names
    assert store.first() == 10.0
    assert Observations(tmp_path / "none").first() is None


def test_labels_of_a_span(tmp_path):
    store = Observations(tmp_path)
    store.label("r0", 1, now=20.0)
    store.label("r0", 0, now=30.0)
    store.label("r1", 1, now=40.0)
    assert store.labels(20.0, 40.0).to_pylist() == [
        {"request_id": "r0", "row": 0, "label": 0.0, "label_time": 30.0}
    ]
    assert store.labels(50.0) is None


def test_empty_folders_go_with_their_files(tmp_path):
    store = Observations(tmp_path)
    store.append_batch([record(1, HOUR), record(2, 30 * HOUR)])
    assert store.expire(20 * HOUR) == 1
    assert [one.name for one in (tmp_path / "log").iterdir()] == ["1970-01-02"]
