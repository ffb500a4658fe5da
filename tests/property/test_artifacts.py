"""Properties of the store, for any names, contents and files that people write."""

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.artifacts import DvcConfig, HashIndex, Store, load_dvc_file
from penstock.artifacts.configfile import parse_config
from penstock.artifacts.listing import is_inside, listing_bytes, parse_listing
from penstock.errors import ConfigError, StateError

digests = st.text("0123456789abcdef", min_size=32, max_size=32)
names = st.text(
    st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
).filter(lambda name: name not in (".", "..", ".dvc", ".git", ".hg", ".dvcignore"))
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
odd_text = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(
            ["[core]", "['remote \"x\"']", "[[", "]", "a", " = ", "b, c", '"', "'''", "#", "\n"]
        ),
        max_size=30,
    ).map("".join),
)


@given(st.dictionaries(paths, digests))
@example({"a/b": "0" * 32, "a-b": "1" * 32, "a.b": "2" * 32, "é": "3" * 32, "😀": "4" * 32})
def test_listings_are_the_bytes_that_dvc_writes(files):
    entries = [{"relpath": path, "md5": md5} for path, md5 in files.items()]
    entries.sort(key=lambda entry: entry["relpath"])
    content = listing_bytes(files)
    assert content == json.dumps(entries, sort_keys=True).encode()
    assert parse_listing(content, "x.dir") == files


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["md5", "relpath"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_no_listing_is_a_traceback(content):
    with contextlib.suppress(StateError):
        assert all(is_inside(path) for path in parse_listing(content, "x.dir"))


@given(odd_text)
@example("[a]\nb = '")
@example("[a]\nb = %(b)s")
@example("[a]\nb = %(c)s\nc = %(b)s%(b)s")
def test_no_config_is_a_traceback(text):
    with contextlib.suppress(ConfigError):
        assert all(isinstance(one, dict) for one in parse_config(text, "config").values())


@given(
    st.dictionaries(
        st.text("abcxyz_", min_size=1, max_size=5),
        st.one_of(
            st.text("ab %/:.$@-", max_size=8).map(str.strip),
            st.lists(st.text("ab/:", min_size=1, max_size=4), max_size=3),
            st.text("ab #,='", max_size=8).map(lambda text: f'"{text}"'),
        ),
        max_size=4,
    )
)
def test_config_means_what_it_means_to_dvc(options):
    from configobj import ConfigObj

    lines = ["[section]"]
    for key, value in options.items():
        text = ", ".join(value) + "," if isinstance(value, list) else value
        lines.append(f"{key} = {text}")
    theirs = ConfigObj([*lines]).dict()
    assert parse_config("\n".join(lines), "config") == theirs


@settings(max_examples=50, deadline=None)
@given(odd_text)
def test_no_configuration_or_dvc_file_of_a_project_is_a_traceback(text):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / ".dvc").mkdir()
        (root / ".dvc" / "config").write_text(text)
        (root / "x.dvc").write_text(text)
        for load in (lambda: DvcConfig.load(root), lambda: load_dvc_file(root / "x.dvc")):
            with contextlib.suppress(ConfigError):
                load()


def _no_file_is_a_directory(files):
    return not any(
        other.startswith(f"{path}/") for path in files for other in files if other != path
    )


trees = st.dictionaries(paths, st.binary(max_size=40), min_size=1, max_size=6).filter(
    _no_file_is_a_directory
)


def _make(directory, files):
    shutil.rmtree(directory, ignore_errors=True)
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


@settings(max_examples=30, deadline=None)
@given(trees, trees, st.sampled_from(["copy", "hardlink", "symlink"]))
def test_whatever_was_saved_comes_back_over_whatever_is_there(first, second, kind):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / ".dvc").mkdir()
        (root / ".dvc" / "config").write_text(f"[cache]\ntype = {kind}\n")
        store = Store(DvcConfig.load(root), HashIndex.open(root))
        artifacts = []
        for files in (first, second):
            _make(root / "data", files)
            artifacts.append(store.hash(root / "data", name="data"))
            store.save(root / "data", artifacts[-1])
        for artifact, files in zip(artifacts, (first, second), strict=True):
            store.checkout(artifact, root / "data")
            there = {
                one.relative_to(root / "data").as_posix(): one.read_bytes()
                for one in (root / "data").rglob("*")
                if one.is_file()
            }
            assert there == files
            assert store.hash(root / "data", name="data") == artifact
            assert store.missing(artifact) == []
        assert not any((root / ".penstock").glob("tmp/*"))
        store.close()
