"""New commits."""

from __future__ import annotations

from penstock.domain.revision import Revision
from penstock.domain.trigger import Request, TriggerKind
from penstock.journal import Journal
from penstock.triggers import looks

NAME = "commit"


def look(journal: Journal, head: Revision, now: float) -> list[Request]:
    """Return a request when the project is at a commit that was not seen before, or run.

    Args:
        journal: the project's facts.
        head: where the project is.
        now: seconds since the epoch.
    """
    before = looks.seen(journal, NAME)
    if before is None or before["commit"] == head.commit or _known(journal, head.commit):
        looks.note(journal, NAME, {"commit": head.commit})
        return []
    where = f" on {head.branch}" if head.branch else ""
    reason = f"commit {head.short}{where}: {head.subject}"
    data = {"commit": head.commit}
    return [Request(f"commit:{head.commit}", TriggerKind.COMMIT, reason, now, data=data)]


def done(journal: Journal, head: Revision) -> None:
    """Note that the request is written down."""
    looks.note(journal, NAME, {"commit": head.commit})


def _known(journal: Journal, commit: str) -> bool:
    """Whether a run, or a retraining, was made at a commit."""
    for one in journal.records("run"):
        revision = one.value["revision"]
        if revision["commit"] == commit and not revision["dirty"]:
            return bool(one.value["outcome"] == "succeeded")
    made = (one.value for one in journal.records("retraining"))
    return any(commit in (value.get("commit"), value.get("locked")) for value in made)
