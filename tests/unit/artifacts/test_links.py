"""Types of links between workspace and cache."""

import os

import pytest

from penstock.artifacts import Store
from penstock.errors import ConfigError, UnavailableError


def open_store(project, kinds, extra=""):
    (project / ".dvc").mkdir(exist_ok=True)
    (project / ".dvc" / "config").write_text(f"[cache]\n    type = {kinds}\n{extra}")
    return Store.open(project)


def kind_of(path, store, digest):
    if path.is_symlink():
        return "symlink"
    cached = store.config.cache_dir / "files" / "md5" / digest[:2] / digest[2:]
    return "hardlink" if path.samefile(cached) else "copy"


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ("copy", "copy"),
        ("hardlink", "hardlink"),
        ("symlink", "symlink"),
        ('"hardlink,copy"', "hardlink"),
        ("reflink, copy", "copy"),
        ("symlink,hardlink", "symlink"),
        ('"reflink,hardlink,copy"', "hardlink"),
    ],
)
def test_files_are_linked_as_configured(project, kinds, expected):
    store = open_store(project, kinds)
    if kinds.startswith('"reflink') and _reflinks(project):
        expected = "copy"  # to all that can be seen
    path = project / "model.bin"
    path.write_bytes(b"weights")
    artifact = store.hash(path, name="model.bin")
    store.save(path, artifact)
    assert kind_of(path, store, artifact.md5) == expected
    assert store.hash(path, name="model.bin") == artifact
    path.unlink()
    store.checkout(artifact, path)
    assert kind_of(path, store, artifact.md5) == expected
    assert path.read_bytes() == b"weights"
    store.save(path, artifact)
    assert store.has(artifact)
    store.close()


def test_directories_are_linked_file_by_file(project, data):
    store = open_store(project, "hardlink")
    (data / "empty").write_bytes(b"")
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    assert (data / "a.txt").stat().st_nlink == 2
    assert (data / "empty").stat().st_nlink == 1
    assert store.hash(data, name="data") == artifact
    store.close()


def test_another_type_replaces_the_links(project, data):
    store = open_store(project, "symlink")
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    store.close()
    store = open_store(project, "copy")
    store.checkout(artifact, data)
    assert not (data / "a.txt").is_symlink()
    assert os.access(data / "a.txt", os.W_OK)
    store.close()


def test_writing_to_a_copy_leaves_the_cache_alone(project, data, store):
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    (data / "a.txt").write_text("edited")
    assert store.has(artifact)


def test_writing_through_a_hard_link_is_found_out(project, data):
    store = open_store(project, "hardlink")
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    (data / "a.txt").chmod(0o644)
    (data / "a.txt").write_text("edited")
    assert not store.has(artifact)
    store.close()


def test_no_type_that_works_is_an_error(project):
    store = open_store(project, "reflink")
    path = project / "file"
    path.write_bytes(b"x" * 10)
    artifact = store.hash(path, name="file")
    store.save(path, artifact)
    path.unlink()
    if _reflinks(project):
        store.checkout(artifact, path)
    else:
        with pytest.raises(UnavailableError) as caught:
            store.checkout(artifact, path)
        assert caught.value.code == "artifacts.no-link"
        assert list((project / ".penstock" / "tmp").iterdir()) == []
    store.close()


def _reflinks(directory):
    from penstock.artifacts.links import reflink

    (directory / "probe").write_bytes(b"x")
    try:
        reflink(os.fspath(directory / "probe"), os.fspath(directory / "probe2"))
    except OSError:
        return False
    return True


def test_an_unknown_type_is_a_mistake_in_the_file(project):
    with pytest.raises(ConfigError) as caught:
        open_store(project, "hardlnk")
    assert caught.value.code == "artifacts.config-value"


def test_a_shared_cache_is_for_the_group(project, data):
    store = open_store(project, "copy", "    shared = group\n    dir = ../shared\n")
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    cache = project / "shared"
    key = "0" * 64
    store.run_cache_put(key, key, "cmd: x\n")
    runs = f"runs/00/{key}"
    for folder in ("", "files", "files/md5", f"files/md5/{artifact.md5[:2]}", "runs", runs):
        assert (cache / folder).stat().st_mode & 0o7777 == 0o2775
    assert (cache / runs / key).stat().st_mode & 0o777 == 0o664
    assert (data / "a.txt").stat().st_mode & 0o777 == 0o664
    store.close()
