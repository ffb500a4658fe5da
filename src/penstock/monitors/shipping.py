"""Predictions and events as lines of ECS, for Filebeat, Logstash or anything that reads files.

Lines are appended to ``predictions.ndjson`` and ``events.ndjson``; what was written is remembered
in the journal after it is on disk, so that after a crash a few lines may come twice (with equal
`event.id`), none never. A file that is full is set aside as ``NAME.1``; one older file is kept.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from penstock import logs
from penstock.domain.event import Event
from penstock.errors import UnavailableError
from penstock.journal import Journal
from penstock.monitors.ecs import event_line, prediction_line
from penstock.observations import Observations

KIND = "shipping"
PREDICTIONS = "predictions.ndjson"
EVENTS = "events.ndjson"
FULL = 64 << 20
"""Bytes after which a file is set aside; a shipper has read it by the time of the next."""
_SLICE = 600.0
_AT_ONCE = 1000
"""Events written between two notes of how far it came."""


def ship(
    observations: Observations, journal: Journal, model: str, path: Path, *, until: float
) -> int:
    """Append predictions that were not written before; return how many rows.

    Args:
        observations: the prediction log.
        journal: remembers how far it came, and which run made a version.
        model: name of the model.
        path: of the file.
        until: rows from here on are left for the next time.

    Raises:
        UnavailableError: ``monitor.cannot-ship``: the disk refused; nothing is lost.
    """
    record = journal.get(KIND, model)
    since = float(record.value["until"]) if record else observations.first() or until
    written = 0
    runs: dict[str, str] = {}
    while since < until:
        end = min(since + _SLICE, until)
        table = observations.read(since, end, labels=False)
        if not table.num_rows:
            end = min(since + 6 * _SLICE, until)  # long silences are stepped over by the hour
            table = observations.read(since, end, labels=False)
        if table.num_rows:
            for version in table["version"].unique().to_pylist():
                runs.setdefault(version, _run_of(journal, f"{model}/{version}"))
            _append(path, [_line(row, model, runs[row["version"]]) for row in table.to_pylist()])
            written += table.num_rows
        since = end
        with journal.transaction() as tx:
            tx.put(KIND, model, {"until": since})
    return written


def ship_events(journal: Journal, model: str, path: Path) -> int:
    """Append events of the journal that were not written before; return how many.

    Args:
        journal: with the events; remembers how far it came.
        model: of the project.
        path: of the file.

    Raises:
        UnavailableError: ``monitor.cannot-ship``: the disk refused; nothing is lost.
    """
    record = journal.get(KIND, EVENTS)
    after = int(record.value["after"]) if record else 0
    written = 0
    while events := list(journal.events(after=after, limit=_AT_ONCE)):
        _append(path, [_story(journal, one, model) for one in events])
        after = events[-1].id
        written += len(events)
        with journal.transaction() as tx:
            tx.put(KIND, EVENTS, {"after": after})
    return written


def _story(journal: Journal, event: Event, model: str) -> dict[str, Any]:
    return event_line(event, journal.causes(event.id)[1:], model=model)


def _run_of(journal: Journal, name: str) -> str:
    record = journal.get("version", name)
    return str(record.value.get("run_id") or "") if record else ""


def _line(row: dict[str, Any], model: str, run: str) -> dict[str, Any]:
    line = prediction_line(row, model=model, run=run)
    line["event.id"] = f"{row['request_id']}/{row['row']}/{row['role']}"
    return line


def _append(path: Path, lines: list[dict[str, Any]]) -> None:
    try:
        logs.append(path, lines, full=FULL, sync=True)
    except OSError as error:
        raise UnavailableError(
            f"cannot write {path}: {error.strerror}",
            code="monitor.cannot-ship",
            hint="is the disk full? What is not written yet is written at the next call",
        ) from error
