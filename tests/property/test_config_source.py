"""The YAML reader against ruamel.yaml, which DVC uses, and against any text at all."""

import json
import math
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from penstock.config.source import Document, read
from penstock.errors import ConfigError

letters = st.sampled_from("0123456789+-._eEoxbXOB:~nulTtrefaisyNINF ")
scalars = st.text(letters, min_size=1, max_size=8)
soup = st.lists(
    st.sampled_from(
        ["a", "b", ": ", ":", "- ", "\n", "  ", "\t", "[", "]", "{", "}", ",", "&x ", "*x", "!t ",
         "'", '"', "|\n", ">\n", "#", "? ", "<<", "%", "---\n", "...", "1", "~", "\\", "é", "\0",
         "﻿", "@", "`"]
    ),
    max_size=40,
).map("".join)  # fmt: skip


def same(ours, theirs):
    if isinstance(ours, float) and isinstance(theirs, float) and math.isnan(ours):
        return math.isnan(theirs)
    return type(ours) is type(theirs) and ours == theirs


@given(scalars)
@example("1__0")
@example("0o")
@example("-0x_")
@example("2001-12-14t21:59:43.10-05:00")
@example("0001-01-01")
@settings(max_examples=400, deadline=None)
def test_plain_scalars_mean_what_they_mean_to_dvc(text):
    line = f"a: {text}\n"
    try:
        theirs = YAML(typ="safe").load(line)
    except (YAMLError, ValueError, OverflowError):
        return
    if not isinstance(theirs, dict) or isinstance(theirs["a"], dict):
        return
    assert same(read(line, dates=True).value["a"], theirs["a"]), theirs


def outcome(source):
    """What came of reading: a document, or the one error that may be raised."""
    try:
        return read(source, file="x.yaml")
    except ConfigError as error:
        return error


@given(soup | st.text(max_size=60))
@settings(max_examples=600, deadline=None)
def test_any_text_is_read_or_refused_with_a_place(text):
    found = outcome(text)
    if isinstance(found, ConfigError):
        assert all(one.code.startswith("yaml.") and one.message for one in found.problems)
        assert all(one.span is not None and one.span.line >= 1 for one in found.problems)
    else:
        assert found.span().line >= 1


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_read_or_refused(data):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "x.yaml"
        path.write_bytes(data)
        assert isinstance(outcome(path), ConfigError | Document)


texts = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp"), exclude_characters="\ufffe\uffff")
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)


@given(values)
@settings(max_examples=200, deadline=None)
def test_json_is_yaml(value):
    assert read(json.dumps({"a": value}, ensure_ascii=False)).value == {"a": value}
