"""`penstock replay`: a recorded run once more, in the environment that it had."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.errors import ExitCode, StateError


@click.command()
@click.argument("run_id", metavar="RUN")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Stages at a time [number of cores].")
@click.option("--tolerance", default=1e-6, show_default=True, help="Relative, for metrics.")
@click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Interpreter to use [that of the run's locked environment, made when it is not there].",
)
@click.option("--here", is_flag=True, help="Use the present interpreter, whatever the run had.")
@click.option("--pull", is_flag=True, help="Fetch data that the cache does not have.")
@click.option(
    "--allow-dirty", is_flag=True, help="Replay the commit of a run that differed from it."
)
@common(find=False)
def replay(project: Path, run_id: str, *, python: Path | None, here: bool, **chosen: Any) -> int:
    """Repeat a recorded run and compare, artifact by artifact.

    The run's commit is checked out in a worktree of its own, its locked environment is made again
    where the present one is another, and every stage is executed.

    \b
    Examples:
      penstock replay 20261124-215501-k3f9
      penstock replay last

    Ends with 0 when all is identical or within the tolerance, 1 when not.
    """
    from penstock.cli.progress import ProgressView
    from penstock.pipeline.replaying import replay as again

    run = recorded(project, run_id)

    def rebuild(base: Path, wanted: str) -> tuple[Path | None, bool | None]:
        return (python, None) if python else environment(project, base, wanted, here=here)

    with ProgressView(quiet=output.wants_json()) as view:
        report = again(project, run, listener=view, rebuild=rebuild, **chosen)
    output.emit(report.to_dict(), lambda: _show_replay(report))
    return ExitCode.DONE if report.same else ExitCode.NO


def environment(
    project: Path, base: Path, wanted: str, *, here: bool
) -> tuple[Path | None, bool | None]:
    """Return the interpreter of a recorded environment, and whether it is really that one.

    Args:
        project: keeps what no lock holds.
        base: work tree at the run's commit.
        wanted: digest of the environment, "" when none was recorded.
        here: take the present interpreter in any case.

    Raises:
        UnavailableError: the environment cannot be made.
    """
    from penstock.packaging import held_here, rebuild
    from penstock.pipeline.locked import FOLDER, environment_of, lock_of

    if not wanted:
        return None, None
    lock, kept = lock_of(base), project / FOLDER / f"{wanted}.txt"
    same = environment_of(base)[0] == wanted
    if same and lock is None:
        return None, True
    whole = kept.exists() and hashlib.sha256(kept.read_bytes()).hexdigest() == wanted
    found = lock if same else kept if whole else None
    if here or found is None:
        return None, held_here(found) if found else False
    return Path(rebuild(found, project / FOLDER, project=base)), True


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
        click.echo("the environment is not the one of that run")
    if report.first_difference is None:
        click.echo(f"run {report.run_id} can be repeated: everything came out the same")
    else:
        click.echo(f"first difference: stage {report.first_difference}: {report.reason}")
