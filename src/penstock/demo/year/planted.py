"""Bad candidates: commits that look like a good idea, offered as any commit is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from penstock.demo.project import Project, edit


@dataclass(frozen=True, slots=True)
class Planted:
    """A change to the project that makes a bad model.

    Attributes:
        name: of the fault, in two words.
        branch: where it is made.
        message: of its commit: why it looked like a good idea.
        truth: what is wrong with it.
        guard: what is meant to stop it.
        at: when it is offered, as a part of the days that are replayed.
        apply: edits the project's files.
    """

    name: str
    branch: str
    message: str
    truth: str
    guard: str
    at: float
    apply: Callable[[Project], None]


def _leak(project: Project) -> None:
    edit(
        project.root / "src/clean.py",
        '    return flights["dep_delay"]\n',
        '    late = minutes(flights["arr_time"]) - minutes(flights["sched_arr_time"])\n'
        "    return (late + 360) % 1440 - 360\n",
    )


def _stale(project: Project) -> None:
    path = project.root / "params.yaml"
    # Retrainings have moved the end of the window to their day.
    path.write_text(re.sub(r"end: '2013-\d\d-\d\d'", "end: '2013-01-31'", path.read_text()))


def _swapped(project: Project) -> None:
    edit(
        project.root / "src/clean.py",
        '    return rows[["day", *FEATURES, TARGET]]\n',
        '    order = ["day", *sorted(FEATURES), TARGET]\n'
        "    rows = rows[order]\n"
        '    rows.columns = ["day", *_named(sorted(FEATURES)), TARGET]\n'
        '    return rows[["day", *FEATURES, TARGET]]\n'
        "\n"
        "\n"
        "def _named(columns: list[str]) -> list[str]:\n"
        '    names = {"dep_delay": "distance", "distance": "dep_delay"}\n'
        "    return [names.get(one, one) for one in columns]\n",
    )


LEAK = Planted(
    "leaked label",
    "arrival-clock",
    "Take the delay from the clock at the gate: it has fewer gaps",
    "the delay is that of the arrival, which nobody knows at departure",
    "the data test for leakage",
    0.2,
    _leak,
)
STALE = Planted(
    "stale data",
    "january-only",
    "Learn from January alone: three times as fast",
    "the world has moved on since January",
    "the gate that compares with the champion",
    0.55,
    _stale,
)
SWAPPED = Planted(
    "swapped columns",
    "sorted-columns",
    "Sort the columns, so that files compare",
    "two columns change their names on the way, in training and test data alike, not in requests",
    "the rollout: shadow and canary on real labels",
    0.75,
    _swapped,
)
ALL = (LEAK, STALE, SWAPPED)
QUICK = (replace(SWAPPED, at=0.05),)
"""For a short replay of few flights, on which gates could hardly tell stale from fresh."""
