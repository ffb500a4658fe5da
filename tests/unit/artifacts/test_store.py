"""Hash, save and check out, through the store."""

import hashlib
import json
import os
import stat
import time

import pytest

from penstock.artifacts import Store
from penstock.domain.artifact import Artifact
from penstock.errors import StateError, UnavailableError


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


def object_path(store, digest):
    return store.config.cache_dir / "files" / "md5" / digest[:2] / digest[2:]


def test_a_file_is_known_by_md5_size_and_exec_bit(project, store):
    (project / "run.sh").write_bytes(b"echo\r\n")
    (project / "run.sh").chmod(0o755)
    assert store.hash(project / "run.sh", name="run.sh") == Artifact(
        "run.sh", md5(b"echo\r\n"), 6, None, isexec=True
    )


def test_nothing_is_none(project, store):
    assert store.hash(project / "absent", name="absent") is None
    (project / "file").write_text("x")
    assert store.hash(project / "file" / "below", name="below") is None


def test_a_directory_is_known_by_its_listing(data, store):
    artifact = store.hash(data, name="data")
    listing = json.dumps(
        [
            {"md5": md5(b"hello\n"), "relpath": "a.txt"},
            {"md5": md5(b"world\n"), "relpath": "sub/b.txt"},
        ]
    ).encode()
    assert artifact == Artifact("data", md5(listing) + ".dir", 12, 2)
    store.save(data, artifact)
    assert object_path(store, artifact.md5).read_bytes() == listing


def test_empty_directories_and_links_to_directories_are_not_recorded(data, store, project):
    before = store.hash(data, name="data")
    (data / "empty" / "deeper").mkdir(parents=True)
    (project / "elsewhere").mkdir()
    (project / "elsewhere" / "c.txt").write_text("c")
    (data / "link").symlink_to(project / "elsewhere")
    assert store.hash(data, name="data") == before


def test_a_link_to_a_file_counts_as_the_file_and_becomes_one(data, store, project):
    (project / "target.txt").write_text("linked")
    (data / "link.txt").symlink_to(project / "target.txt")
    artifact = store.hash(data, name="data")
    assert artifact.nfiles == 3
    store.save(data, artifact)
    assert not (data / "link.txt").is_symlink()
    assert (data / "link.txt").read_text() == "linked"
    assert store.hash(data, name="data") == artifact


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda data: (data / "gone").symlink_to("nowhere"), "artifacts.unreadable"),
        (lambda data: os.mkfifo(data / "pipe"), "artifacts.special-file"),
        (lambda data: (data / ".dvcignore").write_text("*.txt"), "artifacts.ignore-inside"),
    ],
)
def test_what_cannot_be_stored_is_named(data, store, make, code):
    make(data)
    with pytest.raises(StateError) as caught:
        store.hash(data, name="data")
    assert caught.value.code == code
    assert str(data) in caught.value.message


def test_objects_are_read_only_and_whole(data, store):
    artifact = store.hash(data, name="data")
    assert not store.has(artifact)
    assert store.missing(artifact) == [artifact.md5]
    store.save(data, artifact)
    assert store.has(artifact)
    for digest in (artifact.md5, md5(b"hello\n"), md5(b"world\n")):
        mode = object_path(store, digest).stat().st_mode
        assert stat.S_IMODE(mode) == 0o444
    assert not list((store.config.cache_dir / "penstock-tmp").iterdir())


def test_saving_twice_changes_nothing(data, store):
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    before = object_path(store, artifact.md5).stat()
    store.save(data, artifact)
    assert object_path(store, artifact.md5).stat().st_ino == before.st_ino


def test_saving_what_changed_meanwhile_is_refused(data, store):
    artifact = store.hash(data, name="data")
    (data / "a.txt").write_text("other\n")
    with pytest.raises(StateError) as caught:
        store.save(data, artifact)
    assert caught.value.code == "artifacts.changed"


def test_checkout_makes_what_was_saved(data, store, project):
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    store.checkout(artifact, project / "copy")
    assert (project / "copy" / "sub" / "b.txt").read_text() == "world\n"
    assert store.hash(project / "copy", name="data") == artifact


def test_checkout_mends_a_directory_and_keeps_what_is_right(data, store):
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    kept = (data / "a.txt").stat()
    (data / "sub" / "b.txt").write_text("edited")
    (data / "new" / "deep").mkdir(parents=True)
    (data / "new" / "deep" / "extra.txt").write_text("extra")
    store.checkout(artifact, data)
    assert store.hash(data, name="data") == artifact
    assert not (data / "new").exists()
    assert (data / "a.txt").stat().st_ino == kept.st_ino


def test_checkout_replaces_a_directory_by_a_file_and_back(data, store, project):
    directory = store.hash(data, name="data")
    store.save(data, directory)
    (project / "file").write_text("content")
    file = store.hash(project / "file", name="file")
    store.save(project / "file", file)
    store.checkout(file, data)
    assert data.read_text() == "content"
    store.checkout(directory, data)
    assert (data / "sub" / "b.txt").read_text() == "world\n"


def test_checkout_never_writes_through_a_link_out_of_the_directory(data, store, project):
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    outside = project / "outside"
    outside.mkdir()
    (data / "sub" / "b.txt").unlink()
    (data / "sub").rmdir()
    (data / "sub").symlink_to(outside)
    store.checkout(artifact, data)
    assert list(outside.iterdir()) == []
    assert (data / "sub" / "b.txt").read_text() == "world\n"


def test_checkout_replaces_links_that_lead_nowhere(data, store):
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    (data / "a.txt").unlink()
    (data / "a.txt").symlink_to("nowhere")
    (data / "other").symlink_to("nowhere")
    store.checkout(artifact, data)
    assert store.hash(data, name="data") == artifact
    assert not (data / "other").is_symlink()


def test_checkout_without_force_loses_no_edit(data, store):
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    (data / "a.txt").write_text("precious")
    with pytest.raises(StateError) as caught:
        store.checkout(artifact, data, force=False)
    assert caught.value.code == "artifacts.unsaved"
    assert (data / "a.txt").read_text() == "precious"


def test_the_exec_bit_of_a_file_comes_back(project, store):
    (project / "run.sh").write_text("echo")
    (project / "run.sh").chmod(0o755)
    artifact = store.hash(project / "run.sh", name="run.sh")
    store.save(project / "run.sh", artifact)
    assert (project / "run.sh").stat().st_mode & stat.S_IXUSR
    (project / "run.sh").unlink()
    store.checkout(artifact, project / "run.sh")
    assert (project / "run.sh").stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize("content", [b"world, damaged\n", b"World\n"])
def test_a_damaged_object_is_never_used(data, store, content):
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    damaged = object_path(store, md5(b"world\n"))
    damaged.chmod(0o644)
    damaged.write_bytes(content)
    damaged.chmod(0o444)
    (data / "sub" / "b.txt").unlink()
    with pytest.raises(StateError) as caught:
        store.checkout(artifact, data)
    assert caught.value.code == "artifacts.corrupt"
    assert not (data / "sub" / "b.txt").exists()
    assert not damaged.exists()
    aside = list((store.root / ".penstock" / "corrupt").iterdir())
    assert [one.read_bytes() for one in aside] == [content]
    assert store.missing(artifact) == [md5(b"world\n")]
    (data / "sub" / "b.txt").write_text("world\n")
    store.save(data, artifact)
    assert store.has(artifact)


def test_damage_that_keeps_size_and_mtime_is_seen(data, store):
    artifact = store.hash(data, name="data")
    store.save(data, artifact)
    damaged = object_path(store, md5(b"world\n"))
    before = damaged.stat()
    damaged.chmod(0o644)
    damaged.write_bytes(b"World\n")
    os.utime(damaged, ns=(before.st_atime_ns, before.st_mtime_ns))
    damaged.chmod(0o444)
    assert store.missing(artifact) == [md5(b"world\n")]


@pytest.mark.parametrize(
    "listing",
    [
        b"[]x",
        b"{}",
        b'[{"md5": "b1946ac92492d2347c6235b4d2611184", "relpath": "../evil"}]',
        b'[{"md5": "../../x", "relpath": "a"}]',
    ],
)
def test_a_listing_that_leads_elsewhere_is_refused(store, project, listing):
    digest = md5(listing) + ".dir"
    path = object_path(store, digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(listing)
    with pytest.raises(StateError) as caught:
        store.checkout(Artifact("data", digest, 1, 1), project / "data")
    assert caught.value.code == "artifacts.corrupt"
    assert not (project / "data").exists()


def test_names_need_not_be_text(project, store):
    directory = project / os.fsdecode(b"caf\xe9")
    directory.mkdir()
    (directory / os.fsdecode(b'\xff\n"')).write_bytes(b"odd")
    for path in (directory, *directory.iterdir()):
        artifact = store.hash(path, name="odd")
        store.save(path, artifact)
        store.checkout(artifact, project / "again" / path.name)
        assert store.hash(project / "again" / path.name, name="odd") == artifact
        assert store.has(artifact)


def test_a_missing_object_is_named(store, project):
    with pytest.raises(StateError) as caught:
        store.checkout(Artifact("data.csv", "a" * 32, 1), project / "data.csv")
    assert caught.value.code == "artifacts.missing"
    assert "data.csv" in caught.value.message


def test_many_files_are_hashed_by_many_processes(project, store):
    directory = project / "many"
    directory.mkdir()
    for number in range(16_500):
        (directory / str(number)).write_bytes(b"%d" % number)
    artifact = store.hash(directory, name="many")
    entries = [{"md5": md5(b"%d" % number), "relpath": str(number)} for number in range(16_500)]
    entries.sort(key=lambda entry: entry["relpath"])
    assert artifact.md5 == md5(json.dumps(entries).encode()) + ".dir"
    assert store.hash(directory, name="many") == artifact


def test_a_large_directory_is_complete_until_an_object_goes(project, store):
    directory = project / "large"
    directory.mkdir()
    for number in range(1001):
        (directory / str(number)).write_bytes(b"%d" % number)
    artifact = store.hash(directory, name="large")
    assert not store.has(artifact, quick=True)
    store.save(directory, artifact)
    time.sleep(0.1)
    assert store.has(artifact, quick=True)
    assert store.has(artifact, quick=True)
    damaged = object_path(store, md5(b"33"))
    damaged.chmod(0o644)
    damaged.write_bytes(b"34")
    assert not store.has(artifact)
    store.save(directory, artifact)
    object_path(store, md5(b"77")).unlink()
    assert not store.has(artifact, quick=True)
    store.save(directory, artifact)
    assert store.has(artifact, quick=True)


def test_large_files_are_hashed_whole(project, store):
    sizes = [0, 1, 65_535, 65_536, 65_537, 1 << 18, (1 << 20) + 1, (3 << 20) + 17]
    items = []
    for size in sizes:
        path = project / f"{size}.bin"
        path.write_bytes(os.urandom(size))
        items.append((path.name, path))
    for (_, path), artifact in zip(items, store.hash_many(items), strict=True):
        assert (artifact.md5, artifact.size) == (md5(path.read_bytes()), path.stat().st_size)
        store.save(path, artifact)
        content = path.read_bytes()
        path.unlink()
        store.checkout(artifact, path)
        assert path.read_bytes() == content


def test_a_cache_that_cannot_be_written_says_so(project, data):
    (project / ".dvc").mkdir()
    (project / ".dvc" / "cache").write_text("in the way")
    store = Store.open(project)
    artifact = store.hash(data, name="data")
    with pytest.raises(UnavailableError) as caught:
        store.save(data, artifact)
    assert caught.value.code == "artifacts.disk-failed"
    store.close()


def test_the_run_cache_answers_newest_first(store):
    key, values = "a" * 64, ["b" * 64, "c" * 64]
    assert store.run_cache_get(key) == []
    for at, value in enumerate(values):
        store.run_cache_put(key, value, f"cmd: {value}\n")
        path = store.config.cache_dir / "runs" / "aa" / key / value
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~_umask()
        os.utime(path, (at, at))
    expected = [(value, f"cmd: {value}\n") for value in reversed(values)]
    assert store.run_cache_get(key) == expected


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
