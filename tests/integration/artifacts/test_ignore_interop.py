"""`.dvcignore` means to us what it means to DVC."""

import os
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from penstock.artifacts.ignore import Ignore

# Not among them: a backslash first in a pattern, which DVC drops below the root, and patterns of
# stars alone with a final slash, which it lets match nothing at the root; and `[!a]`, which it lets
# match the slash after a directory.
ATOMS = ["*", "**", "?", "a", "b", "ab", "[ab]", ".x", "a\\*", "a*", "*.log", " ", "#"]
NAMES = ["a", "b", "ab", "x.log", ".x", "*", "a b", "#"]


def sane(pattern):
    return not re.fullmatch(r"!?/?(\*+/)+", pattern) and not pattern.lstrip("!").startswith("/#")


patterns = st.builds(
    lambda negate, lead, parts, tail: negate + lead + "/".join(parts) + tail,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(
        st.lists(st.sampled_from(ATOMS), min_size=1, max_size=2).map("".join),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["", "", "/"]),
).filter(sane)
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    root = tmp_path_factory.mktemp("ignore")
    (root / "below" / "deeper").mkdir(parents=True)
    (root / ".dvc").mkdir()
    return root


def theirs(root):
    from dvc.fs import localfs
    from dvc.ignore import DvcIgnoreFilter

    return DvcIgnoreFilter(localfs, os.fspath(root))


@settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    top=st.lists(patterns, max_size=4),
    below=st.lists(patterns, max_size=3),
    path=paths,
    is_dir=st.booleans(),
)
@example(top=["*.log", "!x.log"], below=[], path=["x.log"], is_dir=False)
@example(top=[], below=["a[!b]"], path=["aa"], is_dir=False)
@example(top=["/a/b"], below=["!b"], path=["a", "b"], is_dir=False)
@example(top=["a/**"], below=["**/b/"], path=["a"], is_dir=True)
@example(top=["a**b", "**a"], below=["a/**/b"], path=["ab"], is_dir=False)
def test_the_same_is_ignored(tree, top, below, path, is_dir):
    (tree / ".dvcignore").write_text("\n".join(top))
    (tree / "below" / ".dvcignore").write_text("\n".join(below))
    theirs_now = theirs(tree)
    directory, name = os.path.split("/".join(["below", "deeper", *path]))
    where = f"{tree}/{directory}"
    directories, files = ([name], []) if is_dir else ([], [name])
    kept = theirs_now(where, list(directories), list(files))
    ours = Ignore(tree, tree / "below" / "deeper")
    above = ["/".join(["below", "deeper", *path[:depth]]) for depth in range(1, len(path))]
    hidden = any(ours.ignores(one, is_dir=True) for one in above)
    ignored = hidden or ours.ignores(f"{directory}/{name}", is_dir=is_dir)
    assert ignored == (kept == ([], []))
