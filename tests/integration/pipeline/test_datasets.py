"""`datasets:` of dvc.yaml and stages that read them, beside DVC."""

from __future__ import annotations

import json
import shutil

import pytest

from penstock.errors import ConfigError
from penstock.pipeline import execute, plan, why

PIPELINE = """\
vars:
- bucket: s3://bucket
datasets:
- {name: events, url: dc://events, type: dc}
- name: pictures
  url: ${bucket}/pictures
  type: url
stages:
  use:
    cmd: cp in out
    deps: [in, ds://raw, ds://events]
    outs: [out]
"""
BELOW = """\
datasets:
- {name: labels, url: ../labels, type: dvc, path: labels.csv, rev: main}
stages:
  look:
    cmd: cp ../out seen
    deps: [../out, ds://pictures, ds://labels]
    outs: [seen]
"""
LOCK = """\
datasets:
- version: 3
  name: events
  url: dc://events
  type: dc
  created_at: '2024-05-01T10:00:00Z'
- name: pictures
  url: s3://bucket/pictures
  type: url
  meta: {isdir: true, size: 4, nfiles: 2, isexec: false, remote: store}
  files:
  - {relpath: b.png, meta: {size: 1, version_id: two, etag: f00}}
  - {relpath: a.png, meta: {size: 3, version_id: one, etag: ba5, remote: store}}
"""
LABELS = """\
schema: '2.0'
datasets:
- {name: labels, url: ../labels, type: dvc, path: labels.csv, rev: main, rev_lock: abc}
stages: {}
"""


def test_data_sets_are_read_and_recorded_as_dvc_does(make_project, tmp_path):
    source = make_project("source", {"a.csv": "1\n"})
    source.git("tag", "v1")
    project = make_project(files={"in": "x\n", "dvc.yaml": PIPELINE})
    project.dvc("ds", "add", "-q", "--dvc", "../source", "--path", "a.csv", "--rev", "v1", "raw")
    project.write({"dvc.lock": project.read("dvc.lock").replace("datasets:\n", LOCK)})
    project.write({"sub/dvc.yaml": BELOW, "sub/dvc.lock": LABELS})
    shutil.copytree(project.root, tmp_path / "copy", symlinks=True)
    other = type(project)(tmp_path / "copy")

    assert project.outcomes() == {"use": "ran", "sub/dvc.yaml:look": "ran"}
    other.dvc("repro", "-q", "-P")
    for file in ("dvc.lock", "sub/dvc.lock", "sub/.gitignore"):
        assert project.read(file) == other.read(file)
    assert project.dvc("status") == "Data and pipelines are up to date.\n"
    assert set(other.outcomes().values()) == {"unchanged"}
    assert set(project.outcomes().values()) == {"unchanged"}

    # The source moved on: nothing runs until somebody asks for it.
    source.write({"a.csv": "2\n"}).commit()
    source.git("tag", "v2")
    project.write({"dvc.yaml": project.read("dvc.yaml").replace("rev: v1", "rev: v2")})
    (one, _) = plan(project.root).stages
    assert one.reasons == ("ds://raw is not in sync",)
    failed, _ = project.run().stages
    assert failed.error is not None
    assert failed.error.startswith(
        "dvc.yaml:16:16: stage use needs the data set raw, "
        "whose rev is v2 in dvc.yaml and v1 in dvc.lock"
    )
    assert "`dvc ds update raw`" in failed.error
    assert (project.root / "out").exists()
    assert "not in sync" in project.dvc("status")

    project.dvc("ds", "update", "-q", "raw")
    changes = {one.what: (one.old, one.new) for one in why(project.root, "use").changes}
    commit = source.git("rev-parse", "v2").strip()
    assert changes["ds://raw rev"] == ("v1", "v2")
    assert changes["ds://raw rev_lock"][1] == commit
    assert project.outcomes() == {"use": "ran", "sub/dvc.yaml:look": "unchanged"}
    assert project.read("dvc.lock").count(commit) == 2
    assert project.dvc("status") == "Data and pipelines are up to date.\n"


def test_what_changed_in_an_address_is_named_file_by_file(make_project):
    lock = "schema: '2.0'\n" + LOCK + "stages: {}\n"
    text = PIPELINE.replace("ds://raw, ds://events", "ds://pictures")
    project = make_project(files={"in": "x\n", "dvc.yaml": text, "dvc.lock": lock})
    assert project.outcomes() == {"use": "ran"}
    recorded = project.read("dvc.lock")
    # The name of the remote, and what stands where in the lock, make no difference.
    project.write({"dvc.lock": recorded.replace("remote: store", "remote: shop", 1)})
    assert project.outcomes() == {"use": "unchanged"}
    at = recorded.index("stages:")
    head = recorded[:at].replace("version_id: one", "version_id: new").replace("b.png", "c.png")
    project.write({"dvc.lock": head + recorded[at:]})
    changes = {one.what: (one.old, one.new) for one in why(project.root, "use").changes}
    assert changes == {
        "ds://pictures a.png": ("one", "new"),
        "ds://pictures b.png": ("two", None),
        "ds://pictures c.png": (None, "two"),
    }
    # What a run recorded of its data sets is in its story.
    (stage,) = project.run().stages
    state = next(dep for dep in stage.deps if dep.path == "ds://pictures")
    assert json.loads(state.dataset)["url"] == "s3://bucket/pictures"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("ds://raw", "ds://event", "dvc.yaml:11:16: there is no data set called 'event'; did you"),
        ("ds://raw", "ds://raw", "dvc.yaml:11:16: there is no data set called 'raw'; `dvc ds add"),
        ("type: dc", "type: dvcx", "dvc.yaml:4:3: the data set events is of the type 'dvcx'"),
        ("url: dc://events", "link: x", "dvc.yaml:4:3: the data set events needs a url"),
        ("name: pictures", "kind: x", "dvc.yaml:5:3: a data set needs a name"),
        ("${bucket}/", "${pail}/", "dvc.yaml:5:3: nothing is called 'pail'"),
    ],
)
def test_mistakes(make_project, old, new, words):
    project = make_project(files={"dvc.yaml": PIPELINE.replace(old, new), "in": ""})
    with pytest.raises(ConfigError) as caught:
        execute(project.root)
    told = [f"{one.span}: {one.message}; {one.hint}" for one in caught.value.problems]
    assert any(one.startswith(words) for one in told), told


def test_a_version_that_is_not_locked_is_asked_for(make_project):
    text = PIPELINE.replace("ds://raw, ds://events", "ds://events")
    project = make_project(files={"dvc.yaml": text, "in": "", "dvc.lock": "schema: '2.0'\n"})
    (failed,) = project.run().stages
    assert "the data set events, whose version is not in dvc.lock" in (failed.error or "")
    # A state that cannot be read is none.
    bad = "datasets:\n- {name: events, url: dc://events, type: dc, version: 1, created_at: soon}\n"
    project.write({"dvc.lock": f"schema: '2.0'\n{bad}"})
    (failed,) = project.run().stages
    assert "needs the data set events" in (failed.error or "")
