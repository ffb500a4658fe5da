"""`penstock rollout`: watch a rollout, drive it, hold it, let it go on, or end it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.errors import ExitCode, PenstockError, StateError, UnavailableError

_REFRESH = 0.25
_STALE = 10.0
"""Seconds without a look after which nobody seems to drive a rollout."""
_RETRY = 2.0


@click.group()
def rollout() -> None:
    """Watch, pause, resume, promote or abort a rollout.

    A rollout moves traffic from the champion to a challenger, step by step, while an analysis
    compares the two. It goes on by itself; these commands are for people who want to see it or
    have a word in it. Without an ID they mean the newest rollout.

    \b
    Examples:
      penstock rollout status --watch
      penstock rollout pause --reason "waiting for the marketing team"
      penstock rollout abort --reason "complaints from support"
    """


_id = click.argument("rollout_id", metavar="[ID]", required=False)
_reason = click.option("--reason", default="", help="Why, for the journal.")


@rollout.command()
@_id
@click.option("--watch", "-w", is_flag=True, help="Stay and show it live until it has ended.")
@common
def status(project: Path, rollout_id: str | None, watch: bool) -> int:
    """Show the split, the evidence of each rule against its bound, and what is left.

    A bar that is full accuses the challenger; "+" means that the evidence acquits it.

    \b
    Examples:
      penstock rollout status
      penstock rollout status --watch
      penstock rollout status rollout-3 --json
    """
    from penstock.assembly import Project
    from penstock.cli.rollout_view import lines

    with Project.open(project) as opened:
        controller = opened.controller()
        name = rollout_id or _newest(opened)
        if name is None:
            output.emit({"rollout": None}, "there has been no rollout yet (penstock deploy)")
            return ExitCode.DONE
        state = controller.state(name)
        if watch and not output.wants_json():
            state = _watch(opened, controller, name)
        else:
            observed = opened.observe()
            output.emit(_plain(state, observed), lambda: _tell(lines(state, observed)))
    return _code(state)


@rollout.command()
@_id
@_reason
@common
def pause(project: Path, rollout_id: str | None, reason: str) -> int:
    """Hold a rollout where it is. The analysis goes on and may still roll it back.

    \b
    Example:
      penstock rollout pause --reason "let us look at the answers first"
    """
    return _command(project, rollout_id, "pause", reason)


@rollout.command()
@_id
@_reason
@common
def resume(project: Path, rollout_id: str | None, reason: str) -> int:
    """Let a paused rollout go on, also past a `pause` step of the strategy.

    \b
    Example:
      penstock rollout resume
    """
    return _command(project, rollout_id, "resume", reason)


@rollout.command()
@_id
@_reason
@common
def promote(project: Path, rollout_id: str | None, reason: str) -> int:
    """Give the challenger all traffic now; on probation, end the probation.

    \b
    Example:
      penstock rollout promote --reason "hotfix, watched by hand"
    """
    return _command(project, rollout_id, "promote", reason)


@rollout.command()
@_id
@_reason
@common
def abort(project: Path, rollout_id: str | None, reason: str) -> int:
    """Return to the champion now. Whatever the rollout was doing, it ends there.

    \b
    Example:
      penstock rollout abort --reason "complaints from support"
    """
    return _command(project, rollout_id, "abort", reason)


@rollout.command()
@_id
@click.option(
    "--until",
    type=click.Choice(["ended", "probation", "paused"]),
    default="ended",
    show_default=True,
    help="Where to stop looking.",
)
@common
def drive(project: Path, rollout_id: str | None, until: str) -> int:
    """Move a rollout forward until it has ended.

    `penstock deploy` does this by itself; this command carries on after a crash or a reboot. Any
    number of processes may drive the same rollout.

    \b
    Examples:
      penstock rollout drive
      penstock rollout drive --until probation

    Ends with 0 when the version was promoted, 1 when it was rolled back or aborted.
    """
    from penstock.assembly import Project

    with Project.open(project) as opened:
        controller = opened.controller()
        name = rollout_id or _active(controller)
        if name is None:
            output.emit({"rollout": None}, "no rollout is under way (penstock deploy)")
            return ExitCode.DONE
        state = _drive(controller, name, until)
        output.emit(_plain(state, None), f"{state.id}: {state.phase.value}: {state.words}")
    return _code(state)


def _drive(controller: Any, name: str, until: str) -> Any:
    """Step until the end; trouble that may pass does not end the process."""
    last: list[str] = []

    def tell(state: Any) -> None:
        said = f"{state.phase.value}: {state.trouble or state.words}"
        key = f"{state.phase.value} {state.step} {state.trouble}"
        if last != [key]:
            output.note(f"{state.id}: {said}")
            last[:] = [key]

    while True:
        try:
            return controller.run_until(name, until, listener=tell)
        except (UnavailableError, StateError) as error:
            if not _may_pass(controller, name, error):
                raise
            if last != [error.message]:
                output.note(f"{name}: {error.message}; trying again")
                last[:] = [error.message]
            time.sleep(_RETRY)


def _may_pass(controller: Any, name: str, error: PenstockError) -> bool:
    """Whether trouble is worth waiting for: a rollout that has moved traffic is not left alone."""
    if isinstance(error, UnavailableError):
        return True
    return error.code.startswith("gateway.") and not controller.state(name).phase.ended


def _command(project: Path, rollout_id: str | None, verb: str, reason: str) -> int:
    from penstock.assembly import Project

    with Project.open(project) as opened:
        controller = opened.controller()
        name = rollout_id or _active(controller)
        if name is None:
            raise StateError(
                "no rollout is under way",
                code="rollout.none",
                hint="`penstock deploy` starts one; `penstock rollout status` shows the last one",
            )
        alone = time.time() - controller.state(name).updated > _STALE
        state = getattr(controller, verb)(name, reason)
        if alone and not state.phase.ended:
            opened.drive_in_background(name)
        output.emit(_plain(state, None), f"{state.id}: {state.phase.value}: {state.words}")
    return ExitCode.DONE


def _newest(opened: Any) -> str | None:
    records = opened.journal.records("rollout", limit=1)
    return records[0].id if records else None


def _active(controller: Any) -> str | None:
    active = controller.active()
    return active.id if active is not None else None


def _plain(state: Any, observed: Any) -> dict[str, Any]:
    item = state.to_dict()
    del item["analysis"]
    plain: dict[str, Any] = {"rollout": item}
    if observed is not None:
        plain["target"] = observed.to_dict()
    return plain


def _code(state: Any) -> int:
    from penstock.domain.rollout import RolloutPhase

    gone_back = state.phase is RolloutPhase.ROLLED_BACK and not state.is_rollback
    return ExitCode.NO if gone_back or state.phase is RolloutPhase.ABORTED else ExitCode.DONE


def _tell(rows: list[tuple[str, str]]) -> None:
    width = max(len(heading) for heading, _ in rows)
    for heading, text in rows:
        click.echo(f"{heading.ljust(width)}  {text}")


def _watch(opened: Any, controller: Any, name: str) -> Any:
    """Redraw in place until the rollout has ended; without a terminal, print what changes."""
    from rich.live import Live
    from rich.table import Table
    from rich.text import Text

    from penstock.cli.rollout_view import lines, seen_percent

    console = output.console()
    state, observed = controller.state(name), opened.observe()
    seen = None

    def drawn() -> Table:
        table = Table.grid(padding=(0, 2))
        for heading, text in lines(state, observed, seen=seen):
            style = "bold red" if heading in ("warning", "trouble") else "bold"
            table.add_row(Text(heading, style=style), Text(text))
        return table

    with Live(drawn(), console=console, auto_refresh=False, transient=False) as live:
        while not state.phase.ended:
            time.sleep(_REFRESH)
            before = observed.counters
            state, observed = controller.state(name), opened.observe()
            if state.champion is not None and state.weight < 100:
                versions = (state.champion.version, state.challenger.version)
                share = seen_percent(before, observed.counters, *versions)
                seen = share if share is not None else seen
            live.update(drawn(), refresh=True)
    return state
