"""`penstock doctor`: what is wrong with this set-up, and how to mend it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.errors import ExitCode

_MARKS = {"ok": ("✓", "green"), "warn": ("!", "yellow"), "problem": ("✗", "red")}


@click.command()
@common(find=False)
def doctor(project: Path) -> int:
    """Say what is wrong with this set-up and how to mend it.

    Looks at Git, dvc.yaml, penstock.yaml, data, tests, disk, environment, DVC remote, registry,
    gateway and port, and says at which of Google's MLOps levels the project stands.

    \b
    Examples:
      penstock doctor
      penstock doctor --json | jq '.findings[] | select(.level == "problem")'

    Ends with 0 when nothing stands in the way, 1 when something does.
    """
    from penstock.cli.checkup import examine
    from penstock.cli.finding import PROBLEM, WARN, Finding
    from penstock.config import find_project
    from penstock.errors import StateError

    try:
        root = find_project(project)
    except StateError:
        root = project
    findings = examine(root)
    problems = sum(one.level == PROBLEM for one in findings)
    warnings = sum(one.level == WARN for one in findings)

    def tell() -> None:
        for one in findings:
            click.echo(_line(one))
            if one.hint:
                click.echo(f"      {one.hint}")
        click.echo(f"\n{_count(problems, 'problem')}, {_count(warnings, 'warning')}")

    def _line(one: Finding) -> str:
        letter, colour = _MARKS[one.level]
        mark = output.paint(letter, colour, bold=True, stream=sys.stdout)
        place = f"{one.place}: " if one.place else ""
        return f"  {mark} {one.name}: {place}{one.message}"

    data = {
        "project": str(root),
        "problems": problems,
        "warnings": warnings,
        "findings": [one.to_dict() for one in findings],
    }
    output.emit(data, tell)
    return ExitCode.NO if problems else ExitCode.DONE


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
