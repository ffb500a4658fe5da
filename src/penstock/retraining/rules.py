"""What penstock.yaml says about retraining, as the policy understands it; and what would happen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from penstock import pipeline
from penstock.assembly import Project
from penstock.config import Settings
from penstock.domain.trigger import Choice, Request, TriggerKind
from penstock.retraining import branch, following, sources, window
from penstock.triggers import Inbox, Policy, decide, hours, looks
from penstock.triggers.inbox import RETRAINING

ROWS = "rows"
"""Name of the note of how many rows there were at the first look."""


def policy_of(settings: Settings) -> Policy:
    """Return the policy of a project."""
    retrain = settings.retrain
    return Policy(
        cooldown=retrain.cooldown,
        per_day=retrain.per_day,
        min_rows=retrain.min_rows,
        quiet_hours=tuple(hours.parse(text) for text in retrain.quiet_hours),
    )


def last_trained(project: Project) -> dict[str, Any] | None:
    """Return the newest retraining that knew its data, None before the first."""
    found = [one.value for one in project.journal.records(RETRAINING) if "data" in one.value]
    return max(found, key=lambda one: one["started"], default=None)


def new_rows(project: Project, rows: int | None) -> int | None:
    """Return how many rows came since the last retraining, None where rows cannot be counted.

    Before the first one, what was there at the first look of `penstock watch` is not new.
    """
    if rows is None:
        return None
    last = last_trained(project) or looks.seen(project.journal, ROWS)
    before = (last or {}).get("rows")
    return rows if before is None else max(0, rows - before)


def count(project: Project, rows: int | None) -> int | None:
    """Return what `new_rows` does, and remember the rows of the first look."""
    if rows is not None and looks.seen(project.journal, ROWS) is None:
        looks.note(project.journal, ROWS, {"rows": rows})
    return new_rows(project, rows)


def waiting(inbox: Inbox, rows: int | None) -> list[Request]:
    """Return the open requests, with the new rows that there are by now.

    A drift that was found when there was too little to learn from is answered once there is enough.

    Args:
        inbox: of the project.
        rows: new rows now, None where they cannot be counted.
    """
    found = inbox.open()
    if rows is None:
        return found
    return [one if one.rows is None else replace(one, rows=max(one.rows, rows)) for one in found]


def may_start(project: Project, now: float) -> bool:
    """Whether a retraining would begin now if somebody brought enough new data."""
    request = Request("data", TriggerKind.DATA, "", now)
    history = Inbox(project.journal).history()
    return decide([request], history, policy_of(project.settings), now).choice is Choice.START


def outlook(project: Project, now: float) -> dict[str, Any]:
    """Return what a retraining would be like if it began now, and whether one would."""
    settings, root = project.settings.retrain, project.root
    inbox = Inbox(project.journal)
    found = following.follow(project, following.Fetch.NO, now)
    rows = sources.rows(root, found.items) if found.items else None
    fresh = new_rows(project, rows)
    head = pipeline.revision(root).commit
    start, _ = branch.foundation(root, head, settings.branch)
    asked = waiting(inbox, fresh)
    decision = decide(asked, inbox.history(), policy_of(project.settings), now)
    search = settings.search
    return {
        "decision": decision.to_dict(),
        "requests": [one.to_dict() for one in asked],
        "sources": [one.path for one in found.items],
        "newer": list(found.unfetched),
        "unreached": list(found.troubles),
        "data": found.digest,
        "rows": rows,
        "new_rows": fresh,
        "new_rows_words": "new rows unknown" if fresh is None else f"{fresh} new",
        "window": window.choose(settings.window, settings.window_seconds, None, now).to_dict(),
        "foundation": start,
        "branch": settings.branch,
        "search": (
            f"{search.trials} trials in {search.seconds:g} s over {', '.join(search.params)}"
            if search.trials and search.params
            else None
        ),
    }
