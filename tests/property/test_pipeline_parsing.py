"""Whatever dvc.yaml, dvc.lock and parameter files hold, reading them raises ConfigError alone."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.config import source
from penstock.errors import ConfigError
from penstock.pipeline import emit, graph, lockfile, parameters
from penstock.pipeline.dvcyaml import DvcYaml

WORDS = (
    "stages", "vars", "params", "metrics", "plots", "artifacts", "cmd", "wdir", "deps", "outs",
    "foreach", "do", "matrix", "frozen", "always_changed", "meta", "desc", "cache", "persist",
    "remote", "push", "penstock", "cpus", "memory", "gpus", "limit", "timeout", "retries", "env",
    "times", "delay", "path", "a", "b", "a/b", "../x", "/abs", ".", "", "a/", "x:y", "s3://b/k",
    "${a}", "${item}", "${item.x}", "${key}", "${a[0]}", "${a.b.c}", "${", "${}", "\\${a}",
    "${a} ${b}", "${a..b}", "params.yaml", "params.yaml:a,b", "dvc.yaml", "echo ${a} > b", "1GB",
)  # fmt: skip
scalars = st.one_of(
    st.sampled_from(WORDS),
    st.none(),
    st.booleans(),
    st.integers(-3, 10**6),
    st.floats(),
    st.text(max_size=6),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(WORDS), st.text(max_size=4)), inner, max_size=4),
    ),
    max_leaves=12,
)
paths = st.sampled_from([word for word in WORDS if word and "$" not in word])
listed = st.lists(st.one_of(paths, st.dictionaries(paths, values, max_size=1), values), max_size=3)
stage = st.fixed_dictionaries(
    {"cmd": st.one_of(st.sampled_from(["echo ${a}", "echo ${item}", "true"]), values)},
    optional={
        "deps": listed,
        "outs": listed,
        "metrics": listed,
        "plots": listed,
        "params": listed,
        "vars": listed,
        "wdir": st.one_of(paths, values),
        "frozen": st.one_of(st.booleans(), values),
        "matrix": st.dictionaries(st.sampled_from("xy"), st.one_of(st.lists(values), values)),
        "meta": st.one_of(values, st.fixed_dictionaries({"penstock": values})),
        "odd": values,
    },
)
looped = st.fixed_dictionaries({"foreach": values, "do": st.one_of(stage, values)})
stages = st.dictionaries(
    st.one_of(st.sampled_from("abc"), st.text(max_size=3)),
    st.one_of(stage, looped, values),
    max_size=4,
)
dvc_yaml = st.fixed_dictionaries(
    {"stages": st.one_of(stages, values)},
    optional={
        "vars": st.one_of(st.lists(values, max_size=3), values),
        "params": listed,
        "metrics": listed,
        "plots": listed,
        "artifacts": st.one_of(values, st.dictionaries(paths, values, max_size=2)),
    },
)


def read(text: str, params: Any) -> None:
    """Do with a dvc.yaml what loading a project does with it."""
    document = source.read(text, file="dvc.yaml")
    reader = DvcYaml(document, "", lambda _: params, lambda _: "")
    made, problems = reader.read()
    for problem in problems:
        assert problem.span is not None
        assert problem.span.file == "dvc.yaml"
    if not problems:
        for section in ("params", "metrics", "plots"):
            reader.listed(section)
        reader.artifacts()
        upstream, _ = graph.connect({one.address: one for one in made})
        graph.order(upstream)


@given(dvc_yaml, st.one_of(st.none(), values))
@settings(max_examples=150, deadline=None)
def test_any_structure(data, params):
    with contextlib.suppress(ConfigError):
        read(json.dumps(data, allow_nan=True), params)


@given(st.text(max_size=80))
@settings(max_examples=300, deadline=None)
def test_any_text(text):
    with contextlib.suppress(ConfigError):
        read(text, None)
    for suffix in (".yaml", ".json", ".toml", ".py"):
        try:
            whole = parameters.parse(text, suffix, f"params{suffix}")
        except ConfigError:
            continue
        parameters.select(whole, ["a", "a.b", "0"])
        parameters.select(whole, [])
    with contextlib.suppress(ConfigError):
        lockfile.parse(text, "dvc.lock")


@given(values)
@settings(max_examples=100, deadline=None)
def test_any_lock_file(data):
    for text in (json.dumps(data), json.dumps({"schema": "2.0", "stages": data})):
        with contextlib.suppress(ConfigError):
            lockfile.parse(text, "dvc.lock")


names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=30
)
plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    names,
    st.sampled_from(WORDS),
)
parameter_values = st.recursive(
    plain,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)
items = st.fixed_dictionaries(
    {
        "path": names,
        "hash": st.just("md5"),
        "md5": st.text("0123456789abcdefx.", min_size=1, max_size=32),
        "size": st.integers(0),
    }
)
entries = st.fixed_dictionaries(
    {"cmd": st.one_of(names, st.lists(names, min_size=1, max_size=3))},
    optional={
        "deps": st.lists(items, min_size=1, max_size=2),
        "params": st.dictionaries(
            names, st.dictionaries(names, parameter_values, min_size=1, max_size=2), max_size=2
        ),
        "outs": st.lists(items, min_size=1, max_size=2),
    },
)


@given(names, entries)
@settings(max_examples=120, deadline=None)
def test_entries_are_written_as_the_library_of_dvc_writes_them(name, entry):
    block = emit.stage_block(name, entry)
    assert block == emit.by_library({"stages": {name: entry}}).partition("\n")[2]
    text = lockfile.updated("", {name: entry}, "dvc.lock")
    assert lockfile.parse(text, "dvc.lock") == {name: entry}
    # And once more into a file that is there.
    again = lockfile.updated(text, {name: entry, "other": {"cmd": "true"}}, "dvc.lock")
    assert lockfile.parse(again, "dvc.lock") == {name: entry, "other": {"cmd": "true"}}
