"""What `penstock doctor` looks at: each examination yields findings, none of them raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from penstock.cli import checkup_machine as machine
from penstock.cli import checkup_project as project
from penstock.cli.finding import OK, Finding, Patient
from penstock.cli.maturity import level_of


def examine(root: Path) -> list[Finding]:
    """Return all findings about a project, in the order of its loop."""
    patient = Patient(root)
    return [finding for examination in EXAMINATIONS for finding in examination(patient)]


def maturity(patient: Patient) -> Iterator[Finding]:
    """Say at which of Google's MLOps levels the project stands."""
    found = level_of(patient.root, patient.pipeline, patient.settings)
    said = f"level {found.level} of 2 in Google's MLOps levels: {found.words}"
    hint = f"for level {found.level + 1}: {'; '.join(found.missing)}" if found.missing else None
    yield Finding("maturity", OK, said, hint)


EXAMINATIONS: tuple[Callable[[Patient], Iterator[Finding]], ...] = (
    project.repository,
    project.identity,
    project.pipeline,
    project.settings,
    project.conditions,
    project.model,
    project.data,
    project.tests,
    machine.state,
    machine.environment,
    machine.remote,
    machine.registry,
    machine.gateway,
    machine.agreement,
    maturity,
)
