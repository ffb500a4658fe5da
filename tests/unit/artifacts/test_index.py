"""The index of digests: never wrong, whatever happens to it."""

import os
import threading
import time

from penstock.artifacts import HashIndex, Store
from penstock.artifacts.stamps import COARSE_CLOCK_NS, Stamp


def test_a_file_written_again_at_once_is_hashed_again(project, store):
    path = project / "file"
    seen = set()
    for number in range(50):
        path.write_bytes(b"%04d" % number)  # the same size, often the same tick of the clock
        seen.add(store.hash(path, name="file").md5)
    assert len(seen) == 50


def test_a_directory_written_again_at_once_is_hashed_again(data, store):
    seen = set()
    for number in range(50):
        (data / "a.txt").write_bytes(b"%04d" % number)
        seen.add(store.hash(data, name="data").md5)
    assert len(seen) == 50


def test_an_edit_with_the_old_mtime_is_seen(data, store):
    before = store.hash(data, name="data")
    status = (data / "a.txt").stat()
    time.sleep(2 * COARSE_CLOCK_NS / 1e9)
    assert store.hash(data, name="data") == before
    (data / "a.txt").write_bytes(b"HELLO\n")
    os.utime(data / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert store.hash(data, name="data") != before


def test_every_file_of_a_directory_is_remembered(data, store):
    time.sleep(2 * COARSE_CLOCK_NS / 1e9)
    store.hash(data, name="data")
    listing = store.index.listing(os.fspath(data))
    assert set(listing) == {"a.txt", "sub/b.txt"}
    assert all(any(stamp) for stamp, _ in listing.values())


def test_renamed_and_removed_files_are_seen(data, store):
    time.sleep(2 * COARSE_CLOCK_NS / 1e9)
    first = store.hash(data, name="data")
    (data / "a.txt").rename(data / "c.txt")
    second = store.hash(data, name="data")
    (data / "c.txt").unlink()
    third = store.hash(data, name="data")
    assert len({first.md5, second.md5, third.md5}) == 3
    assert (first.nfiles, second.nfiles, third.nfiles) == (2, 2, 1)


def test_a_stamp_is_settled_only_after_a_tick():
    now = time.time_ns()
    young = Stamp(1, now - 1_000_001, 1, now - 1_000_001)
    old = Stamp(1, now - 10 * COARSE_CLOCK_NS - 1, 1, now - 10 * COARSE_CLOCK_NS - 1)
    moved = Stamp(1, old.mtime, 1, young.ctime)
    future = Stamp(1, now + 10**9 + 1, 1, now + 10**9 + 1)
    whole = (now // 10**9 - 1) * 10**9
    coarse = Stamp(1, whole, 1, whole)
    assert [stamp.settled(now) for stamp in (young, old, moved, future, coarse)] == [
        False,
        True,
        False,
        False,
        False,
    ]


def test_a_damaged_index_is_made_again(project, data):
    (project / ".penstock").mkdir()
    (project / ".penstock" / "index.db").write_bytes(b"not a database" * 1000)
    store = Store.open(project)
    artifact = store.hash(data, name="data")
    assert artifact.nfiles == 2
    store.close()


def test_an_index_of_another_version_is_made_again(project):
    import sqlite3

    (project / ".penstock").mkdir()
    connection = sqlite3.connect(project / ".penstock" / "index.db")
    connection.execute("PRAGMA user_version = 99")
    connection.execute("CREATE TABLE files (nonsense)")
    connection.commit()
    connection.close()
    index = HashIndex.open(project)
    stamp = Stamp(1, 2, 3, 4)
    index.put_files([("a", stamp, "0" * 32)])
    assert index.files([("a", stamp), ("a", stamp._replace(ctime=5))]) == ["0" * 32, None]
    index.close()


def test_an_index_that_cannot_be_written_costs_time_only(project, data):
    (project / ".penstock").write_text("in the way")
    store = Store.open(project)
    assert store.hash(data, name="data").nfiles == 2
    store.close()


def test_many_threads_may_use_one_store(project, store):
    paths = []
    for number in range(40):
        path = project / f"out{number % 8}" / f"{number}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"%d" % (number % 5))
        paths.append(path)
    errors = []

    def work(path):
        try:
            artifact = store.hash(path, name=path.name)
            store.save(path, artifact)
            store.checkout(artifact, path.with_suffix(".copy"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(path,)) for path in paths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(path.with_suffix(".copy").read_bytes() == path.read_bytes() for path in paths)
