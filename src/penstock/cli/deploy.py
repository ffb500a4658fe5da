"""`penstock deploy`, `rollback` and `serve`: model versions and traffic."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.errors import ExitCode, StateError, UnavailableError


@click.command()
@click.argument("version", required=False)
@click.option("--wait/--no-wait", default=True, help="Stay until the rollout has ended.")
@click.option("--reason", default="asked for", help="Why, for the journal.", show_default=True)
@common
def deploy(project: Path, version: str | None, wait: bool, reason: str) -> int:
    """Roll a model version out.

    VERSION is a number in the registry, by default the newest. The first version gets all traffic
    at once; later ones go the way that `rollout` in penstock.yaml says, watched at every step, and
    are rolled back when the evidence says so.

    \b
    Examples:
      penstock deploy
      penstock deploy 7 --reason "the fix for missing weather"
      penstock deploy --no-wait && penstock rollout status --watch

    Ends with 0 when the version is the champion, 1 when it was rolled back.
    """
    from penstock.assembly import Project
    from penstock.cli.run import finish
    from penstock.cli.verdicts import RolloutTeller
    from penstock.loop import Loop
    from penstock.walk import Wishes

    with Project.open(project) as opened:
        teller = None if output.wants_json() else RolloutTeller()
        wishes = Wishes(deploy=True, reason=reason, wait=wait, listener=teller)
        with told_when_left(opened):
            walk = Loop(opened).deploy(version, wishes)
    return finish(walk)


@contextlib.contextmanager
def told_when_left(opened: Any) -> Iterator[None]:
    """Tell whoever stops waiting for a rollout that it goes on, and how to stop it."""
    try:
        yield
    except KeyboardInterrupt:
        active = opened.controller().active()
        if active is not None:
            output.note(
                f"{active.id} goes on in the background: `penstock rollout status` shows it, "
                "`penstock rollout abort` takes it back"
            )
        raise


@click.command()
@click.option("--to", "version", help="Model version to return to [the previous champion].")
@click.option("--reason", default="asked for", help="Why, for the journal.", show_default=True)
@common
def rollback(project: Path, version: str | None, reason: str) -> int:
    """Return traffic, registry alias and release tag to the previous version.

    A rollout that is under way is aborted: the champion keeps the traffic. Otherwise the previous
    champion takes it back, at once and without a lost request; while it is still warm nothing has
    to start.

    \b
    Examples:
      penstock rollback --reason "complaints from the sales team"
      penstock rollback --to 3

    Ends with 0 when it has happened, 1 when the version could not be started: what served before
    goes on serving then.
    """
    from penstock.assembly import Project
    from penstock.cli.verdicts import TroubleTeller
    from penstock.loop import Loop
    from penstock.walk import Wishes

    with Project.open(project) as opened:
        wishes = Wishes(reason=reason, listener=TroubleTeller())
        with told_when_left(opened):
            walk = Loop(opened).roll_back(version, wishes)
        champion = opened.champion()
    output.emit(walk.to_dict(), lambda: _tell_rollback(walk, champion))
    return ExitCode.NO if _stayed(walk) else ExitCode.DONE


def _stayed(walk: Any) -> bool:
    """Whether the return did not happen: the wanted version could not be started."""
    return bool(walk.rollout["operation"] == "rollback" and walk.rollout["phase"] == "aborted")


def _tell_rollback(walk: Any, champion: Any) -> None:
    state = walk.rollout
    if _stayed(walk):
        click.echo(f"rollback {state['id']} did not happen: {state['reason']}")
        click.echo(f"version {champion.version} goes on serving" if champion else "nothing serves")
        return
    click.echo(f"rollback {state['id']}: {state['reason'] or state['words']}")
    click.echo(f"version {champion.version} is the champion: traffic, alias and release tag agree")


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="Port [serve.port of penstock.yaml].")
@click.option("--detach", is_flag=True, help="Serve in the background.")
@click.option("--stop", is_flag=True, help="Stop serving.")
@common
def serve(project: Path, port: int | None, detach: bool, stop: bool) -> int:
    """Serve the champion.

    Speaks the MLflow scoring protocol (/invocations) and the Open Inference Protocol (/v2) on one
    port, with /metrics for Prometheus. The traffic table survives a restart.

    \b
    Examples:
      penstock serve                   until Ctrl-C
      penstock serve --detach          in the background
      penstock serve --stop
    """
    from penstock.assembly import Project

    with Project.open(project) as opened:
        before = opened.observe()
        if stop:
            opened.stop_serving()
            output.emit({"running": False}, "stopped" if before.running else "nothing was served")
            return ExitCode.DONE
        if before.running and port is not None and not str(before.url).endswith(f":{port}"):
            raise StateError(
                f"it is served at {before.url} already",
                code="gateway.running",
                hint="stop that first: `penstock serve --stop`",
            )
        status = opened.serve(port)
        if status.failed and not status.ready:
            if not before.running:
                opened.stop_serving()
            why = "; ".join(f"version {name}: {text}" for name, text in status.failed.items())
            raise UnavailableError(
                f"no version can be served; {why}",
                code="gateway.not-served",
                hint="the whole output of its worker is in .penstock/serve/log",
            )
        versions = ", ".join(sorted(status.ready)) or "none yet"
        output.emit(status.to_dict(), f"serving version {versions} at {status.url}")
        if detach:
            return ExitCode.DONE
        try:
            while opened.observe().running:
                time.sleep(0.5)
        except KeyboardInterrupt:
            opened.stop_serving()
            raise
    return ExitCode.DONE
