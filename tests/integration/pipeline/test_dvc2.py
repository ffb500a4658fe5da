"""Projects that DVC 2 left: entries without `hash: md5`, objects in the old layout of the cache."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

UPTODATE = "Data and pipelines are up to date.\n"
CRLF, PLAIN, BINARY = b"a\r\nb\r\n", b"x\ny\n", b"\0\r\n"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def old(make_project, tmp_path):
    """Return a project as DVC 2.58 left it (its files were compared with these)."""
    files = {"raw/bin": BINARY, "raw/crlf.txt": CRLF, "raw/lf.txt": PLAIN}
    digests = {
        "bin": md5(BINARY),
        "crlf.txt": md5(CRLF.replace(b"\r\n", b"\n")),
        "lf.txt": md5(PLAIN),
    }
    listing = json.dumps([{"md5": digests[name], "relpath": name} for name in sorted(digests)])
    raw = md5(listing.encode()) + ".dir"
    text = (
        "schema: '2.0'\nstages:\n  s:\n    cmd: cp raw/crlf.txt o.txt\n    deps:\n"
        f"    - path: raw\n      md5: {raw}\n      size: 13\n      nfiles: 3\n"
        f"    outs:\n    - path: o.txt\n      md5: {digests['crlf.txt']}\n      size: 6\n"
    )
    project = make_project(
        files={
            "dvc.yaml": "stages:\n  s:\n    cmd: cp raw/crlf.txt o.txt\n    deps: [raw]\n"
            "    outs: [o.txt]\n",
            "dvc.lock": text,
            "raw.dvc": f"outs:\n- md5: {raw}\n  size: 13\n  nfiles: 3\n  path: raw\n",
            ".gitignore": "/.penstock\n/raw\n/o.txt\n",
            ".dvc/config": "[core]\nremote = store\n"
            f"['remote \"store\"']\nurl = {tmp_path}/store\n",
        }
    )
    project.write({**files, "o.txt": CRLF})
    contents = {raw: listing.encode(), **{digests[n.split("/")[1]]: d for n, d in files.items()}}
    for digest, data in contents.items():
        project.write({f".dvc/cache/{digest[:2]}/{digest[2:]}": data})
    return project


def test_what_is_as_it_was_is_left_as_it_is(old):
    assert old.dvc("status") == UPTODATE
    before = old.files(".dvc/cache")
    assert old.outcomes() == {"raw.dvc": "unchanged", "s": "unchanged"}
    assert old.files(".dvc/cache") == before
    shutil.rmtree(old.root / "raw")
    (old.root / "o.txt").unlink()
    assert old.outcomes() == {"raw.dvc": "restored", "s": "restored"}
    assert (old.root / "raw/crlf.txt").read_bytes() == CRLF
    assert old.dvc("status") == UPTODATE
    assert old.git("status", "--porcelain") == ""


def test_it_goes_through_the_old_layout_of_a_remote(old, tmp_path):
    assert set(old.outcomes(push=True).values()) == {"unchanged"}
    assert "in sync" in old.dvc("status", "--cloud")
    assert not (tmp_path / "store/files").exists()
    for name in (".dvc/cache", "raw"):
        shutil.rmtree(old.root / name)
    (old.root / "o.txt").unlink()
    assert old.outcomes(pull=True) == {"raw.dvc": "restored", "s": "restored"}
    assert (old.root / "raw/bin").read_bytes() == BINARY
    assert old.dvc("status") == UPTODATE


def test_what_changes_is_recorded_as_dvc_3_does(old):
    old.write({"raw/crlf.txt": b"c\r\n"})
    assert old.outcomes() == {"raw.dvc": "ran", "s": "ran"}
    assert "hash: md5" in old.read("raw.dvc")
    assert md5(b"c\r\n") in old.read("dvc.lock")
    assert old.dvc("status") == UPTODATE


def test_a_damaged_object_is_not_restored(old):
    path = next(old.root.glob(f".dvc/cache/*/{md5(PLAIN)[2:]}"))
    path.chmod(0o644)
    path.write_bytes(b"rotten")
    shutil.rmtree(old.root / "raw")
    assert "raw is missing" in str(old.run().error)
    assert not path.exists()
