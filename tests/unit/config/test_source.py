"""The YAML reader: values as DVC reads them, a place for each, one kind of error."""

import time
from itertools import pairwise

import pytest

from penstock.config.source import MAX_DEPTH, read
from penstock.errors import ConfigError, Span


def problem(text):
    with pytest.raises(ConfigError) as caught:
        read(text, file="x.yaml")
    first = caught.value.problems[0]
    return first.code, (first.span.line, first.span.column) if first.span else None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("on", "on"),
        ("yes", "yes"),
        ("12:30", "12:30"),
        ("010", 10),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("1e3", 1000.0),
        ("1e-3", 0.001),
        ("-.5", -0.5),
        ("1_000", 1000),
        ("True", True),
        ("~", None),
        ("", None),
        ("'1'", "1"),
        ('"on"', "on"),
        ("5%", "5%"),
        (".", "."),
        ("+", "+"),
        ("2013-01-31", "2013-01-31"),
        ("!!str 1", "1"),
        ("!!int '7'", 7),
        ("!!float 1", 1.0),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    found = read(f"a: {text}").value["a"]
    assert (found, type(found)) == (value, type(value))


def test_places_of_values_and_keys():
    document = read("model:\n  name: x\nstages:\n  - {cmd: run, deps: [a, 'b c']}\n", file="f")
    assert document.span(("model", "name")) == Span("f", 2, 9, 10)
    assert document.span(("model", "name"), key=True) == Span("f", 2, 3, 7)
    assert document.span(("stages", 0, "deps", 1)) == Span("f", 4, 26, 31)
    assert document.span(("stages", 0)).line == 4
    assert document.span(("stages", 0, "nothing", "here")) == document.span(("stages", 0))
    assert document.span() == Span("f", 1, 1)


def test_merges_and_aliases_have_places():
    document = read("a: &a {p: 1, q: 1}\nb:\n  <<: *a\n  q: 2\nc: *a\n")
    assert document.value["b"] == {"p": 1, "q": 2}
    assert document.value["c"] == {"p": 1, "q": 1}
    assert document.span(("b", "p")).line == 1
    assert document.span(("b", "q")).line == 4


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("a: 1\na: 2\n", "yaml.duplicate-key", (2, 1)),
        ("x:\n\ty: 1\n", "yaml.syntax", (2, 1)),
        ("a: b: c\n", "yaml.syntax", (1, 5)),
        ("a: @x\n", "yaml.syntax", (1, 4)),
        ("a: [1\nb: 2\n", "yaml.syntax", (2, 2)),
        ("a: 'x\n", "yaml.syntax", None),
        ("a: *x\n", "yaml.syntax", (1, 4)),
        ("a: &x [*x]\n", "yaml.aliases", (1, 4)),
        ("a: &x {<<: *x}\n", "yaml.aliases", (1, 4)),
        ("a: {<<: 3}\n", "yaml.merge", (1, 9)),
        ("---\na\n---\nb\n", "yaml.syntax", (3, 1)),
        ("? [a]\n: b\n", "yaml.key", (1, 3)),
        ("a: !thing 1\n", "yaml.tag", (1, 4)),
        ("a: !!python/object:os.system {}\n", "yaml.tag", (1, 4)),
        ("a: !!int x\n", "yaml.tag", (1, 4)),
        ("a: \x00\n", "yaml.encoding", (1, 4)),
        ("a: \ud800\n", "yaml.encoding", (1, 4)),
        ("[" * 500, "yaml.too-deep", (1, MAX_DEPTH + 1)),
        ("[" * 100_000, "yaml.too-deep", None),
        ("- " * 20_000, "yaml.too-deep", (1, 2 * MAX_DEPTH + 1)),
        ("{a: " * 20_000, "yaml.too-deep", None),
    ],
)
def test_what_is_wrong_has_a_code_and_a_place(text, code, place):
    found, where = problem(text)
    assert found == code
    assert place is None or where == place


def test_every_duplicate_key_is_named():
    with pytest.raises(ConfigError) as caught:
        read("a: 1\na: 2\nb: {c: 1, c: 2}\n")
    assert [one.message for one in caught.value.problems] == [
        "key 'a' stands twice",
        "key 'c' stands twice",
    ]


def test_aliases_that_unfold_into_too_much_are_refused():
    names = "abcdefghijkl"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, name in pairwise(names):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    assert problem("\n".join(lines))[0] == "yaml.aliases"


def test_files_with_a_mark_in_utf_16_or_badly_encoded(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_bytes("﻿a: ä\n".encode())
    assert read(path).value == {"a": "ä"}
    path.write_bytes("a: ä\n".encode("utf-16"))
    assert read(path).value == {"a": "ä"}
    path.write_bytes(b"a: ok\nb: \xe4\n")
    with pytest.raises(ConfigError) as caught:
        read(path, file="x.yaml")
    assert caught.value.span == Span("x.yaml", 2, 4)


def test_files_that_cannot_be_read(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError) as caught:
            read(path)
        assert caught.value.code in ("yaml.not-found", "yaml.unreadable")
        assert caught.value.hint


def test_an_empty_file_is_nothing():
    assert read("").value is None
    assert read("# only words\n").span() == Span("<text>", 1, 1)


def test_five_thousand_lines_are_read_in_a_moment():
    lines = ["stages:"]
    for index in range(500):
        lines += [f"  s{index}:", f"    cmd: python x.py {index}", "    deps: [a.csv, x.py]"]
        lines += ["    outs:", f"      - out/{index}:", "          cache: true"] + ["    # ."] * 4
    started = time.process_time()
    assert len(read("\n".join(lines)).value["stages"]) == 500
    assert time.process_time() - started < 2
