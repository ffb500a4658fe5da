"""Who was champion before whom, by the journal."""

from __future__ import annotations

from penstock.domain.event import EventType
from penstock.journal import Journal
from penstock.rollouts.records import ROLLOUT


def champion_number(journal: Journal) -> str:
    """Return the version that got the traffic last, "" for none."""
    for event in journal.events(type=EventType.CHAMPION_CHANGED, newest_first=True, limit=1):
        return str(event.data.get("version", ""))
    return ""


def previous_champion(journal: Journal) -> str | None:
    """Return the version that a return without a name goes back to, None for none.

    The registry's alias `previous` names whoever held the traffic last. After a return that is the
    version that was found bad; going "back" to it is what nobody wants. So returns are undone here:
    a champion that was taken back never was one.
    """
    line: list[str] = []
    for event in journal.events(type=EventType.CHAMPION_CHANGED):
        version = str(event.data.get("version", ""))
        if not line and event.data.get("before"):
            line.append(str(event.data["before"]))
        if _promoted(journal, str(event.data.get("rollout", "")), version):
            line.append(version)
        elif version in line:
            del line[len(line) - line[::-1].index(version) :]
        else:
            line = [version]
    return line[-2] if len(line) > 1 else None


def _promoted(journal: Journal, rollout: str, version: str) -> bool:
    """Whether a rollout made its challenger champion, and did not return to somebody."""
    record = journal.get(ROLLOUT, rollout)
    if record is None:
        return True
    value = record.value
    return value.get("operation") != "rollback" and value["challenger"]["version"] == version
