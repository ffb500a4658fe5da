"""Files that are replaced as a whole: a reader sees the old or the new one, never half."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from penstock.domain.traffic import TrafficTable
from penstock.errors import StateError

TABLE = "table.json"


def replace_json(path: Path, item: dict[str, Any]) -> None:
    """Write `item` to `path` so that it survives a crash at any moment.

    Raises:
        OSError: the disk refused.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with fresh.open("w", encoding="utf-8") as file:
            json.dump(item, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_table(state: Path) -> TrafficTable:
    """Return the recorded traffic table, an empty one if there is none.

    Raises:
        StateError: it cannot be read.
    """
    try:
        text = (state / TABLE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return TrafficTable()
    try:
        return TrafficTable.from_dict(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise StateError(
            f"{state / TABLE} is not a traffic table: {error}",
            code="gateway.broken-table",
            hint="remove the file and deploy again",
        ) from None


def write_table(state: Path, table: TrafficTable) -> None:
    """Record a traffic table durably."""
    replace_json(state / TABLE, table.to_dict())
