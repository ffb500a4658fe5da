"""A project with a store, and files in it."""

import os
from pathlib import Path

import pytest

from penstock.artifacts import Store


@pytest.fixture
def project(tmp_path, monkeypatch):
    for level in ("GLOBAL", "SYSTEM"):
        monkeypatch.setenv(f"DVC_{level}_CONFIG_DIR", os.fspath(tmp_path / "nowhere"))
    root = tmp_path / "project"
    root.mkdir()
    return root


@pytest.fixture
def store(project):
    store = Store.open(project)
    yield store
    store.close()


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.fixture
def data(project):
    write(project / "data" / "a.txt", "hello\n")
    write(project / "data" / "sub" / "b.txt", "world\n")
    return project / "data"
