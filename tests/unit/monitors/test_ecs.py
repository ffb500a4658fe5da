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

from penstock.config.settings import ModelSettings, Settings
from penstock.logs import DEBUG, ERROR, INFO, WARN
from penstock.monitors.alerts import SEVERITIES, Alert
from penstock.monitors.ecs import LEVELS, VERSION, EcsFormatter, alert_line, prediction_line
from penstock.monitors.exports.elasticsearch import FIELDS, OWN, component, elasticsearch

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


def test_templates_are_as_elasticsearch_documents_them():
    model = ModelSettings(name="credit-risk", path="m", test_data="d", target="t")
    settings = Settings(root=Path(), model=model)
    made = elasticsearch(Path(), settings, None)
    template = json.loads(made["index-template.json"])
    assert template["data_stream"] == {}
    assert template["priority"] > 100  # of the built-in template for logs-*-*
    assert template["index_patterns"] == ["logs-penstock.*-credit.risk"]
    policy = template["template"]["settings"]["index.lifecycle.name"]
    for name, path in (
        (f"_ilm/policy/{policy}", "ilm-policy.json"),
        (f"_component_template/{template['composed_of'][0]}", "component-template.json"),
        ("_index_template/penstock-credit.risk", "index-template.json"),
    ):
        assert f"put {name} {path}\n" in made["install.sh"]
        assert path in made
    phases = json.loads(made["ilm-policy.json"])["policy"]["phases"]
    assert phases["hot"]["actions"]["rollover"]["max_age"] == "1d"
    assert phases["delete"] == {"min_age": "30d", "actions": {"delete": {}}}


@pytest.mark.parametrize(
    ("level", "word"),
    [(10, "debug"), (20, "info"), (25, "info"), (30, "warn"), (40, "error"), (50, "error")],
)
def test_all_lines_have_one_vocabulary_of_levels(level, word):
    record = logging.LogRecord("one", level, "file.py", 1, "words", (), None)
    assert json.loads(EcsFormatter().format(record))["log.level"] == word
    assert word in {DEBUG, INFO, WARN, ERROR}


def test_an_alert_has_its_severity_in_the_words_of_the_settings():
    assert set(LEVELS) == set(SEVERITIES)
    for severity, level in LEVELS.items():
        line = alert_line(Alert("drift", severity, "age drifted", 5.0), "firing")
        assert (line["penstock.alert.severity"], line["log.level"]) == (severity, level)
    assert [alert_line(Alert("a", one, "", 5.0), "firing")["event.severity"]
            for one in SEVERITIES] == [0, 100, 200]  # fmt: skip


def test_a_prediction_that_failed_says_so():
    row = {
        "request_id": "r1", "row": 0, "time": 1e9, "version": "3", "role": "shadow",
        "code": 500, "latency": 0.002, "prediction": None,
    }  # fmt: skip
    line = prediction_line(row, model="mini")
    assert line["message"] == "mini version 3 failed with status 500"
    assert (line["event.outcome"], line["log.level"]) == ("failure", "error")
