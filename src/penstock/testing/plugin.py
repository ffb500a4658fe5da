"""The pytest plugin: fixtures for tests of a model. Nothing heavy is imported until one is used.

What the fixtures are about comes from `penstock run` through PENSTOCK_* variables; when pytest is
called by hand, from penstock.yaml and the journal of the project around pytest's root.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock.errors import PenstockError


@pytest.fixture(scope="session")
def penstock_subjects(pytestconfig: pytest.Config) -> Any:
    """Find what the tests are about."""
    from penstock.config import find_project
    from penstock.gates.subjects import Subjects

    with _told_in_words():
        found = Subjects.from_environment(os.environ)
        if found is not None and found.candidate is not None:
            return found
        start = found.root if found is not None else Path(pytestconfig.rootpath)
        return Subjects.find(find_project(start))


@pytest.fixture(scope="session")
def candidate(penstock_subjects: Any) -> Any:
    """The model that the pipeline wrote: a `penstock.testing.Model`."""
    path = penstock_subjects.candidate
    if not path.exists():
        pytest.fail(
            f"there is no candidate: {path} does not exist; run the stage that makes it",
            pytrace=False,
        )
    return _model(penstock_subjects, path, None)


@pytest.fixture(scope="session")
def champion(penstock_subjects: Any) -> Any:
    """The model that holds the traffic: a `penstock.testing.Model`; skips before there is one."""
    path = penstock_subjects.champion
    if path is None or not path.exists():
        pytest.skip("there is no champion yet")
    return _model(penstock_subjects, path, penstock_subjects.champion_python)


@pytest.fixture(scope="session")
def test_data(penstock_subjects: Any) -> Any:
    """The held-out rows: `penstock.testing.Rows`. Change copies only: all tests share them."""
    from penstock.testing.rows import Rows

    with _told_in_words():
        return Rows.read(penstock_subjects.test_data, penstock_subjects.target)


@pytest.fixture(scope="session")
def predictions(candidate: Any, test_data: Any) -> Any:
    """What the candidate says about the held-out rows: `penstock.gates.Predictions`."""
    with _told_in_words():
        return candidate.predictions(test_data)


@pytest.fixture(scope="session")
def run(penstock_subjects: Any) -> Any:
    """The run in whose course the tests are made: its `metrics`, `params`, `root` and `id`."""
    from penstock.testing.run import RunFacts

    return RunFacts(penstock_subjects.root, penstock_subjects.run_id)


def _model(subjects: Any, path: Path, python: str | None) -> Any:
    from penstock.testing.model import Model

    return Model(
        path,
        target=subjects.target,
        task=subjects.task,
        positive=subjects.positive,
        python=python,
    )


class _told_in_words:  # noqa: N801 - reads as the statement that it is
    """Turns an error of penstock into a failure of the test, without a traceback."""

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: object, _trace: object) -> None:
        if isinstance(error, PenstockError):
            hint = f"; {error.hint}" if error.hint else ""
            raise pytest.fail.Exception(f"{error.message}{hint}", pytrace=False) from None


def pytest_report_header() -> str | Iterator[str] | list[str]:
    """Say for which stage the tests run."""
    stage = os.environ.get("PENSTOCK_STAGE")
    return [f"penstock: {os.environ.get('PENSTOCK_WHEN')} stage {stage}"] if stage else []
