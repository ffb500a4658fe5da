"""The clock."""

from __future__ import annotations

from datetime import datetime, tzinfo

from penstock.domain import cron
from penstock.domain.trigger import Request, TriggerKind
from penstock.journal import Journal
from penstock.triggers import looks

NAME = "schedule"


def look(
    journal: Journal, schedule: str, now: float, *, changed: bool, zone: tzinfo | None = None
) -> list[Request]:
    """Return a request when a time of the schedule has come since the last look.

    Times that were missed while nobody looked are made up for once, not once each.

    Args:
        journal: the project's facts.
        schedule: in cron's five fields.
        now: seconds since the epoch.
        changed: whether code or data differ from the last training; without a change a time that
            comes is let pass.
        zone: whose clock is meant, None for this machine's.

    Raises:
        ConfigError: ``retrain.schedule``.
    """
    slot = cron.parse(schedule).last(now, zone)
    before = looks.seen(journal, NAME)
    if slot is None or before is None or before["slot"] >= slot or not changed:
        looks.note(journal, NAME, {"slot": slot if slot is not None else 0.0})
        return []
    when = datetime.fromtimestamp(slot, zone)
    return [
        Request(
            f"schedule:{int(slot)}",
            TriggerKind.SCHEDULE,
            f"scheduled for {when:%Y-%m-%d %H:%M}",
            now,
            data={"slot": slot},
        )
    ]


def done(journal: Journal, slot: float) -> None:
    """Note that the request is written down."""
    looks.note(journal, NAME, {"slot": slot})
