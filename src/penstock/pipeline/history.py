"""How long stages took, as the journal knows it."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.journal import Journal

KIND = "duration"
"""Kind of the journal's records; their id is the address of a stage."""
_NEW = 0.7
"""Weight of the last run: an odd one does not mislead, a lasting change soon shows."""


def durations(journal: Journal | None) -> dict[str, float]:
    """Return the expected seconds of each stage that ever ran."""
    if journal is None:
        return {}
    found = {}
    for record in journal.records(KIND):
        value = record.value.get("seconds")
        if isinstance(value, int | float):
            found[record.id] = float(value)
    return found


def keep(journal: Journal | None, known: Mapping[str, float], fresh: Mapping[str, float]) -> None:
    """Note how long stages took in a run."""
    if journal is None or not fresh:
        return
    with journal.transaction() as tx:
        for address, seconds in fresh.items():
            before = known.get(address)
            value = seconds if before is None else (1 - _NEW) * before + _NEW * seconds
            tx.put(KIND, address, {"seconds": value, "last": seconds})
