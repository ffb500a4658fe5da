"""`penstock plan` and `why`: what would run, and which byte is the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.errors import ExitCode

_SIGNS = {
    "run": "run",
    "restore": "from cache",
    "unchanged": "up to date",
    "frozen": "frozen",
    "record": "new data",
    "maybe": "perhaps",
}


@click.command()
@click.argument("targets", nargs=-1, metavar="[STAGE]...")
@click.option("-f", "--force", is_flag=True, help="As if nothing had ever run.")
@click.option("-a", "--all", "everything", is_flag=True, help="Also list what is up to date.")
@common(find=False)
def plan(project: Path, targets: tuple[str, ...], force: bool, everything: bool) -> int:
    """Show what `penstock run` would do, why, and for how long.

    Nothing is changed. "perhaps" means: only if a stage that runs before it writes something new.

    \b
    Examples:
      penstock plan             what would run
      penstock plan train       of one stage and what it needs
      penstock plan --all       every stage, also those that are up to date
    """
    from penstock.pipeline.planning import plan as make

    found = make(project, targets=targets, force=force)
    output.emit(found.to_dict(), lambda: _show_plan(found, everything=everything))
    return ExitCode.DONE


def _show_plan(found: Any, *, everything: bool) -> None:
    shown = [one for one in found.stages if everything or one.works]
    if shown:
        rows = [
            (_SIGNS[one.action], one.stage, clock(one.expected_seconds), "; ".join(one.reasons))
            for one in shown
        ]
        click.echo(output.table(("", "STAGE", "TIME", "WHY"), rows, right="c"))
    rest = len(found.stages) - sum(one.works for one in found.stages)
    if rest == len(found.stages):
        click.echo(f"nothing to do: all {rest} stages are up to date")
    else:
        about = f"; about {clock(found.expected_seconds)}" if found.expected_seconds else ""
        click.echo(f"{rest} of {len(found.stages)} stages are up to date{about}")


def clock(seconds: float | None) -> str:
    """Return a duration for people: ``0.4 s``, ``12 s``, ``3:05``, ``2:00:00``; "" for None."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@click.command()
@click.argument("stage")
@common(find=False)
def why(project: Path, stage: str) -> int:
    """Say which byte of what makes a stage run.

    \b
    Example:
      penstock why train
    """
    from penstock.pipeline.explain import why as explain

    found = explain(project, stage)
    output.emit(found.to_dict(), lambda: _show_why(found))
    return ExitCode.DONE


def _show_why(found: Any) -> None:
    click.echo(f"{found.stage}: {_SIGNS[found.action]}")
    for reason in found.reasons if not found.changes else ():
        click.echo(f"  {reason}")
    for change in found.changes:
        _show_change(change)
    if found.last:
        reasons = "; ".join(found.last["reasons"]) or "no reason was noted"
        click.echo(f"last executed in run {found.last['run_id']}: {reasons}")


def _show_change(change: Any) -> None:
    maker = f" (made by {change.made_by})" if change.made_by else ""
    if change.kind == "upstream":
        click.echo(f"  {change.what}, which it depends on: {_SIGNS[change.new]}")
    elif change.kind == "command":
        click.echo("  command")
        click.echo(f"    was  {_indented(change.old)}")
        click.echo(f"    is   {_indented(change.new)}")
    else:
        old, new = change.old or "absent", change.new or "absent"
        click.echo(f"  {change.kind} {change.what}{maker}: {old} -> {new}")
    for one in change.differences:
        _show_difference(one)


def _indented(text: str | None) -> str:
    return (text or "").replace("\n", "\n         ")


def _show_difference(one: Any) -> None:
    if one.kind != "changed":
        words = {"unknown": "the old bytes are neither in the cache nor in Git"}
        click.echo(f"    {one.path}: {words.get(one.kind, one.kind)}")
        return
    if one.offset is None:
        click.echo(f"    {one.path}: changed")
        return
    place = f"line {one.line}, " if one.line else ""
    click.echo(f"    {one.path}: first differs at {place}byte {one.offset}")
    if one.line:
        click.echo(f"      - {one.old}")
        click.echo(f"      + {one.new}")
