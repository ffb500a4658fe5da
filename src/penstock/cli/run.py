"""`penstock run`: the pipeline, the gates and the registry, in one walk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.errors import ExitCode


@click.command()
@click.argument("targets", nargs=-1, metavar="[STAGE]...")
@click.option("-j", "--jobs", type=click.IntRange(1), help="Stages at a time [number of cores].")
@click.option("-f", "--force", is_flag=True, help="Run stages even if nothing changed.")
@click.option("--executor", metavar="NAME", help="Where stages run [local].")
@click.option("-k", "--keep-going", is_flag=True, help="Finish what does not need a failed stage.")
@click.option("--pull", is_flag=True, help="Fetch what the stages that must run need.")
@click.option("--push", is_flag=True, help="Send outputs to the remote afterwards.")
@click.option("--commit", metavar="REV", help="Run a commit in a worktree of its own.")
@click.option("--deploy", is_flag=True, help="Roll the model version out when it passed.")
@click.option("--allow-dirty", is_flag=True, help="Register a model made from uncommitted changes.")
@click.option("--reason", default="asked for", help="Why, for the journal.", show_default=True)
@common
def run(project: Path, targets: tuple[str, ...], **chosen: Any) -> int:
    """Run the pipeline, judge the candidate, register it.

    Stages that nothing changed for are not run; tests and gates that nothing changed for are not
    asked again. What passes all gates becomes a model version in MLflow.

    \b
    Examples:
      penstock run                     everything that is out of date
      penstock run train -j 4          one stage and what it needs
      penstock run --deploy            and roll the new version out
      penstock run --commit main       a commit, without touching your files

    Ends with 0 when all is well, 1 when a gate or the rollout said no, 4 when a stage failed, 5
    when --deploy could not be followed, such as for uncommitted changes.
    """
    from penstock.assembly import Project
    from penstock.cli.deploy import told_when_left
    from penstock.cli.progress import ProgressView
    from penstock.cli.verdicts import RolloutTeller
    from penstock.loop import Loop
    from penstock.walk import Wishes

    teller = None if output.wants_json() else RolloutTeller()
    wishes = Wishes(targets=targets, listener=teller, **chosen)
    view = ProgressView(quiet=output.wants_json())
    with Project.open(project) as opened, told_when_left(opened), view:
        walk = Loop(opened).walk(wishes, view)
    return finish(walk)


def finish(walk: Any) -> int:
    """Tell what a walk came to and return the exit code."""
    output.emit(walk.to_dict(), lambda: _tell(walk))
    if walk.cancelled:
        return ExitCode.INTERRUPTED
    if walk.failed:
        return ExitCode.STAGE
    if walk.refused:
        return ExitCode.NO
    return ExitCode.STATE if walk.held_back else ExitCode.DONE


def _tell(walk: Any) -> None:
    from penstock.cli.verdicts import summary, tell

    if walk.run is not None:
        click.echo(
            summary(walk.run) if walk.new or walk.failed else "nothing to do: all is up to date"
        )
        for one in walk.run.stages if walk.failed else ():
            _tell_failure(one)
    if walk.verdicts:
        against = "" if walk.new else " (judged before; nothing has changed since)"
        click.echo(f"gates{against}:")
        tell(walk.verdicts)
    if walk.version is not None:
        click.echo(f"{walk.version.model} version {walk.version.version} is registered")
    if walk.rollout is not None:
        _tell_rollout(walk.rollout)
    if walk.note:
        click.echo(walk.note)
    if any(one.stops for one in walk.verdicts):
        click.echo("refused: the champion stays as it is")


def _tell_failure(stage_run: Any) -> None:
    from penstock.cli.verdicts import tell

    if stage_run.error:
        click.echo(f"stage {stage_run.stage} {stage_run.outcome.value}: {stage_run.error}")
        tell([one for one in stage_run.verdicts if one.stops])


def _tell_rollout(state: dict[str, Any]) -> None:
    version = state["challenger"]["version"]
    words = state["reason"] or state["words"]
    click.echo(f"rollout {state['id']} of version {version}: {state['phase']}: {words}")
