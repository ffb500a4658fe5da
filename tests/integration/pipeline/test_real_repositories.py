"""Shapes that repositories of DVC users have; DVC runs a copy of each and is compared with."""

from __future__ import annotations

import shutil

import pytest

from penstock.pipeline import why


@pytest.fixture
def make_pair(make_project, tmp_path):
    """Make a project and a copy of it for DVC, at paths of equal length."""

    def make(files):
        project = make_project(files=files)
        shutil.copytree(project.root, tmp_path / "proj-dvc", symlinks=True)
        return project, type(project)(tmp_path / "proj-dvc")

    return make


def agree(project, other, *files):
    """Let each tool run its copy; compare files, then let each look at the other's work."""
    outcomes = project.outcomes(jobs=1)
    other.dvc("repro", "-q", "-P")
    for file in ("dvc.lock", *files):
        assert project.read(file) == other.read(file)
    for folder in (".dvc/cache/files", ".dvc/cache/runs"):
        assert project.files(folder) == other.files(folder)
    assert project.dvc("status") == "Data and pipelines are up to date.\n"
    assert set(other.outcomes().values()) == {"unchanged"}
    return outcomes


def test_paths_are_recorded_as_they_are_written(make_pair):
    files = {
        "data/a.csv": "a\n",
        "conf/p.yaml": "lr: 1\n",
        "dvc.yaml": """\
            stages:
              one:
                cmd: mkdir -p made && cp data/a.csv made/a.csv && cp data/a.csv b.csv
                deps: [./data/]
                params:
                - conf/p.yaml: [lr]
                outs: [made/, ./b.csv]
              two:
                cmd: cat made/a.csv b.csv > c.csv
                deps: [./made, conf/../b.csv]
                metrics: [./c.csv: {cache: false}]
            """.replace("            ", ""),
    }
    project, other = make_pair(files)
    assert agree(project, other, ".gitignore") == {"one": "ran", "two": "ran"}
    assert "- path: ./data/\n" in project.read("dvc.lock")
    # An absolute path within the project is recorded as seen from the stage.
    for one in (project, other):
        text = one.read("dvc.yaml").replace("[./data/]", f"['{one.root}/data']")
        one.write({"dvc.yaml": text})
    assert why(project.root, "one").reasons == ("data is a new dependency",)
    agree(project, other, ".gitignore")


def test_a_stage_that_reads_nothing_but_parameters_is_in_the_run_cache(make_project):
    text = "stages:\n  a:\n    cmd: date +%N > a\n    params: [p]\n    outs: [a]\n"
    project = make_project(files={"dvc.yaml": text, "params.yaml": "p: 1\n"})
    assert project.outcomes() == {"a": "ran"}
    made = project.read("a")
    project.write({"params.yaml": "p: 2\n"})
    project.dvc("repro", "-q")
    (project.root / "dvc.lock").unlink()
    project.write({"params.yaml": "p: 1\n"})
    assert project.outcomes() == {"a": "restored"}
    assert project.read("a") == made
    project.write({"params.yaml": "p: 2\n"})
    assert project.outcomes() == {"a": "restored"}
    assert project.dvc("status") == "Data and pipelines are up to date.\n"
