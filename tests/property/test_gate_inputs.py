"""Whatever a person writes as a schema or a test target: an error with its place, or a value."""

import io
import pickle
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import ConfigError, Span
from penstock.gates.data_schema import TYPES, read_schema
from penstock.gates.pickle_reader import read_pickles
from penstock.gates.targets import StageTest, target_problems

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(allow_nan=True), st.text(max_size=6)
)
words = st.sampled_from(
    ["columns", "rows", "type", "min", "max", "missing", "values", "pattern", "unique", *TYPES]
)
values = st.recursive(
    st.one_of(scalars, words),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(words, st.text(max_size=4)), inner)
    ),
    max_leaves=12,
)
rules = st.dictionaries(words, values, max_size=4)
schemas = st.one_of(
    values,
    st.fixed_dictionaries(
        {"columns": st.dictionaries(st.text(min_size=1, max_size=4), st.one_of(rules, values))}
    ),
)


def problems_of(text):
    """Return what is wrong with the text of a schema, nothing when it is one."""
    try:
        read_schema(text, file="schema.yaml")
    except ConfigError as error:
        return error.problems
    return ()


@settings(max_examples=100, deadline=None)
@given(schemas)
def test_any_yaml_is_a_schema_or_has_a_place(value):
    for one in problems_of(yaml.safe_dump(value, allow_unicode=True)):
        assert one.span.line >= 1
        assert one.span.column >= 1


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_a_schema_or_an_error(text):
    assert all(one.span is not None for one in problems_of(text))


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40), st.text(max_size=8))
def test_any_target_is_found_or_has_a_place(target, when):
    span = Span("penstock.yaml", 3, 9)
    here = Path(__file__).parent
    for one in target_problems(here, StageTest("train", when, (target,), span)):
        assert one.span == span
        assert one.message


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_can_be_read_as_a_pickle_without_running(data):
    found = read_pickles(io.BytesIO(b"\x80\x04" + data))
    assert found.pickles > 0 or found.error


plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(
        st.lists(inner), st.tuples(inner, inner), st.dictionaries(st.text(), inner)
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(plain, st.integers(0, 5))
def test_every_harmless_pickle_is_read_to_its_end(value, protocol):
    found = read_pickles(io.BytesIO(pickle.dumps(value, protocol=protocol)))
    assert found.error is None
    assert found.pickles == 1
    assert found.imports <= {("_codecs", "encode"), ("__builtin__", "bytes"), ("builtins", "bytes")}
