"""What a walk tells, and to whom: the command line shows it, tests collect it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Voice(Protocol):
    """Told by a walk what it does, in order, from one thread; must not raise."""

    def step(self, number: int, title: str, why: str) -> None:
        """Begin one of the six steps: what happens and why it matters."""

    def by_hand(self, lines: Sequence[str]) -> None:
        """Show how a person does the same: shell lines, comments begin with ``#``."""

    def command(self, line: str) -> None:
        """Announce a command that is about to run; its output follows on the terminal."""

    def said(self, text: str) -> None:
        """Explain what was just seen."""

    def fact(self, text: str, *, holds: bool) -> None:
        """State something that was read back from the journal, MLflow, Git or the traffic."""

    def end(self, lines: Sequence[str]) -> None:
        """Close the walk: where everything is, what to try next."""
