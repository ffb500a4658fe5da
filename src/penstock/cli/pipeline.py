"""`penstock plan`, `why` and `replay`: what would run, which byte is the reason, and once more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.errors import ExitCode, StateError

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


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Stages at a time [number of cores].")
@click.option("--tolerance", default=1e-6, show_default=True, help="Relative, for metrics.")
@click.option("--python", type=click.Path(exists=True, path_type=Path), help="Interpreter to use.")
@click.option("--pull", is_flag=True, help="Fetch data that the cache does not have.")
@click.option(
    "--allow-dirty", is_flag=True, help="Replay the commit of a run that differed from it."
)
@common(find=False)
def replay(project: Path, run_id: str, **chosen: Any) -> int:
    """Repeat a recorded run and compare, artifact by artifact.

    The run's commit is checked out in a worktree of its own; every stage is executed again.

    \b
    Examples:
      penstock replay 20261124-215501-k3f9
      penstock replay last

    Ends with 0 when all is identical or within the tolerance, 1 when not.
    """
    from penstock.cli.progress import ProgressView
    from penstock.pipeline.replaying import replay as again

    run = recorded(project, run_id)
    with ProgressView(quiet=output.wants_json()) as view:
        report = again(project, run, listener=view, **chosen)
    output.emit(report.to_dict(), lambda: _show_replay(report))
    return ExitCode.DONE if report.same else ExitCode.NO


def recorded(project: Path, run_id: str) -> Any:
    """Return a run of the journal, the newest one for ``last``.

    Raises:
        StateError: ``pipeline.unknown-run``.
    """
    from penstock.domain.run import Run
    from penstock.journal import Journal

    path = project / ".penstock" / "journal.db"
    if path.exists():
        with Journal(path) as journal:
            if run_id == "last":
                found = journal.records("run", limit=1)
                record = found[0] if found else None
            else:
                record = journal.get("run", run_id)
        if record is not None:
            return Run.from_dict(record.value)
    raise StateError(
        f"no run is called {run_id}",
        code="pipeline.unknown-run",
        hint="`penstock history` lists them",
    )


def _show_replay(report: Any) -> None:
    rows = [(one.stage, one.path, one.outcome) for one in report.artifacts]
    if rows:
        click.echo(output.table(("STAGE", "OUTPUT", "OUTCOME"), rows))
    for one in report.artifacts:
        for name, (then, now) in one.details.items():
            click.echo(f"{one.path}: {name} was {then}, is {now}")
    for path in report.inputs:
        click.echo(f"input {path} is not what it was in run {report.run_id}")
    if report.environment_same is False:
        click.echo("the locked environment is not the one of that run")
    if report.first_difference is None:
        click.echo(f"run {report.run_id} can be repeated: everything came out the same")
    else:
        click.echo(f"first difference: stage {report.first_difference}: {report.reason}")
