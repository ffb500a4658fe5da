"""penstock.yaml, fuzzed: settings or a list of problems, each with its place; never a traceback."""

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.config import Settings, check, json_schema, load_settings
from penstock.config.problems import keys_of
from penstock.config.schema import Written
from penstock.errors import ConfigError

MODEL = {"name": "m1", "path": "m", "test_data": "t.csv", "target": "y"}
KEYS = sorted(
    {
        key
        for definition in json_schema()["$defs"].values()
        for form in definition["anyOf"]
        for key in form.get("properties", {})
    }
)
WORDS = [
    "5%",
    "shadow",
    "pause",
    "30s",
    "1GB",
    "header:X",
    "canary",
    "block",
    "off",
    "-1",
    "1e9s",
    "",
]
letters = st.text(st.characters(categories=("L", "N", "P", "S")), max_size=5)
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.sampled_from(WORDS)
    | letters
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | letters, inner, max_size=3)
    ),
    max_leaves=12,
)
files = st.dictionaries(st.sampled_from(keys_of(Written)), values, max_size=5)


def as_yaml(content):
    text = json.dumps(content, ensure_ascii=False)
    return text.replace("NaN", ".nan").replace("Infinity", ".inf")


def written(text):
    directory = tempfile.TemporaryDirectory()
    path = Path(directory.name) / "penstock.yaml"
    path.write_text(text, encoding="utf-8", errors="replace")
    return directory, path


def outcome(path):
    try:
        return check(path)
    except ConfigError as error:
        return error


@given(files, st.booleans())
@settings(max_examples=300, deadline=None)
def test_anything_is_settings_or_problems_with_places(content, sound_model):
    if sound_model:
        content = {**content, "model": MODEL}
    directory, path = written(as_yaml(content))
    with directory:
        found = outcome(path)
        if isinstance(found, ConfigError):
            assert all(one.span is not None and one.message for one in found.problems)
            assert all(one.code.split(".")[0] in ("config", "yaml") for one in found.problems)
        else:
            assert isinstance(found, Settings)
            assert load_settings(path.parent) == found
            assert load_settings(path.parent) == found


@given(st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_text_is_settings_or_problems(text):
    directory, path = written(text)
    with directory:
        assert isinstance(outcome(path), ConfigError)


@given(st.dictionaries(st.sampled_from(KEYS), values, min_size=1, max_size=3))
@settings(max_examples=100, deadline=None)
def test_a_wrong_section_never_hides_another_problem(content):
    content = {"model": {**MODEL, "name": 3}, "serve": {"port": "x", **content}}
    directory, path = written(as_yaml(content))
    with directory:
        found = outcome(path)
        assert isinstance(found, ConfigError)
        assert any(one.message.startswith("model.name") for one in found.problems)
