"""Remotes: objects there and back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.artifacts import Store
from penstock.errors import ConfigError, StateError, UnavailableError


@pytest.fixture
def remote_dir(tmp_path):
    return tmp_path / "remote"


@pytest.fixture
def shared(project, remote_dir):
    """Return a store with a remote in a directory."""
    (project / ".dvc").mkdir()
    (project / ".dvc" / "config").write_text(
        f"[core]\nremote = disk\n['remote \"disk\"']\nurl = {remote_dir}\n"
        "['remote \"below\"']\nurl = remote://disk/deeper\n"
        "['remote \"me\"']\nurl = remote://me/x\n"
        "['remote \"on-s3\"']\nurl = s3://bucket/path\n"
        "['remote \"on-gcs\"']\nurl = gs://bucket/path\n"
        "['remote \"on-azure\"']\nurl = azure://box/path\naccount_name = me\n"
        "['remote \"on-ssh\"']\nurl = ssh://host/path\n"
        "['remote \"odd\"']\nurl = webdavs://host/path\njobs = many\n"
        f"['remote \"few\"']\nurl = {remote_dir}\njobs = many\n"
    )
    store = Store.open(project)
    yield store
    store.close()


def empty_cache(store):
    import shutil

    shutil.rmtree(store.config.cache_dir)
    store.close()
    return Store.open(store.root)


def test_what_was_pushed_is_fetched(data, shared, remote_dir, project):
    artifact = shared.hash(data, name="data")
    shared.save(data, artifact)
    remote = shared.remote()
    assert remote.push([artifact], shared) == 3
    assert remote.push([artifact], shared) == 0
    objects = sorted(one for one in remote_dir.rglob("*") if one.is_file())
    assert len(objects) == 3
    assert (
        (remote_dir / "files" / "md5" / artifact.md5[:2] / artifact.md5[2:])
        .read_bytes()
        .startswith(b'[{"md5": ')
    )
    fresh = empty_cache(shared)
    assert fresh.remote("DISK").fetch([artifact], fresh) == 3
    assert fresh.remote().fetch([artifact], fresh) == 0
    fresh.checkout(artifact, project / "again")
    assert (project / "again" / "a.txt").read_text() == "hello\n"
    fresh.close()


def test_only_what_is_missing_is_fetched(data, shared):
    artifact = shared.hash(data, name="data")
    shared.save(data, artifact)
    shared.remote().push([artifact], shared)
    lost = shared.hash(data / "a.txt", name="a.txt")
    Path(shared.objects.path(lost.md5)).unlink()
    assert shared.remote().fetch([artifact], shared) == 1
    assert shared.has(artifact)


def test_many_objects_are_sent_once(project, shared, remote_dir):
    directory = project / "many"
    directory.mkdir()
    for number in range(1100):
        (directory / str(number)).write_bytes(b"%d" % number)
    artifact = shared.hash(directory, name="many")
    shared.save(directory, artifact)
    assert shared.remote().push([artifact], shared) == 1101
    lost = [one for one in remote_dir.rglob("*") if one.is_file()][:7]
    for one in lost:
        one.unlink()
    assert shared.remote().push([artifact], shared) == 7
    assert all(one.is_file() for one in lost)


def test_a_remote_below_another(data, shared, remote_dir):
    artifact = shared.hash(data / "a.txt", name="a.txt")
    shared.save(data / "a.txt", artifact)
    assert shared.remote("below").push([artifact], shared) == 1
    assert (remote_dir / "deeper" / "files" / "md5").is_dir()
    with pytest.raises(ConfigError):
        shared.remote("me")


def test_what_the_remote_lacks_is_named(data, shared):
    artifact = shared.hash(data, name="data")
    with pytest.raises(StateError) as caught:
        shared.remote().fetch([artifact], shared)
    assert caught.value.code == "artifacts.missing"
    with pytest.raises(StateError) as caught:
        shared.remote().push([artifact], shared)
    assert caught.value.code == "artifacts.missing"


def test_a_damaged_object_of_the_remote_never_enters_the_cache(data, shared, remote_dir):
    artifact = shared.hash(data / "a.txt", name="a.txt")
    shared.save(data / "a.txt", artifact)
    shared.remote().push([artifact], shared)
    (there,) = (one for one in remote_dir.rglob("*") if one.is_file())
    there.chmod(0o644)
    there.write_bytes(b"jello\n")
    fresh = empty_cache(shared)
    with pytest.raises(StateError) as caught:
        fresh.remote().fetch([artifact], fresh)
    assert caught.value.code == "artifacts.corrupt"
    assert not fresh.has(artifact)
    fresh.close()


def test_a_damaged_object_of_the_cache_is_fetched_again(data, shared):
    artifact = shared.hash(data / "a.txt", name="a.txt")
    shared.save(data / "a.txt", artifact)
    shared.remote().push([artifact], shared)
    cached = Path(shared.objects.path(artifact.md5))
    cached.chmod(0o644)
    cached.write_bytes(b"jello\n")
    assert shared.remote().fetch([artifact], shared) == 1
    assert shared.has(artifact)


def test_remotes_that_are_not_there_are_named(shared, store):
    with pytest.raises(StateError) as caught:
        shared.remote("dsk")
    assert caught.value.code == "artifacts.no-remote"
    assert "disk" in caught.value.hint
    with pytest.raises(ConfigError):
        shared.remote("few")


def test_no_remote_at_all(project):
    store = Store.open(project)
    with pytest.raises(StateError) as caught:
        store.remote()
    assert "dvc remote add" in caught.value.hint
    store.close()


@pytest.mark.parametrize("extra", ["gcs", "azure"])
def test_a_missing_library_is_named_with_its_extra(shared, extra):
    with pytest.raises(UnavailableError) as caught:
        shared.remote(f"on-{extra}")
    assert caught.value.code == "artifacts.extra-missing"
    assert f"penstock[{extra}]" in caught.value.hint


FETCH = """
import sys
from pathlib import Path
from penstock.artifacts import Store
from penstock.errors import UnavailableError
store = Store.open(Path(sys.argv[1]))
try:
    store.remote("odd").fetch([store.hash(Path(sys.argv[1]) / "data", name="data")], store)
except UnavailableError as error:
    print(error.code, error.hint)
"""


def test_other_kinds_need_dvc(data, shared, tmp_path):
    # An interpreter with no `dvc` beside it.
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    env = {**os.environ, "PATH": "/nowhere", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [python, "-c", FETCH, shared.root], env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == "artifacts.dvc-missing install it: pip install 'dvc[webdav]'\n"


def test_a_remote_that_fails_says_so(data, shared, remote_dir):
    remote_dir.write_text("in the way")
    artifact = shared.hash(data, name="data")
    shared.save(data, artifact)
    with pytest.raises(UnavailableError) as caught:
        shared.remote().push([artifact], shared)
    assert caught.value.code == "artifacts.remote-failed"
