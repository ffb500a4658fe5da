"""Remotes of kinds that the user's `dvc` reaches: web servers, storage that keeps versions."""

from __future__ import annotations

import hashlib
import shutil

FILES = {
    "dvc.yaml": """\
stages:
  one:
    cmd: mkdir -p one && cp a one/a
    deps: [a]
    outs: [one]
  two:
    wdir: sub
    cmd: cp ../one/a two
    deps: [../one]
    outs: [two]
  far:
    cmd: cp b far
    deps: [b]
    outs: [far]
""",
    "a": "a\n",
    "b": "b\n",
    "sub/.keep": "",
}


def test_dvc_is_asked_for_nothing_but_what_is_needed(make_project, web):
    project = make_project(files=FILES)
    project.write({".dvc/config": f"['remote \"store\"']\nurl = {web.folder}\n"})
    assert set(project.outcomes().values()) == {"ran"}
    project.dvc("push", "-q", "-r", "store")
    config = f"[core]\nremote = store\n['remote \"store\"']\nurl = {web.url}\n"
    project.write({".dvc/config": config})
    shutil.rmtree(project.root / ".dvc/cache")
    shutil.rmtree(project.root / "one")
    (project.root / "sub/two").unlink()
    (project.root / "far").unlink()
    assert project.outcomes(pull=True, targets=["two"]) == {"one": "restored", "two": "restored"}
    assert project.read("sub/two") == "a\n"
    digest = hashlib.md5(b"b\n").hexdigest()
    assert not any(path.endswith(digest[2:]) for _, path in web.asked)
    assert not (project.root / "far").exists()
    assert project.outcomes(pull=True)["far"] == "restored"
    assert project.dvc("status") == "Data and pipelines are up to date.\n"
