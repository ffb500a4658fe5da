"""Real DVC is the judge: what it writes we read, what we write it takes for its own."""

import shutil
import stat
from pathlib import Path

import pytest

from penstock.artifacts import Store, dump_dvc_file, load_dvc_file
from penstock.artifacts.dvcremote import DvcRemote
from penstock.errors import StateError, UnavailableError


def tree(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {
        one.relative_to(directory).as_posix(): (stat.S_IMODE(one.lstat().st_mode), one.read_bytes())
        for one in directory.rglob("*")
        if one.is_file()
    }


def objects(project) -> dict[str, tuple[int, bytes]]:
    return tree(project.root / ".dvc" / "cache" / "files")


def test_we_store_byte_for_byte_what_dvc_stores(project, data):
    store = Store.open(project.root)
    ours = [store.hash(project.root / name, name=name) for name in ("data", "tool.sh")]
    for artifact in ours:
        store.save(project.root / artifact.path, artifact)
        dump_dvc_file(project.root / f"{artifact.path}.dvc", artifact)
    store.close()
    assert project.is_clean()
    our_objects, our_files, our_data = objects(project), {}, tree(data)
    for name in ("data.dvc", "tool.sh.dvc"):
        our_files[name] = (project.root / name).read_bytes()
        (project.root / name).unlink()
    shutil.rmtree(project.root / ".dvc" / "cache")
    project.dvc("add", "data", "tool.sh")
    assert objects(project) == our_objects
    assert tree(data) == our_data
    for name, content in our_files.items():
        assert (project.root / name).read_bytes() == content
        assert load_dvc_file(project.root / name).outs[0] in ours


def test_remotes_work_both_ways(project, data, tmp_path):
    (project.root / ".dvc" / "config").write_text(
        f"[core]\n    remote = disk\n['remote \"disk\"']\n    url = {tmp_path / 'remote'}\n"
    )
    store = Store.open(project.root)
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    dump_dvc_file(project.root / "data.dvc", artifact)
    assert store.remote().push([artifact], store) == 8
    pushed = tree(tmp_path / "remote")
    assert "up to date" in project.dvc("push")
    shutil.rmtree(project.root / ".dvc" / "cache")
    shutil.rmtree(data / "sub")
    project.dvc("pull", "--force")
    assert project.is_clean()
    assert store.has(artifact)
    assert store.hash(data, name="data") == artifact

    shutil.rmtree(tmp_path / "remote")
    project.dvc("push")
    assert tree(tmp_path / "remote") == pushed
    shutil.rmtree(project.root / ".dvc" / "cache")
    assert store.remote().fetch([artifact], store) == 8
    shutil.rmtree(data)
    store.checkout(artifact, data)
    assert project.is_clean()
    store.close()


def test_kinds_that_only_dvc_knows_are_left_to_dvc(project, data, tmp_path):
    (project.root / ".dvc" / "config").write_text(
        f"['remote \"disk\"']\n    url = {tmp_path / 'remote'}\n"
    )
    store = Store.open(project.root)
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    dump_dvc_file(project.root / "data.dvc", artifact)
    remote = DvcRemote("disk", "webdav")
    assert remote.push([artifact], store) == 1
    shutil.rmtree(project.root / ".dvc" / "cache")
    assert remote.fetch([artifact], store) >= 1
    assert store.has(artifact)
    shutil.rmtree(tmp_path / "remote")
    shutil.rmtree(project.root / ".dvc" / "cache")
    with pytest.raises(StateError) as caught:
        remote.fetch([artifact], store)
    assert caught.value.code == "artifacts.missing"
    with pytest.raises(UnavailableError) as failed:
        DvcRemote("none", "webdav").fetch([artifact], store)
    assert "none" in " ".join(failed.value.log_tail)
    store.close()


@pytest.mark.parametrize("kinds", ["hardlink", "symlink"])
def test_links_and_gc(project, data, kinds):
    (project.root / ".dvc" / "config").write_text(f"[cache]\n    type = {kinds}\n")
    store = Store.open(project.root)
    kept = store.hash(data, name="data")
    store.save(data, kept)
    dump_dvc_file(project.root / "data.dvc", kept)
    (project.root / "unused").write_text("nobody wants this")
    unused = store.hash(project.root / "unused", name="unused")
    store.save(project.root / "unused", unused)
    (store.config.cache_dir / "penstock-tmp" / "left-by-a-kill").write_text("half")
    assert project.is_clean()
    project.dvc("gc", "--workspace", "--force")
    assert not store.has(unused)
    assert store.has(kept)
    before = tree(data)
    project.dvc("checkout", "--relink")
    assert tree(data) == before
    assert store.hash(data, name="data") == kept
    store.save(data, kept)
    assert project.is_clean()
    store.close()
