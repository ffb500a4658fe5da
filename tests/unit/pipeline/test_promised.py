"""What penstock.yaml expects of the pipeline is looked for before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import ConfigError
from penstock.pipeline import execute

DVC_YAML = """\
stages:
  train:
    cmd: touch ran && mkdir -p models/best && echo m > models/best/MLmodel && echo x > test.csv
    outs: [models, test.csv]
"""
PENSTOCK_YAML = """\
model:
  path: modles/best
  test_data: test.csv
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dvc.yaml").write_text(DVC_YAML)
    (tmp_path / "penstock.yaml").write_text(PENSTOCK_YAML)
    return tmp_path


def test_a_model_that_no_stage_makes_stops_the_run_before_it_begins(project: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        execute(project, promised={"model.path": "models_best", "model.test_data": "nowhere"})
    first, second = caught.value.problems
    assert (first.code, first.hint) == ("project.unmade", "did you mean `models`?")
    assert (first.span.line, first.span.column) == (2, 9)
    assert second.span.line == 3
    assert second.hint == "dvc.yaml makes models, test.csv"
    assert not (project / "ran").exists()


@pytest.mark.parametrize("path", ["models", "models/", "./models/best", "models/best", "dvc.yaml"])
def test_what_is_made_or_there_or_inside_is_fine(project: Path, path: str) -> None:
    assert execute(project, promised={"model.path": path}).outcome == "succeeded"
