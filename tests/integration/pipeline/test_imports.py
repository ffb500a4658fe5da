"""What `dvc import`, `dvc import-url` and `dvc add` leave is treated as DVC treats it."""

from __future__ import annotations

import shutil

import pytest

UPTODATE = "Data and pipelines are up to date.\n"


def status(project) -> str:
    """Return what DVC says, without its warnings that an import is frozen."""
    lines = project.dvc("status").splitlines(keepends=True)
    return "".join(line for line in lines if "is frozen" not in line)


@pytest.fixture
def imported(make_project, web):
    """Return a project with imports of every kind, and the one that they came from."""
    origin = make_project("origin", {"d/a": "a\n", "plain": "p\n"})
    origin.git("rm", "-rq", "--cached", "d")
    origin.dvc("add", "-q", "d")
    origin.commit()
    (web.folder / "w.csv").write_text("w\n")
    (web.folder / "later.csv").write_text("l\n")
    project = make_project(
        "project",
        {
            "dvc.yaml": "stages:\n  use:\n    cmd: cat w.csv d/a > used\n    deps: [w.csv, d]\n"
            "    outs: [used]\n"
        },
    )
    project.dvc("import", "-q", str(origin.root), "d")
    project.dvc("import-url", "-q", f"{web.url}/w.csv")
    project.dvc("import-url", "-q", "--no-download", f"{web.url}/later.csv")
    project.commit()
    return project


def test_imports(imported, web):
    restored_from_the_cache_and_from_where_they_came(imported)
    recorded_as_dvc_records_them(imported, web)
    refused_when_the_source_is_another(imported, web)


def restored_from_the_cache_and_from_where_they_came(project) -> None:
    outcomes = {"d.dvc": "unchanged", "w.csv.dvc": "unchanged", "use": "ran"}
    # What was never fetched is fetched, as `dvc repro` does it.
    assert project.outcomes() == {**outcomes, "later.csv.dvc": "ran"}
    assert project.read("later.csv") == "l\n"
    assert status(project) == UPTODATE

    (project.root / "w.csv").unlink()
    assert project.outcomes()["w.csv.dvc"] == "restored"

    for name in (".dvc/cache", "d", "w.csv"):
        path = project.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert "the cache does not have it" in str(project.run().error)
    outcomes = project.outcomes(pull=True)
    assert (outcomes["d.dvc"], outcomes["w.csv.dvc"]) == ("restored", "restored")
    assert project.read("d/a") == "a\n"
    assert status(project) == UPTODATE


def refused_when_the_source_is_another(project, web) -> None:
    project.dvc("freeze", "w.csv.dvc")
    shutil.rmtree(project.root / ".dvc/cache")
    (project.root / "w.csv").unlink()
    (web.folder / "w.csv").write_text("another\n")
    assert "is no longer what was imported" in str(project.run(pull=True).error)


def recorded_as_dvc_records_them(project, web) -> None:
    comment = "# mine\ndesc: words\n" + project.read("w.csv.dvc")
    project.write({"w.csv.dvc": comment})
    twin = shutil.copytree(project.root, project.root.parent / "twin", symlinks=True)
    theirs = type(project)(twin)
    for one in (project, theirs):
        (one.root / "w.csv").chmod(0o644)
        one.write({"w.csv": "by hand\n"})
    assert project.outcomes(targets=["w.csv.dvc"]) == {"w.csv.dvc": "ran"}
    theirs.dvc("repro", "-q", "w.csv.dvc")
    assert project.read("w.csv.dvc") == theirs.read("w.csv.dvc")
    assert project.read("w.csv.dvc").startswith("# mine\ndesc: words\n")

    # Once it is not frozen any more, it follows its source.
    for one in (project, theirs):
        one.dvc("unfreeze", "w.csv.dvc")
    (web.folder / "w.csv").write_text("newer\n")
    assert project.outcomes(targets=["w.csv.dvc"]) == {"w.csv.dvc": "ran"}
    assert project.read("w.csv") == "newer\n"
    theirs.dvc("repro", "-q", "w.csv.dvc")
    assert project.read("w.csv.dvc") == theirs.read("w.csv.dvc")
    assert project.outcomes(targets=["w.csv.dvc"]) == {"w.csv.dvc": "unchanged"}


def test_lists_of_files_and_flags_of_data(make_project):
    project = make_project(
        files={"dvc.yaml": "", "raw/a": "a\n", "raw/b": "b\n", "note": "n\n", "seen": "s\n"}
    )
    project.git("rm", "-rq", "--cached", "raw", "note")
    project.dvc("add", "-q", "raw", "note")
    # As storage that keeps versions leaves it; the list itself is in no cache.
    listing = """\
outs:
- hash: md5
  path: raw
  files:
  - relpath: a
    md5: 60b725f10c9c85c70d97880dfe8191b3
    size: 2
    cloud:
      far:
        etag: 60b725f10c9c85c70d97880dfe8191b3
        version_id: dffcbe1b
  - relpath: b
    md5: 3b5d5c3712955042212316173ccf37be
    size: 2
"""
    flags = (
        "desc: text\nmeta: {who: me}\nouts:\n- path: seen\n  cache: false\n  hash: md5\n"
        "  md5: 4d2e0a7c1c0b1f2d3c4b5a6978877665\n  push: false\n  remote: far\n  type: x\n"
    )
    project.write({"raw.dvc": listing, "seen.dvc": flags})
    for path in project.root.glob(".dvc/cache/files/md5/*/*.dir"):
        path.unlink()
    shutil.rmtree(project.root / "raw")
    assert project.outcomes() == {"note.dvc": "unchanged", "raw.dvc": "restored", "seen.dvc": "ran"}
    assert project.read("raw/b") == "b\n"
    assert "desc: text" in project.read("seen.dvc")
    assert "push: false" in project.read("seen.dvc")
    assert project.dvc("status") == UPTODATE
