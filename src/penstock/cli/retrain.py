"""`penstock retrain`: train again, prove and replace the model; what came of it before."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any

import click

from penstock.cli import output
from penstock.cli.options import common
from penstock.errors import ExitCode

_SAID = ("failed", "refused", "rolled-back", "abandoned", "unchanged")
"""Outcomes that need a reason."""


@click.command()
@click.option("--reason", default="asked for", help="Why, for the journal.", show_default=True)
@click.option("--search/--no-search", default=True, help="Look for better parameters first.")
@click.option("--deploy/--no-deploy", default=True, help="Roll the model version out.")
@click.option("--wait/--no-wait", default=True, help="Stay until the rollout has ended.")
@click.option("--plan", "only_plan", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--history", is_flag=True, help="Show whether retraining pays.")
@click.option("--resume", is_flag=True, help="Carry on with what was begun; begin nothing.")
@click.option("--abandon", is_flag=True, help="End what was begun and could not be finished.")
@common
def retrain(project: Path, only_plan: bool, history: bool, abandon: bool, **chosen: Any) -> int:
    """Train again on the newest data, through the same gates and rollout as any change.

    Data and parameters are committed to a branch of their own (`retrain.branch`); your files and
    branches stay as they are. A retraining that was killed is carried on with, not begun again.

    \b
    Examples:
      penstock retrain --plan          what would be trained on what, and why
      penstock retrain --reason "new season"
      penstock retrain --no-deploy     stop at the registry
      penstock retrain --history       predicted gain, realised gain

    Ends with 0 when the new version has the traffic, or nothing had changed; 1 when a gate or the
    rollout said no; 4 when the pipeline failed.
    """
    from penstock.assembly import Project
    from penstock.retraining.order import Retrainer

    with Project.open(project) as opened:
        if history:
            return _history(opened, Retrainer(opened))
        if only_plan:
            return _plan(opened)
        if abandon:
            return _abandon(Retrainer(opened, tell=output.note), chosen["reason"])
        return _retrain(opened, **chosen)


def _retrain(
    opened: Any, *, reason: str, search: bool, deploy: bool, wait: bool, resume: bool
) -> int:
    from penstock.cli.progress import ProgressView
    from penstock.cli.verdicts import RolloutTeller
    from penstock.domain.trigger import Choice, Request, TriggerKind
    from penstock.retraining.order import Retrainer
    from penstock.retraining.rules import policy_of
    from penstock.triggers import decide

    quiet = output.wants_json()
    with ProgressView(quiet=quiet) as view:
        retrainer = Retrainer(
            opened,
            tell=(lambda _words: None) if quiet else output.note,
            listener=view,
            watcher=None if quiet else RolloutTeller(),
        )
        begun = retrainer.under_way()
        if begun is not None:
            when = time.strftime("%Y-%m-%d %H:%M", time.localtime(begun["started"]))
            retrainer.tell(f"carrying on with {begun['id']}, begun {when}: {begun['reason']}")
            record = retrainer.drive(begun["id"], wait=wait)
        elif resume:
            output.emit({"retraining": None}, "no retraining was begun that has not ended")
            return ExitCode.DONE
        else:
            now = time.time()
            key = f"person:{int(now)}-{secrets.token_hex(4)}"
            retrainer.inbox.submit(Request(key, TriggerKind.PERSON, reason, now))
            decision = decide(
                retrainer.inbox.open(), retrainer.inbox.history(), policy_of(opened.settings), now
            )
            name = None
            if decision.choice is Choice.START:
                name = retrainer.start(decision, search=search, deploy=deploy)
            if name is None:  # somebody else was faster: theirs answers this one too
                other = retrainer.under_way()
                name = other["id"] if other else retrainer.inbox.history()[-1].id
            record = retrainer.drive(name, wait=wait)
    output.emit({"retraining": record}, lambda: _tell(record))
    return _code(record)


def _code(record: dict[str, Any]) -> int:
    outcome = record.get("outcome")
    if outcome in ("refused", "rolled-back", "abandoned"):
        return ExitCode.NO
    if outcome == "failed":
        error = record.get("error")
        return int(error["exit_code"]) if error else ExitCode.STAGE
    return ExitCode.DONE


def _tell(record: dict[str, Any]) -> None:
    found = record.get("found")
    if found:
        best = ", ".join(f"{name}={value}" for name, value in found["params"].items())
        click.echo(f"search: {found['words']}{f': {best}' if best else ''}")
    gain = record.get("predicted")
    if gain and record.get("outcome") != "unchanged":
        click.echo(f"at the gate: {gain['metric']} {gain['gain']:+.4f} against the champion")
    outcome = record.get("outcome") or f"under way ({record['phase']})"
    click.echo(f"{record['id']}: {outcome}: {record.get('words', '')}".rstrip(": "))
    for problem in (record.get("error") or {}).get("problems", ()):
        if problem["hint"]:
            click.echo(f"help: {problem['hint']}")


def _abandon(retrainer: Any, reason: str) -> int:
    record = retrainer.abandon(reason)
    text = f"{record['id']} is ended" if record else "no retraining is under way"
    output.emit({"retraining": record}, text)
    return ExitCode.DONE


def _history(opened: Any, retrainer: Any) -> int:
    from penstock.retraining import gains

    retrainer.settle()
    rows = gains.summary(opened)
    output.emit({"retrainings": rows}, lambda: _tell_history(rows))
    return ExitCode.DONE


def _tell_history(rows: list[dict[str, Any]]) -> None:
    if not rows:
        click.echo("no retraining yet (penstock retrain)")
        return
    for row in rows:
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(row["started"]))
        version = f" version {row['version']}" if row["version"] else ""
        click.echo(f"{when}  {row['outcome'] or row['phase']}{version}  {row['reason']}")
        if row["outcome"] in _SAID and row["words"]:
            click.echo(f"    {row['words'].strip().partition(chr(10))[0]}")
        if row["outcome"] in (None, "promoted"):
            came = f"realised {_gain(row['realised'])}"
            click.echo(f"    predicted {_gain(row['predicted'])}, {came}")
        elif row["predicted"] and row["outcome"] != "unchanged":
            click.echo(f"    predicted {_gain(row['predicted'])}")
    promoted = [row for row in rows if row["outcome"] == "promoted"]
    known = [row["realised"]["gain"] for row in promoted if row["realised"]]
    paid = ""
    if known:
        paid = f"; {sum(gain > 0 for gain in known)} of {len(known)} measured ones paid"
        if len({row["realised"]["metric"] for row in promoted if row["realised"]}) == 1:
            paid += f", {sum(known) / len(known):+.4f} on average"
    click.echo(f"{len(rows)} retrainings, {len(promoted)} promoted{paid}")


def _gain(gain: dict[str, Any] | None) -> str:
    if not gain:
        return "unknown"
    error = gain.get("error")
    give = "" if error is None else f" ± {2.0 * error:.4f}"
    rows = f" ({gain['rows']} labels, {gain['before']} of the one before)" if "rows" in gain else ""
    return f"{gain['metric']} {gain['gain']:+.4f}{give}{rows}"


def _plan(opened: Any) -> int:
    from penstock.retraining.rules import outlook

    seen = outlook(opened, time.time())
    output.emit(seen, lambda: _tell_plan(seen))
    return ExitCode.DONE


def _tell_plan(seen: dict[str, Any]) -> None:
    click.echo(f"now: {seen['decision']['choice']}: {seen['decision']['reason']}")
    for one in seen["requests"]:
        click.echo(f"  {one['kind']}: {one['reason']}")
    rows = "an unknown number of" if seen["rows"] is None else f"{seen['rows']}"
    names = ", ".join(seen["sources"]) or "no data from outside the pipeline"
    click.echo(f"data: {names} ({rows} rows, {seen['new_rows_words']})")
    for words in seen["newer"]:
        click.echo(f"  {words}")
    for words in seen["unreached"]:
        click.echo(f"  trouble: {words}")
    click.echo(f"window: {seen['window']['policy']}")
    click.echo(f"from: {seen['foundation'][:10]} onto {seen['branch']}")
    click.echo(f"search: {seen['search'] or 'none'}")
