"""`penstock status` and `history`: what is, what was, and why."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.domain.event import Event, EventType
from penstock.errors import StateError


@click.command()
@common
def status(project: Path) -> None:
    """Show champion, rollout, traffic and last run.

    What is shown is asked of the registry, the gateway and Git at this moment, not remembered.

    \b
    Examples:
      penstock status
      penstock status --json | jq .champion.version
    """
    from penstock.assembly import Project
    from penstock.overview import status as overview

    with Project.open(project) as opened:
        state = overview(opened)
    output.emit(state, lambda: _tell_status(state))


def _tell_status(state: dict[str, Any]) -> None:
    rows = [("project", f"{state['model']} in {state['root']}"), ("revision", state["revision"])]
    rows.append(("champion", _version(state["champion"])))
    if state["previous"]:
        rows.append(("previous", _version(state["previous"])))
    if state["newest"] and state["newest"] != state["champion"]:
        rows.append(("newest", _version(state["newest"])))
    traffic = state["traffic"]
    if traffic["running"]:
        split = ", ".join(f"version {v}: {share:g} %" for v, share in traffic["split"].items())
        rows.append(("traffic", f"{split or 'no version'} at {traffic['url']}"))
        rows.append(("requests", f"{traffic['requests']:,}, {traffic['errors']:,} errors"))
    else:
        rows.append(("traffic", "nothing is served (penstock serve)"))
    if state["rollout"]:
        one = state["rollout"]
        rows.append(
            ("rollout", f"{one['id']} of version {one['version']}: {one['phase']}: {one['words']}")
        )
    if state["run"]:
        one = state["run"]
        said = f", candidate {one['candidate']}" if one["candidate"] else ""
        rows.append(("last run", f"{one['id']} at {one['revision']}: {one['outcome']}{said}"))
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name.ljust(width)}  {text}")
    for warning in state["warnings"]:
        output.warn(warning["message"], warning["hint"])


def _version(one: dict[str, Any] | None) -> str:
    if one is None:
        return "none yet (penstock run --deploy)"
    return f"version {one['version']} of run {one['run_id']} at {one['commit'][:10]}"


@click.command()
@click.option("-n", "--limit", default=30, show_default=True, help="How many events.")
@click.option("--all", "every", is_flag=True, help="Every event, also of stages and gates.")
@click.option("--why", "event_id", type=int, metavar="EVENT", help="Follow an event's causes.")
@common
def history(project: Path, limit: int, every: bool, event_id: int | None) -> None:
    """Show what happened, each event with its cause.

    \b
    Examples:
      penstock history
      penstock history --all -n 200
      penstock history --why 42        from a rollback back to the commit
    """
    from penstock.assembly import Project

    with Project.open(project) as opened:
        if event_id is not None:
            events = opened.journal.causes(event_id)
            if not events:
                raise StateError(
                    f"there is no event {event_id}",
                    code="history.no-event",
                    hint="`penstock history` shows them by their numbers",
                )
        else:
            found = opened.journal.events(newest_first=True)
            shown = (one for one in found if every or one.type not in DETAILS)
            events = list(reversed([one for one, _ in zip(shown, range(limit), strict=False)]))
    output.emit([one.to_dict() for one in events], lambda: _tell_history(events))


DETAILS = frozenset({EventType.STAGE_FINISHED, EventType.GATE_JUDGED, EventType.CANDIDATE_MADE})


def _tell_history(events: list[Event]) -> None:
    if not events:
        click.echo("nothing has happened yet (penstock run)")
    for one in events:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(one.time))
        cause = f" (because of {one.cause})" if one.cause else ""
        # A test set is known by a long digest, of which nobody reads the end.
        about = one.subject[:10] if one.type is EventType.TESTSET_USED else one.subject
        click.echo(f"{one.id:>5}  {when}  {one.type.value:<20} {about}: {sentence(one)}{cause}")


def sentence(event: Event) -> str:
    """Say in words what happened.

    >>> sentence(Event(EventType.VERSION_REGISTERED, "churn/3", {"version": 3, "run_id": "r"}))
    'version 3 registered from run r'
    """
    data = event.data
    match event.type:
        case EventType.TRIGGER_FIRED:
            return str(data.get("reason", ""))
        case EventType.RUN_STARTED:
            return f"at {data.get('commit', '')[:10]}" + ("+" if data.get("dirty") else "")
        case EventType.RUN_FINISHED:
            return f"{data.get('outcome')} in {data.get('seconds')} s"
        case EventType.STAGE_FINISHED:
            return f"{data.get('stage')} {data.get('outcome')} in {data.get('seconds')} s"
        case EventType.GATE_JUDGED:
            return f"{data.get('gate')}: {data.get('outcome')}"
        case EventType.CANDIDATE_MADE:
            return f"digest {data.get('digest', '')[:10]}"
        case EventType.VERSION_REGISTERED:
            return f"version {data.get('version')} registered from run {data.get('run_id')}"
        case EventType.TESTSET_USED:
            name = Path(str(data.get("name", ""))).name
            return f"{name} has judged {data.get('uses')}, now {data.get('candidate')}"
        case _:
            return str(data.get("words") or data.get("reason") or "")
