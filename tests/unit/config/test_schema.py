"""The published JSON Schema: editors accept what penstock accepts, and mark what it refuses."""

import json
import re
from pathlib import Path

import pytest

from penstock.config import check, json_schema
from penstock.config.source import read
from penstock.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = json_schema()
MODEL = "model: {name: m1, path: m, test_data: t.csv, target: y}\n"
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
    "integer": int,
    "number": (int, float),
}


def is_a(value, name):
    if isinstance(value, bool) and name in ("integer", "number"):
        return False
    return isinstance(value, TYPES[name])


def accepts(schema, value):
    """The keywords of JSON Schema 2020-12 that the published schema uses."""
    if "$ref" in schema:
        return accepts(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], value)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(is_a(value, kind) for kind in kinds):
        return False
    if "anyOf" in schema and not any(accepts(one, value) for one in schema["anyOf"]):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str):
        return re.search(schema.get("pattern", ""), value) is not None and len(value) >= schema.get(
            "minLength", 0
        )
    if is_a(value, "number"):
        above = schema.get("exclusiveMinimum", value - 1)
        below = schema.get("exclusiveMaximum", value + 1)
        return (
            schema.get("minimum", value) <= value <= schema.get("maximum", value)
            and above < value < below
        )
    if isinstance(value, list):
        return all(accepts(schema.get("items", {}), one) for one in value)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
        if others is False and not set(value) <= set(known):
            return False
        inner = others if isinstance(others, dict) else {}
        return set(schema.get("required", ())) <= set(value) and all(
            accepts(known.get(key, inner), one) for key, one in value.items()
        )
    return True


RIGHT = [
    "gates: [a, {condition: b}]",
    "gates: {conditions: [a], memory: 1GB, adaptivity: passes(3)}",
    "gates:\nserve:\ntests:\nrollout:\nenvironments:\n",
    "rollout: {steps: [shadow, 5%, 6, pause, {weight: 7%, hold: 3s}, {shadow: {hold: 1s}}]}",
    "rollout: {rules: [errors, {name: latency, slo: 200ms}], freeze: 'Fri 16:00-Mon 08:00'}",
    "rollout: {max_duration: 1h30m, probation: 5}",
    "tests: {a: x, b: [x], c: {before: x}}",
    "monitor: {notify: [log, {kind: slack, to: $HOOK}], retention: 30d}",
    "retrain: {triggers: [drift], quiet_hours: ['22:00-06:00']}",
    "retrain: {search: {params: {a: {low: 1, high: 2}, b: {choices: [x]}}}}",
    "environments: {production: , staging: {serve: {port: 1}}}",
    "serve: {memory: 512MiB, log: {sample: 0.5, exclude: name}}",
]
WRONG = [
    "gate: []",
    "serve: {prot: 1}",
    "serve: {port: x}",
    "serve: {port: 70000}",
    "serve: {memory: 5}",
    "serve: {memory: 5 apples}",
    "serve: {sticky: cookie}",
    "rollout: {strategy: canry}",
    "rollout: {steps: [sahdow]}",
    "rollout: {alpha: 0.5}",
    "gates: {adaptivity: some}",
    "gates: [{inconclusive: pass}]",
    "retrain: {quiet_hours: night}",
    "tests: {a: 3}",
]


@pytest.mark.parametrize("text", RIGHT)
def test_editors_accept_what_penstock_accepts(text, tmp_path):
    (tmp_path / "penstock.yaml").write_text(MODEL + text, encoding="utf-8")
    check(tmp_path / "penstock.yaml")
    assert accepts(SCHEMA, read(MODEL + text).value)


@pytest.mark.parametrize("text", WRONG)
def test_editors_mark_what_penstock_refuses(text, tmp_path):
    (tmp_path / "penstock.yaml").write_text(MODEL + text, encoding="utf-8")
    with pytest.raises(ConfigError):
        check(tmp_path / "penstock.yaml")
    assert not accepts(SCHEMA, read(MODEL + text).value)


@pytest.mark.parametrize(
    "path",
    [*ROOT.glob("tests/projects/*/penstock.yaml"), *ROOT.glob("src/penstock/demo/*/penstock.yaml")],
    ids=lambda path: path.parent.name,
)
def test_projects_are_accepted(path):
    assert accepts(SCHEMA, read(path).value)


def test_the_published_file_is_this_schema():
    published = ROOT / "docs" / "reference" / "penstock.schema.json"
    assert json.loads(published.read_text(encoding="utf-8")) == SCHEMA
