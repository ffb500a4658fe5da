"""New data, by content: touching a file, or writing the same bytes again, asks for nothing."""

from __future__ import annotations

from penstock.domain.trigger import Request, TriggerKind
from penstock.journal import Journal
from penstock.triggers import looks

NAME = "data"
SETTLED = 5.0
"""Seconds without a change after which a file counts as written to its end."""


def look(
    journal: Journal,
    digest: str,
    now: float,
    *,
    trained: str | None = None,
    changed: float | None = None,
    rows: int | None = None,
    commit: str = "",
) -> list[Request]:
    """Return a request when the data is not what it was at the last training.

    Args:
        journal: the project's facts.
        digest: of all the data; "" when there is none.
        now: seconds since the epoch.
        trained: digest at the last retraining, None before the first: then what is there at the
            first look counts as known.
        changed: when the newest file was written; data that is still being written waits, unless
            two looks in a row see the same.
        rows: new ones since the last training, None where they cannot be counted.
        commit: that has the data, when the project does not have it yet.
    """
    before = looks.seen(journal, NAME)
    if not digest:
        return []
    known = trained or (before or {}).get("known")
    if known is None or digest == known:
        looks.note(journal, NAME, {"known": digest, "pending": digest})
        return []
    same = (before or {}).get("pending") == digest
    looks.note(journal, NAME, {"known": known, "pending": digest})
    if not same and changed is not None and now - changed < SETTLED:
        return []
    more = "" if rows is None else f", {rows} new rows"
    more += f" of commit {commit[:10]}" if commit else ""
    return [
        Request(
            f"data:{digest}",
            TriggerKind.DATA,
            f"new data{more}",
            now,
            rows=rows,
            data={"digest": digest, **({"commit": commit} if commit else {})},
        )
    ]
