"""`.dvc/config` on its four levels."""

import os
from pathlib import Path

import pytest

from penstock.artifacts import DvcConfig
from penstock.artifacts.configfile import parse_config
from penstock.errors import ConfigError


def configure(project, text, name="config"):
    (project / ".dvc").mkdir(exist_ok=True)
    (project / ".dvc" / name).write_text(text)


def test_without_a_file_everything_has_a_default(project):
    config = DvcConfig.load(project)
    assert config.cache_dir == project / ".dvc" / "cache"
    assert config.cache_types == ("reflink", "copy")
    assert (config.default_remote, config.remotes, config.shared) == (None, {}, False)


def test_everything_is_read(project):
    configure(
        project,
        """\
# a comment
[core]
    remote = MyStorage
    autostage = true  # another
[cache]
    dir = ../shared-cache
    type = "hardlink,symlink"
    shared = group
['remote "mystorage"']
    url = s3://bucket/path
    region = eu-west-1
['remote "disk"']
    url = ../../disk
""",
    )
    config = DvcConfig.load(project)
    assert config.cache_dir == project / "shared-cache"
    assert config.cache_types == ("hardlink", "symlink")
    assert config.shared
    assert config.default_remote == "mystorage"
    assert config.remotes["mystorage"].url == "s3://bucket/path"
    assert config.remotes["mystorage"].options == {"region": "eu-west-1"}
    assert config.remotes["disk"].url == os.fspath(project.parent / "disk")


def test_later_levels_win_option_by_option(project, tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", os.fspath(tmp_path / "global"))
    (tmp_path / "global").mkdir()
    (tmp_path / "global" / "config").write_text(
        "[cache]\ndir = /global/cache\ntype = symlink\n['remote \"s\"']\nurl = s3://a\nuser = me\n"
    )
    configure(project, "[cache]\ntype = hardlink\n")
    configure(project, "['remote \"s\"']\nurl = /local\n", "config.local")
    config = DvcConfig.load(project)
    assert config.cache_dir == Path("/global/cache")
    assert config.cache_types == ("hardlink",)
    assert config.remotes["s"].url == "/local"
    assert config.remotes["s"].options == {"user": "me"}


def test_secrets_are_not_shown(project):
    configure(project, "['remote \"s\"']\nurl = ssh://host/x\npassword = hunter2\n")
    assert "hunter2" not in repr(DvcConfig.load(project))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[core\n", 1),
        ("[core]\nremote\n", 2),
        ("remote = x\n", 1),
        ("[core]\na = 1\na = 2\n", 3),
        ("[core]\n[[nested]]\n", 2),
        ("[core]\na = 'unclosed\n", 2),
        ("[core]\na = 1,,2\n", 2),
        ("[core]\n[cache]\n[core]\n", 3),
        ("[core]\na = %(a)s\n", 2),
        ("[core]\na = %(b)s\n", 2),
        ("[core]\na = '''unclosed\n\n", 2),
    ],
)
def test_mistakes_are_named_with_their_line(project, text, line):
    configure(project, text)
    with pytest.raises(ConfigError) as caught:
        DvcConfig.load(project)
    assert caught.value.code == "artifacts.config-syntax"
    assert caught.value.span.line == line
    assert caught.value.span.file.endswith(".dvc/config")


def test_values_of_all_kinds():
    text = """\
[A]  # comment
B = 'x # y'
c = one, 'two, too', three
d =
e = '''1
2'''
f = ,
g = x,
h = it's "fine"
i = http://host/path#fragment
j = "q" "r"
k = %(b)s!
"""
    assert parse_config(text, "config") == {
        "a": {
            "b": "x # y",
            "c": ["one", "two, too", "three"],
            "d": "",
            "e": "1\n2",
            "f": [],
            "g": ["x"],
            "h": 'it\'s "fine"',
            "i": "http://host/path",
            "j": 'q" "r',
            "k": "x # y!",
        }
    }


def test_a_file_that_is_not_text_is_a_mistake(project):
    (project / ".dvc").mkdir()
    (project / ".dvc" / "config").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError):
        DvcConfig.load(project)


def test_a_project_in_a_folder_of_a_dvc_repository_uses_its_cache_and_remotes(tmp_path):
    project = tmp_path / "models" / "delay"
    project.mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    configure(tmp_path, "['remote \"disk\"']\n    url = ../../storage\n")
    config = DvcConfig.load(project)
    assert config.root == project
    assert config.cache_dir == tmp_path / ".dvc" / "cache"
    assert config.remotes["disk"].url == str(tmp_path.parent / "storage")
