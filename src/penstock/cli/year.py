"""`penstock demo --year`: the flights of 2013 day by day, with nobody touching anything."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import click

from penstock.cli import output
from penstock.errors import ExitCode

QUICK_DAYS, QUICK_SHARE = 28, 0.25


def year(root: Path, *, days: int | None, quick: bool) -> int:
    """Replay the year, tell what came of it, and say whether it holds.

    Args:
        root: where to make the repository.
        days: how many to replay; None: all, or as many as are quick.
        quick: with a quarter of the flights.
    """
    from penstock.demo.year import planted
    from penstock.demo.year.outcome import holds, outcome
    from penstock.demo.year.replay import Options, Replay
    from penstock.demo.year.report import write

    whole = Options()
    options = Options(days=days or whole.days)
    if quick:
        options = Options(days or QUICK_DAYS, QUICK_SHARE, planted=planted.QUICK)
    quiet = output.wants_json()
    if not quiet:
        click.echo(_OPENING)
    with View(options.days, quiet=quiet) as view:
        replay = Replay(root, options, view.show)
        replay.run()
        found = outcome(replay)
    shutil.rmtree(replay.clock.folder, ignore_errors=True)
    page = write(found, root / ".penstock" / "reports")
    facts = holds(found)
    if options != whole:  # a comparison of policies takes a year
        facts = {words: fine for words, fine in facts.items() if "monthly" not in words}
    output.emit({**found, "holds": facts, "report": str(page)}, lambda: _tell(found, facts, page))
    return ExitCode.DONE if all(facts.values()) else ExitCode.NO


_OPENING = """\
Version 1 learns from January and February. From March on every flight is asked about at departure,
through the gateway, and its label comes five days later. Nobody touches anything: monitors,
triggers, search, gates and rollouts of an ordinary project decide. Bad candidates are offered on
the way.
"""


class View:
    """Shows a replay while it goes on: the day, the champion, what happens.

    Args:
        days: of the replay.
        quiet: show nothing.
    """

    def __init__(self, days: int, *, quiet: bool) -> None:
        self._days = days
        self._quiet = quiet
        self._progress: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if self._quiet:
            return self
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(12),
            TimeElapsedColumn(),
            TextColumn("{task.fields[words]}"),
            console=output.console(),
        )
        self._progress.start()
        self._task = self._progress.add_task("first model", total=self._days, words="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, today: Any) -> None:
        """Take in what a day brought."""
        if self._progress is None:
            return
        for words in today.news:
            if _matters(words):
                self._progress.console.print(f"{today.date}  {words}", highlight=False)
        self._progress.update(
            self._task,
            completed=today.number,
            description=today.date.strftime("%d %b"),
            words=_standing(today),
        )


def _matters(words: str) -> bool:
    return not words.startswith(("waiting:", "asked for: new data"))


def _standing(today: Any) -> str:
    standing = today.standing
    words = f"v{standing['champion']}"
    rollout = standing["rollout"]
    if rollout:
        weight = f"{rollout['weight']:g} %" if rollout["weight"] else "shadow"
        words += f", v{rollout['version']} at {weight}"
    loss = f", log loss {today.loss:.3f}" if today.loss is not None else ""
    alarms = f", {len(today.alarms)} alarms" if today.alarms else ""
    return f"{words}{loss}{alarms}, {today.sent.requests:,} sent, {today.sent.failed} failed"


def _tell(found: dict[str, Any], facts: dict[str, bool], page: Path) -> None:
    from rich.table import Table

    from penstock.demo.year.outcome import table

    head, *rows = table(found)
    shown = Table(*head, title="On real labels")
    for row in rows:
        shown.add_row(*row)
    console = output.console()
    console.print(shown)
    for one in found["retrainings"]:
        version = f" version {one['version']}" if one["version"] else ""
        click.echo(
            f"{one['date']}  retraining ({', '.join(one['kinds'])}): {one['outcome']}{version}"
        )
    for one in found["planted"]:
        stopped = "; ".join(one["stopped"]) or "not stopped"
        click.echo(f"{one['date']}  {one['name']}, {one['largest_share']:.1%} at most: {stopped}")
    for words, fine in facts.items():
        click.echo(f"{'✓' if fine else '✗'} {words}")
    click.echo(f"\n{page}\nTry there: penstock retrain --history, penstock history --all")
