"""`penstock watch`: monitors and triggers in one foreground process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.errors import ExitCode, UsageError


@click.command()
@click.option("--once", is_flag=True, help="Take one look, do what is to be done, and end.")
@click.option(
    "--interval", metavar="SECONDS", type=click.FloatRange(0.05), help="[monitor.interval]"
)
@click.option("--listen", metavar="HOST:PORT", help="Take webhooks here; port 0 is a free one.")
@click.option("--monitors/--no-monitors", default=True, help="Look with the monitors.")
@common
def watch(
    project: Path, once: bool, interval: float | None, listen: str | None, monitors: bool
) -> int:
    """Watch the model and its data, and retrain when the policy says so.

    Looks every `monitor.interval`: monitors at the live traffic, triggers (`retrain.triggers`) at
    commits, data, clock, drift and decline. What asks for a retraining is written down and
    answered once, within cool-down, budget and quiet hours. May be stopped or killed at any time:
    the next one carries on.

    \b
    Examples:
      penstock watch
      penstock watch --listen 127.0.0.1:8790    and take webhooks of Git servers, Alertmanager,
                                                MLflow at /hooks/SENDER
      penstock watch --once --json              for cron, or a timer of systemd

    With --once it ends with 6 when something could not be looked at.
    """
    from penstock.assembly import STATE, Project
    from penstock.retraining.watching import Watch, until

    woken = threading.Event()

    def wake(seconds: float) -> bool:
        found = woken.wait(seconds)
        woken.clear()
        return found

    with Project.open(project) as opened:
        tell = _teller(project)
        watcher = Watch(opened, tell, monitors=monitors)
        watcher.check()
        ears = _listener(opened, listen, woken.set) if listen else None
        try:
            if once:
                return _once(watcher)
            if ears is not None:
                output.emit({"url": ears.url}, f"webhooks: {ears.url}/hooks/SENDER")
                (opened.root / STATE / "watch.url").write_text(ears.url + "\n", encoding="ascii")
            every = interval or opened.settings.monitor.interval
            while True:
                started = time.monotonic()
                watcher.look(time.time())
                watcher.act(time.time())
                until(started + every, wake)
        finally:
            if ears is not None:
                ears.close()
            watcher.close()


def _once(watcher: Any) -> int:
    """Take one look and see through what it starts."""
    seen = watcher.look(time.time())
    seen["retraining"] = watcher.act(time.time())
    while watcher.busy():
        time.sleep(0.1)
    output.emit(seen, lambda: click.echo(f"{seen['decision']['choice']}: {_words(seen)}"))
    return ExitCode.UNAVAILABLE if seen["troubles"] else ExitCode.DONE


def _words(seen: dict[str, Any]) -> str:
    return str(seen["retraining"] or seen["decision"]["reason"])


def _teller(project: Path) -> Callable[[str], None]:
    """Return what tells a person what is seen and done, and the project's log."""
    from penstock.cli.record import log_of

    log, quiet = log_of(project, "watch"), output.wants_json()

    def tell(words: str) -> None:
        log.write(words, {"event.action": "watched"})
        if not quiet:
            click.echo(f"{time.strftime('%H:%M:%S')} {words}", err=True)

    return tell


def _listener(opened: Any, listen: str, awake: Any) -> Any:
    from penstock import pipeline
    from penstock.retraining.listener import Listener, known_secrets

    host, colon, port = listen.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UsageError(
            f"{listen!r} is not HOST:PORT",
            code="watch.listen",
            hint="such as `--listen 127.0.0.1:8790`",
        )
    return Listener(
        opened.root / ".penstock" / "journal.db",
        known_secrets(opened.root, os.environ),
        host=host,
        port=int(port),
        branch=pipeline.revision(opened.root).branch,
        wanted=opened.settings.retrain.triggers,
        awake=awake,
    )
