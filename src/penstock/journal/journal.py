"""The journal on SQLite.

Two tables: `events`, which only grows, and `records`, the present state of each object (a run, a
rollout, the ledger of a test set). An event and the record that it changes are written in one
transaction, with `synchronous=FULL`, so after a crash both are there or neither. A record has a
generation; whoever writes it says which generation it read (a fence), and a late writer fails.

>>> import tempfile, pathlib
>>> journal = Journal(pathlib.Path(tempfile.mkdtemp()) / "journal.db")
>>> with journal.transaction() as tx:
...     event = tx.append(Event(EventType.RUN_STARTED, "run-1"))
...     _ = tx.put("run", "run-1", {"outcome": "running"})
>>> journal.get("run", "run-1").value
{'outcome': 'running'}
>>> [event.type.value for event in journal.events()]
['run.started']
"""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from penstock.domain.event import Event, EventType
from penstock.errors import StateError, UnavailableError

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  time REAL NOT NULL, type TEXT NOT NULL, subject TEXT NOT NULL,
  cause INTEGER REFERENCES events (id), actor TEXT NOT NULL, data TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS events_by_subject ON events (subject, id);
CREATE INDEX IF NOT EXISTS events_by_type ON events (type, id);
CREATE TABLE IF NOT EXISTS records (
  kind TEXT NOT NULL, id TEXT NOT NULL, generation INTEGER NOT NULL,
  updated REAL NOT NULL, value TEXT NOT NULL,
  PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_by_time ON records (kind, updated);
PRAGMA user_version = 1;
COMMIT;
"""
_VERSION = 1
_SELECT = "SELECT id, time, type, subject, cause, actor, data FROM events"
_BUSY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Record:
    """The present state of one object."""

    kind: str
    id: str
    generation: int
    updated: float
    value: dict[str, Any]


class Transaction:
    """Writes that are all kept, or none. Made by `Journal.transaction`."""

    def __init__(self, connection: sqlite3.Connection, now: float, actor: str) -> None:
        self._connection = connection
        self._now = now
        self._actor = actor

    def append(self, event: Event) -> Event:
        """Append an event; return it with its id, time and actor filled in."""
        stamped = replace(event, time=event.time or self._now, actor=event.actor or self._actor)
        cursor = self._connection.execute(
            "INSERT INTO events (time, type, subject, cause, actor, data) VALUES (?,?,?,?,?,?)",
            (
                stamped.time,
                stamped.type.value,
                stamped.subject,
                stamped.cause,
                stamped.actor,
                json.dumps(stamped.data, default=str),
            ),
        )
        return replace(stamped, id=int(cursor.lastrowid or 0))

    def get(self, kind: str, id: str) -> Record | None:
        """Return a record as it is within this transaction."""
        return _get(self._connection, kind, id)

    def put(self, kind: str, id: str, value: dict[str, Any], *, expected: int | None = None) -> int:
        """Write a record and return its new generation.

        Args:
            expected: the generation that the caller read (0 for "none yet"); None does not care.

        Raises:
            StateError: ``journal.conflict`` when somebody else wrote it in between.
        """
        present = self.get(kind, id)
        generation = present.generation if present else 0
        if expected is not None and expected != generation:
            raise StateError(
                f"{kind} {id} was changed by somebody else meanwhile",
                code="journal.conflict",
                hint="run the command again: it starts from what is true now",
            )
        self._connection.execute(
            "INSERT INTO records (kind, id, generation, updated, value) VALUES (?,?,?,?,?) "
            "ON CONFLICT (kind, id) DO UPDATE SET generation = excluded.generation, "
            "updated = excluded.updated, value = excluded.value",
            (kind, id, generation + 1, self._now, json.dumps(value, default=str)),
        )
        return generation + 1

    def delete(self, kind: str, id: str) -> None:
        """Remove a record; its events stay."""
        self._connection.execute("DELETE FROM records WHERE kind = ? AND id = ?", (kind, id))


class Journal:
    """The store of facts of one project.

    Safe to open from several processes; not to be shared between threads (open one each).
    Readers never wait for a writer (write-ahead log). Writers wait for each other for up to
    30 seconds and then raise `UnavailableError`.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
            if self._version() < _VERSION:
                self._connection.executescript(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise _unavailable(path, error) from error

    def _version(self) -> int:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        return int(version)

    def close(self) -> None:
        """Close the file; the journal cannot be used afterwards."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction that is kept when the block ends and undone when it raises."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            raise _unavailable(self.path, error) from error
        try:
            yield Transaction(self._connection, self._clock(), _actor())
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise _unavailable(self.path, error) from error
        finally:
            self._undo()  # nothing is left to undo after a commit

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def append(self, event: Event) -> Event:
        """Append one event in a transaction of its own."""
        with self.transaction() as tx:
            return tx.append(event)

    def get(self, kind: str, id: str) -> Record | None:
        """Return the present state of an object, None when there is none."""
        return _get(self._connection, kind, id)

    def records(self, kind: str, *, limit: int = -1) -> list[Record]:
        """Return all records of a kind, those written last first."""
        rows = self._connection.execute(
            "SELECT kind, id, generation, updated, value FROM records WHERE kind = ? "
            "ORDER BY updated DESC, id DESC LIMIT ?",
            (kind, limit),
        )
        return [_record(row) for row in rows]

    def events(
        self,
        *,
        type: EventType | None = None,
        subject: str | None = None,
        after: int = 0,
        newest_first: bool = False,
        limit: int = -1,
    ) -> Iterator[Event]:
        """Yield events, oldest first, that match everything that is given."""
        conditions = ["id > ?"]
        conditions += ["type = ?"] if type else []
        conditions += ["subject = ?"] if subject else []
        order = "DESC" if newest_first else "ASC"
        query = f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY id {order} LIMIT ?"
        values: list[Any] = [after]
        values += [type.value] if type else []
        values += [subject] if subject else []
        for row in self._connection.execute(query, [*values, limit]).fetchall():
            yield _event(row)

    def causes(self, event_id: int) -> list[Event]:
        """Return an event and what caused it, back to the first of the chain."""
        chain: list[Event] = []
        wanted: int | None = event_id
        while wanted is not None:
            row = self._connection.execute(
                f"{_SELECT} WHERE id = ?",
                (wanted,),
            ).fetchone()
            if row is None:
                break
            chain.append(_event(row))
            wanted = chain[-1].cause
        return chain


def _get(connection: sqlite3.Connection, kind: str, id: str) -> Record | None:
    row = connection.execute(
        "SELECT kind, id, generation, updated, value FROM records WHERE kind = ? AND id = ?",
        (kind, id),
    ).fetchone()
    return None if row is None else _record(row)


def _event(row: tuple[Any, ...]) -> Event:
    number, when, kind, subject, cause, actor, data = row
    return Event(EventType(kind), subject, json.loads(data), cause, number, when, actor)


def _record(row: tuple[Any, ...]) -> Record:
    kind, name, generation, updated, value = row
    return Record(kind, name, generation, updated, json.loads(value))


def _actor() -> str:
    try:
        return os.environ.get("PENSTOCK_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def _unavailable(path: Path, error: Exception) -> UnavailableError:
    return UnavailableError(
        f"cannot use the journal {path}: {error}",
        code="journal.unavailable",
        hint="is the disk full or read-only, or another penstock process writing for very long?",
    )
