"""Dependencies and outputs at URLs: recorded as DVC records them, and seen to change."""

from __future__ import annotations

import sys

import pytest

from penstock.config import source
from penstock.errors import StateError, UnavailableError
from penstock.pipeline import plan, why

UPTODATE = "Data and pipelines are up to date.\n"


def pipeline(deps: list[str]) -> str:
    """Return a dvc.yaml with a stage for each dependency."""
    lines = [
        f"  s{number}:\n    cmd: echo {number} > o{number}\n    deps: ['{dep}']\n"
        f"    outs: [o{number}]\n"
        for number, dep in enumerate(deps)
    ]
    return "stages:\n" + "".join(lines)


def lock(project):
    return source.read(project.read("dvc.lock")).value


def both(make_project, config: str, deps: list[str]):
    """Run a pipeline with penstock and with DVC; they must record the same."""
    files = {"dvc.yaml": pipeline(deps), ".dvc/config": config}
    ours, theirs = make_project("ours", files), make_project("theirs", files)
    assert set(ours.outcomes().values()) == {"ran"}
    theirs.dvc("repro", "-q")
    assert lock(ours)["stages"] == lock(theirs)["stages"]
    assert ours.dvc("status") == UPTODATE
    assert set(theirs.outcomes().values()) == {"unchanged"}
    return ours


def test_files_on_web_servers(make_project, web):
    names = ("a.csv", "plain.csv", "c d.csv")
    for name in names:
        (web.folder / name).write_text(f"{name}\n")
    deps = [f"{web.url}/a.csv", f"{web.url}/plain.csv", "remote://web/a.csv", f"{web.url}/c d.csv"]
    project = both(
        make_project, f"['remote \"web\"']\nurl = {web.url}\n", [*deps, f"{web.url}/moved/a.csv"]
    )
    web.asked.clear()
    assert set(project.outcomes().values()) == {"unchanged"}
    assert {method for method, _ in web.asked} == {"HEAD"}

    (web.folder / "a.csv").write_text("more\n")
    actions = {one.stage: one.action for one in plan(project.root).stages}
    assert actions == {
        "s0": "run", "s1": "unchanged", "s2": "run", "s3": "unchanged", "s4": "run"
    }  # fmt: skip
    (change,) = why(project.root, "s0").changes
    assert (change.kind, change.what, change.differences) == ("dependency", deps[0], ())
    assert change.old != change.new
    assert project.outcomes()["s0"] == "ran"
    assert project.dvc("status") == UPTODATE

    (web.folder / "a.csv").unlink()
    run = project.run(targets=["s0"])
    assert run.outcome == "failed"
    assert f"s0 needs {deps[0]}, which does not exist" in (run.error or "")


@pytest.mark.parametrize("kind", ["s3", "ssh"])
def test_files_and_directories_of_storage(make_project, request, kind):
    service = request.getfixturevalue(kind)
    for name in ("a.csv", "d/b.csv", "d/e/c.csv"):
        service.put(name, name.encode())
    deps = ["remote://far/a.csv", "remote://far/d", "remote://far/d/e/"]
    project = both(make_project, service.remote("far"), deps)
    assert set(project.outcomes().values()) == {"unchanged"}
    service.put("d/e/c.csv", b"more")
    assert project.outcomes() == {"s0": "unchanged", "s1": "ran", "s2": "ran"}
    assert project.dvc("status") == UPTODATE


def test_a_remote_that_is_a_directory(make_project, tmp_path):
    far = tmp_path / "far"
    (far / "d").mkdir(parents=True)
    (far / "d/a.csv").write_text("1\n")
    config = f"['remote \"far\"']\nurl = {far}\n"
    both(make_project, config, ["remote://far/d", "remote://far/d/a.csv", str(far / "d")])


def test_outputs_elsewhere_that_are_not_cached(make_project, s3, tmp_path):
    put = (
        f"import boto3; boto3.client('s3', endpoint_url='{s3.options['endpointurl']}',"
        " aws_access_key_id='me', aws_secret_access_key='secret', region_name='us-east-1')"
        f".put_object(Bucket='{s3.url.split('/')[2]}', Key='path/up', Body=b'up')"
    )
    text = f"""\
stages:
  up:
    cmd: {sys.executable} put.py
    deps: [put.py]
    outs:
    - remote://far/up: {{cache: false}}
  use:
    cmd: echo 1 > used
    deps: [remote://far/up]
    outs: [used]
  beside:
    cmd: echo 1 > ../beside && echo 2 > {tmp_path}/there
    deps: [put.py]
    outs:
    - ../beside: {{cache: false}}
    - {tmp_path}/there: {{cache: false}}
"""
    files = {"dvc.yaml": text, "put.py": put, ".dvc/config": s3.remote("far")}
    ours = make_project("ours", files)
    assert ours.outcomes() == {"up": "ran", "use": "ran", "beside": "ran"}
    assert ours.dvc("status") == UPTODATE
    assert "Running stage" not in ours.dvc("repro")
    theirs = make_project("theirs", files)
    theirs.dvc("repro", "-q")
    assert lock(ours)["stages"] == lock(theirs)["stages"]
    assert (
        not (ours.root / ".dvc/cache/runs").exists()
        or ours.files(".dvc/cache/runs").keys() == theirs.files(".dvc/cache/runs").keys()
    )
    s3.put("up", b"by hand")
    assert ours.outcomes() == {"use": "unchanged", "up": "ran", "beside": "unchanged"}


def test_what_cannot_be_reached_is_told_with_its_place(make_project, web):
    (web.folder / "secret").mkdir()
    (web.folder / "secret/a").write_text("1\n")
    text = pipeline([f"{web.url}/secret/a"])
    project = make_project(files={"dvc.yaml": text})
    with pytest.raises(UnavailableError) as caught:
        project.run()
    assert str(caught.value.span) == "dvc.yaml:4:12"
    assert "401" in caught.value.message
    config = f"['remote \"web\"']\nurl = {web.url}\nauth = basic\nuser = me\npassword = x\n"
    project.write({"dvc.yaml": pipeline(["remote://web/secret/a"]), ".dvc/config": config})
    assert project.outcomes() == {"s0": "ran"}
    assert project.dvc("status") == UPTODATE

    project.write({"dvc.yaml": pipeline(["remote://wep/secret/a"])})
    with pytest.raises(StateError) as unknown:
        project.run()
    assert unknown.value.hint == "did you mean 'web'?"
    assert str(unknown.value.span) == "dvc.yaml:4:12"
    project.write({"dvc.yaml": pipeline(["http://127.0.0.1:9/a"])})
    with pytest.raises(UnavailableError) as caught:
        project.run()
    assert "refused" in caught.value.message


def test_a_frozen_stage_asks_nobody(make_project):
    text = pipeline(["http://127.0.0.1:9/a"]) + "    frozen: true\n"
    project = make_project(files={"dvc.yaml": text, "o0": "0\n"})
    assert project.outcomes() == {"s0": "frozen"}
