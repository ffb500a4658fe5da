"""Remotes on real services: the S3 of moto and OpenSSH, with DVC on the other end."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.artifacts import Store
from penstock.domain.artifact import Artifact
from penstock.errors import StateError, UnavailableError

PIPELINE = """\
stages:
  prep:
    cmd: mkdir -p clean && tr a-z A-Z < raw/a.csv > clean/a.csv && cp raw/b/c.csv clean/
    deps: [raw]
    outs: [clean]
  train:
    cmd: cat clean/a.csv clean/c.csv > model.bin
    deps: [clean]
    outs: [model.bin]
"""
FILES = {"dvc.yaml": PIPELINE, "raw/a.csv": "a,b\n", "raw/b/c.csv": "c\n"}


@pytest.fixture(params=["s3", "ssh"])
def service(request):
    return request.getfixturevalue(request.param)


def lose_data(project) -> None:
    for name in (".dvc/cache", "raw", "clean", "model.bin"):
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def test_what_one_pushes_the_other_pulls(make_project, service):
    config = "[core]\nremote = store\n" + service.remote("store", "/deep")
    project = make_project(files={**FILES, ".dvc/config": config})
    project.git("rm", "-rq", "--cached", "raw")
    project.dvc("add", "-q", "raw")
    assert project.outcomes(push=True) == {"raw.dvc": "unchanged", "prep": "ran", "train": "ran"}

    # Ours to theirs: nothing is left to push, and what is pulled is right.
    assert "in sync" in project.dvc("status", "--cloud")
    lose_data(project)
    project.dvc("pull", "-q")
    assert project.dvc("status") == "Data and pipelines are up to date.\n"
    assert project.read("model.bin") == "A,B\nc\n"

    # Theirs to ours.
    (project.root / "raw/a.csv").chmod(0o644)
    project.write({"raw/a.csv": "x,y\n"})
    project.dvc("repro", "-q", "raw.dvc", "train")
    project.dvc("push", "-q")
    lose_data(project)
    outcomes = project.outcomes(pull=True)
    assert outcomes == {"raw.dvc": "restored", "prep": "restored", "train": "restored"}
    assert project.read("model.bin") == "X,Y\nc\n"
    assert project.read("raw/b/c.csv") == "c\n"


def test_what_is_damaged_or_absent_in_a_service_is_told(make_project, service):
    project = make_project(files={"a.txt": "1\n", ".dvc/config": service.remote("store")})
    store = Store.open(project.root)
    try:
        remote = store.remote("store")
        artifact = store.hash(project.root / "a.txt", name="a.txt")
        assert artifact is not None
        store.save(project.root / "a.txt", artifact)
        assert remote.push([artifact], store) == 1
        assert remote.push([artifact], store) == 0
        there = f"files/md5/{artifact.md5[:2]}/{artifact.md5[2:]}"
        service.put(there, b"2\n")
        Path(store.objects.path(artifact.md5)).unlink()
        with pytest.raises(StateError) as caught:
            remote.fetch([artifact], store)
        assert caught.value.code == "artifacts.corrupt"
        assert not store.has(artifact)
        service.put(there, b"1\n")
        assert remote.fetch([artifact], store) == 1
        with pytest.raises(StateError) as caught:
            remote.fetch([Artifact("b.txt", "0" * 32, 1)], store)
        assert caught.value.code == "artifacts.missing"
    finally:
        store.close()


def test_a_server_that_is_not_there_is_told(make_project, s3, ssh):
    gone = {"endpointurl": "http://127.0.0.1:9", "port": "9", "connect_timeout": "1"}
    for service in (s3, ssh):
        options = {key: gone.get(key, value) for key, value in service.options.items()}
        text = replace(service, options=options).remote("store")
        project = make_project(service.kind, {"a.txt": "1\n", ".dvc/config": text})
        store = Store.open(project.root)
        artifact = store.hash(project.root / "a.txt", name="a.txt")
        assert artifact is not None
        store.save(project.root / "a.txt", artifact)
        with pytest.raises(UnavailableError) as caught:
            store.remote("store").push([artifact], store)
        store.close()
        assert caught.value.code == "artifacts.remote-failed"
        assert "'store'" in caught.value.message
