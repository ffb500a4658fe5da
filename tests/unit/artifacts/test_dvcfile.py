"""`.dvc` files."""

import pytest

from penstock.artifacts import dump_dvc_file, load_dvc_file
from penstock.domain.artifact import Artifact
from penstock.errors import ConfigError

DIRECTORY = Artifact("data", "a" * 32 + ".dir", 12, 2)
PROGRAM = Artifact("run it.sh", "b" * 32, 4, None, isexec=True)


def test_they_are_written_in_dvcs_order(tmp_path):
    dump_dvc_file(tmp_path / "data.dvc", DIRECTORY)
    expected = f"outs:\n- md5: {'a' * 32}.dir\n  size: 12\n  nfiles: 2\n  hash: md5\n  path: data\n"
    assert (tmp_path / "data.dvc").read_text() == expected


@pytest.mark.parametrize(
    "name", ["plain", "with space", "é", "yes", "12", "a: b", "- x", "#x", "'q'", "x" * 200, "null"]
)
def test_what_is_written_is_read(tmp_path, name):
    artifact = Artifact(name, "c" * 32, 1, None, isexec=True)
    dump_dvc_file(tmp_path / "x.dvc", artifact)
    assert load_dvc_file(tmp_path / "x.dvc").outs == (artifact,)


def test_an_entry_of_dvc_2_is_told_apart(tmp_path):
    (tmp_path / "old.dvc").write_text(f"outs:\n- md5: {'a' * 32}\n  size: 1\n  path: old\n")
    assert load_dvc_file(tmp_path / "old.dvc").legacy


@pytest.mark.parametrize(
    "text",
    [
        "outs: [",
        "outs: {}",
        "- 1",
        "outs:\n- path: 1\n",
        "outs:\n- md5: ../../x\n  path: a\n",
        "outs:\n- size: many\n  path: a\n",
        "outs:\n- size: -1\n  path: a\n",
        "outs:\n- nfiles: true\n  path: a\n",
        "!!python/object:os.system {}",
    ],
)
def test_mistakes_name_the_file(tmp_path, text):
    (tmp_path / "bad.dvc").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_dvc_file(tmp_path / "bad.dvc")
    assert caught.value.code == "artifacts.dvc-file"
    assert caught.value.span.file.endswith("bad.dvc")


def test_one_that_is_absent_is_a_mistake(tmp_path):
    with pytest.raises(ConfigError):
        load_dvc_file(tmp_path / "none.dvc")
