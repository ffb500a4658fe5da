"""How verdicts, runs and rollouts are told to people."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from typing import Any

import click

from penstock.cli.output import paint
from penstock.domain.run import Run, RunOutcome, StageOutcome
from penstock.domain.verdict import Outcome, Verdict

MARKS = {
    Outcome.PASSED: ("✓", "green"),
    Outcome.INCONCLUSIVE: ("?", "yellow"),
    Outcome.FAILED: ("✗", "red"),
    Outcome.ERROR: ("!", "red"),
}


def mark(outcome: Outcome) -> str:
    """Return one coloured letter for an outcome."""
    letter, colour = MARKS[outcome]
    return paint(letter, colour, bold=True, stream=sys.stdout)


def tell(verdicts: Sequence[Verdict]) -> None:
    """Print verdicts, each with its words."""
    for one in verdicts:
        soft = "" if one.blocking or one.outcome is Outcome.PASSED else " (does not block)"
        click.echo(f"  {mark(one.outcome)} {one.name}: {one.outcome.value}{soft}")
        words = one.words + (f" ({one.hint})" if one.hint and one.stops else "")
        for line in textwrap.wrap(words, 92):
            click.echo(f"      {line}")


def summary(run: Run) -> str:
    """Return one line about a run."""
    counts = {
        outcome: sum(one.outcome is outcome for one in run.stages) for outcome in StageOutcome
    }
    said = ", ".join(f"{n} {outcome.value}" for outcome, n in counts.items() if n) or "no stages"
    took = (run.finished or run.started) - run.started
    ended = "" if run.outcome is RunOutcome.SUCCEEDED else f" {run.outcome.value}:"
    return f"run {run.id} at {run.revision.short}:{ended} {said} in {took:.1f} s"


class RolloutTeller:
    """Prints on standard error what a rollout does, whenever that changes."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, state: Any) -> None:
        """Take a look at the state after each step of the rollout."""
        said = f"{state.phase.value}, {state.weight:g} % to version {state.challenger.version}"
        words = state.trouble or state.words
        if words.split(":")[0] + said != self._said:
            self._said = words.split(":")[0] + said
            click.echo(f"rollout | {said}: {words}", err=True)
