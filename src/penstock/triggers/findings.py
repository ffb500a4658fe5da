"""What monitors wrote into the journal: drift and decline."""

from __future__ import annotations

from collections.abc import Collection

from penstock.domain.event import Event, EventType
from penstock.domain.trigger import Request, TriggerKind
from penstock.journal import Journal
from penstock.triggers import looks

NAME = "findings"
_KINDS = {
    EventType.DRIFT_DETECTED: (TriggerKind.DRIFT, "drift"),
    EventType.QUALITY_DECLINED: (TriggerKind.QUALITY, "decline"),
}


def look(
    journal: Journal, wanted: Collection[str], now: float, *, rows: int | None = None
) -> tuple[list[Request], int]:
    """Return requests for what monitors found since the last look, and the newest event's id.

    One episode of drift asks once, however often it is found: the key is the model version and
    when it began. The first look finds what is still open of the present champion: it may have been
    found by `penstock monitor`, before anybody watched.

    Args:
        journal: the project's facts.
        wanted: of ``drift`` and ``quality``.
        now: seconds since the epoch.
        rows: new labelled rows, None where they cannot be counted.
    """
    before = looks.seen(journal, NAME)
    newest = next((one.id for one in journal.events(newest_first=True, limit=1)), 0)
    found = []
    for type, (kind, word) in _KINDS.items():
        if kind.value not in wanted:
            continue
        after = _begun(journal, kind.value) if before is None else before["event"]
        events = journal.events(type=type, after=after)
        found += [_request(event, kind, word, rows, now) for event in events]
    return found, newest


def _begun(journal: Journal, alert: str) -> int:
    """Return the event after which what was found is still so: a new champion, or all's well."""
    changed = journal.events(type=EventType.CHAMPION_CHANGED, newest_first=True, limit=1)
    over = journal.events(type=EventType.ALERT_RESOLVED, newest_first=True)
    ends = [next((one.id for one in changed), 0)]
    ends.append(next((one.id for one in over if one.data.get("key") == alert), 0))
    return max(ends)


def _request(event: Event, kind: TriggerKind, word: str, rows: int | None, now: float) -> Request:
    since = event.data.get("since")
    began = f"{int(since)}" if isinstance(since, int | float) else f"event-{event.id}"
    features = event.data.get("features") or ()
    where = f" of {', '.join(map(str, features[:3]))}" if features else ""
    if event.data.get("together") and not features:
        where = " of how the features go together"
    metric = f" of {event.data['metric']}" if event.data.get("metric") else ""
    return Request(
        f"{kind.value}:{event.subject}@{began}",
        kind,
        f"{word}{where}{metric} of {event.subject}",
        now,
        rows=rows,
        event=event.id,
        data={"since": since} if since is not None else {},
    )


def done(journal: Journal, newest: int) -> None:
    """Note that requests up to an event are written down."""
    looks.note(journal, NAME, {"event": newest})
