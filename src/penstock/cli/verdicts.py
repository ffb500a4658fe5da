"""How verdicts, runs and rollouts are told to people."""

from __future__ import annotations

import sys
import textwrap
import time
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


_PATIENCE = 5.0
"""Seconds without a change after which a person is told what a rollout waits for."""


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
        self._seen: tuple[Any, ...] = ()
        self._since = 0.0
        self._told = False

    def __call__(self, state: Any) -> None:
        """Take a look at the state after each step of the rollout."""
        said = f"{state.phase.value}, {state.weight:g} % to version {state.challenger.version}"
        words = state.trouble or state.words
        if words.split(":")[0] + said != self._said:
            self._said = words.split(":")[0] + said
            click.echo(f"rollout | {said}: {words}", err=True)
        self._idle(state)

    def _idle(self, state: Any) -> None:
        """Say once what is waited for when nothing has changed for a while."""
        seen = (state.phase, state.step, state.needs)
        if seen != self._seen:
            self._seen, self._since = seen, time.monotonic()
        if state.needs and not self._told and time.monotonic() - self._since > _PATIENCE:
            self._told = True
            for line in (
                f"waiting for about {state.needs:,} more requests: the evidence is live traffic",
                "Ctrl-C lets it go on in the background (`penstock rollout status`)",
                "without traffic: `penstock rollout promote`, or `penstock rollout abort`",
            ):
                click.echo(f"rollout | {line}", err=True)


class TroubleTeller:
    """Prints on standard error what a return waits for, once for each trouble."""

    def __init__(self) -> None:
        self._said = ""

    def __call__(self, state: Any) -> None:
        """Take a look at the state after each step."""
        if state.trouble and state.trouble != self._said:
            said = f"{state.trouble} (it is tried again; Ctrl-C leaves that to the background)"
            click.echo(f"rollback | {said}", err=True)
        self._said = state.trouble
