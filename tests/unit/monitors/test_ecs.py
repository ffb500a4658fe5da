"""Log lines against the official definitions of the Elastic Common Schema.

`ecs_fields.json` holds the definitions of the fields that penstock writes, taken as they are from
Elastic's own package; a field that is not in it, nor below ``penstock.`` or ``labels.``, is wrong.
"""

import datetime as dt
import json
import logging
import sys
from pathlib import Path

import pytest

from penstock.monitors.alerts import Alert
from penstock.monitors.ecs import VERSION, EcsFormatter, alert_line, prediction_line
from penstock.monitors.exports.elasticsearch import FIELDS, OWN, component, index

OFFICIAL = json.loads((Path(__file__).parent / "ecs_fields.json").read_text())


def formatted():
    logger = logging.getLogger("penstock.test.ecs")
    try:
        int("broken")
    except ValueError:
        record = logger.makeRecord(
            logger.name, logging.ERROR, "file.py", 12, "run %s", ("r1",), sys.exc_info(), "work",
            {"penstock.run": "r1", "customer": 7},
        )  # fmt: skip
    text = EcsFormatter(version="1.0", environment="production").format(record)
    assert "\n" not in text
    return json.loads(text)


def alert():
    return alert_line(
        Alert("drift", "severe", "age drifted", 5.0, 2.0, 1.0, "a cause", "penstock retrain",
              "mini", "3", 6.0),
        "firing",
    )  # fmt: skip


def prediction():
    row = {
        "request_id": "r1", "row": 0, "time": 1e9, "model": "mini", "version": "3",
        "role": "champion", "code": 200, "latency": 0.002, "prediction": 0.25, "label": "yes",
        "features.age": 41.0, "features.carrier": "AA", "features.gap": None,
    }  # fmt: skip
    return prediction_line(row, model="mini")


LINES = [formatted(), alert(), prediction()]


def right(kind, value):
    """Whether a value is what a mapping of this type takes."""
    if kind == "date":
        dt.datetime.fromisoformat(value)
        return value.endswith("Z")
    if kind in {"long", "integer"}:
        return type(value) is int
    if kind == "double":
        return type(value) in (int, float)
    return isinstance(value, dict) if kind == "flattened" else isinstance(value, str)


@pytest.mark.parametrize("line", LINES, ids=["formatter", "alert", "prediction"])
def test_every_field_is_official_or_our_own_and_of_the_right_type(line):
    for name, value in line.items():
        if name.startswith("labels."):
            assert isinstance(value, str)
            continue
        if name in OWN:
            assert right(OWN[name]["type"], value), name
            continue
        official = OFFICIAL["fields"][name]
        values = value if "array" in official["normalize"] else [value]
        assert isinstance(values, list), name
        assert all(right(official["type"], one) for one in values), name
        if official["allowed_values"]:
            assert set(values) <= set(official["allowed_values"]), name


@pytest.mark.parametrize("line", LINES, ids=["formatter", "alert", "prediction"])
def test_what_the_logging_specification_requires(line):
    assert list(line)[:3] == ["@timestamp", "log.level", "message"]
    assert line["ecs.version"] == VERSION == OFFICIAL["version"]


def test_event_types_are_those_expected_of_their_category():
    line = prediction()
    expected = OFFICIAL["fields"]["event.category"]["expected_event_types"]
    for category in line["event.category"]:
        assert set(line["event.type"]) <= set(expected[category])


def test_a_thousand_features_are_one_field():
    line = prediction()
    assert line["penstock.features"] == {"age": 41.0, "carrier": "AA"}
    assert line["penstock.label.text"] == "yes"


def test_the_error_is_told_with_its_trace():
    line = formatted()
    assert line["error.type"] == "ValueError"
    assert "broken" in line["error.stack_trace"]
    assert line["labels.customer"] == "7"
    assert line["penstock.run"] == "r1"


def test_the_index_template_maps_official_fields_as_they_are():
    for name, mapping in FIELDS.items():
        assert mapping["type"] == OFFICIAL["fields"][name]["type"], name


def test_every_field_that_is_written_is_mapped():
    mapped = component()["template"]["mappings"]
    assert mapped["dynamic"] is False
    for line in LINES:
        for name in line:
            place = mapped["properties"]
            for part in name.split("."):
                assert part in place, name
                if "properties" not in place[part]:
                    break  # a field, or an object that takes any name
                place = place[part]["properties"]
    assert index()["data_stream"] == {}
    assert index()["priority"] > 100
