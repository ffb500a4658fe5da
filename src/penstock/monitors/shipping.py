"""The prediction log as lines of ECS, for Filebeat, Logstash or anything that reads files.

Lines are appended to ``predictions.ndjson``; what was written is remembered in the journal after
it is on disk, so that after a crash a few lines may come twice (with equal `event.id`), none never.
A file that is full is set aside as ``predictions.ndjson.1``; one older file is kept.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from penstock.errors import UnavailableError
from penstock.journal import Journal
from penstock.monitors.ecs import prediction_line
from penstock.observations import Observations

KIND = "shipping"
FULL = 64 << 20
"""Bytes after which a file is set aside; a shipper has read it by the time of the next."""
_SLICE = 600.0


def ship(
    observations: Observations, journal: Journal, model: str, path: Path, *, until: float
) -> int:
    """Append predictions that were not written before; return how many rows.

    Args:
        observations: the prediction log.
        journal: remembers how far it came.
        model: name of the model.
        path: of the file.
        until: rows from here on are left for the next time.

    Raises:
        UnavailableError: ``monitor.cannot-ship``: the disk refused; nothing is lost.
    """
    record = journal.get(KIND, model)
    since = float(record.value["until"]) if record else observations.first() or until
    written = 0
    while since < until:
        end = min(since + _SLICE, until)
        table = observations.read(since, end, labels=False)
        if table.num_rows:
            _append(path, table.to_pylist(), model)
            written += table.num_rows
        else:
            # Long silences are stepped over by the hour.
            end = min(since + 6 * _SLICE, until)
            rest = observations.read(since, end, labels=False)
            if rest.num_rows:
                _append(path, rest.to_pylist(), model)
                written += rest.num_rows
        since = end
        with journal.transaction() as tx:
            tx.put(KIND, model, {"until": since})
    return written


def _append(path: Path, rows: list[dict[str, Any]], model: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size >= FULL:
            path.replace(path.with_name(f"{path.name}.1"))
        with path.open("a", encoding="utf-8") as file:
            for row in rows:
                line = prediction_line(row, model=model)
                line["event.id"] = f"{row['request_id']}/{row['row']}/{row['role']}"
                file.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise UnavailableError(
            f"cannot write {path}: {error.strerror}",
            code="monitor.cannot-ship",
            hint="is the disk full? What is in the prediction log is written at the next call",
        ) from error
