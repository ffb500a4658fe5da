"""What a trigger saw last, kept in the journal; what is there at the first look is known."""

from __future__ import annotations

from typing import Any

from penstock.journal import Journal

KIND = "trigger"


def seen(journal: Journal, name: str) -> dict[str, Any] | None:
    """Return what a trigger noted at its last look, None before the first."""
    record = journal.get(KIND, name)
    return None if record is None else record.value


def note(journal: Journal, name: str, value: dict[str, Any]) -> None:
    """Note what a trigger saw, when it is something else than before.

    It is noted after the request was written down: a kill in between asks again, and the inbox
    knows the key.
    """
    if seen(journal, name) == value:
        return
    with journal.transaction() as tx:
        tx.put(KIND, name, value)
