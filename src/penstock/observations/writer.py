"""The writer process: takes traffic from the gateway and writes it in batches.

    python -m penstock.observations.writer --dir DIR --fd N --model NAME --exclude a,b

It ends when the gateway closes its end, after everything received is on disk. It answers with lines
of JSON. Of labels, which are on disk before it says so: ``{"kept": 1}``, messages in the order of
their arrival, or ``{"refused": 1, "error": "..."}``. Of traffic, once a file is written:
``{"taken": 3, "written": 10, "dropped": 0, "error": ""}``, messages and records. What it has not
answered for, the gateway sends again when it had to start another writer.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from penstock.logs import ERROR, from_environment
from penstock.observations.records import Feedback, MessageReader, Record
from penstock.observations.spool import Spool, orphans
from penstock.observations.store import Observations

MAX_RECORDS = 20_000
"""Records in memory after which a file is written at once."""
MAX_BYTES = 64 << 20
"""Bytes of bodies in memory after which a file is written at once."""
RETRY = 10.0
"""Seconds after which labels that the store refused are tried again."""
COMPACT_EVERY = 600.0
"""Seconds between two merges of the files of past hours."""


class Writer:
    """Gathers traffic and writes it.

    Args:
        store: where to.
        model: name of the model.
        exclude: features that must not be kept.
        interval: seconds after which what was gathered is written.
        keep: seconds for which traffic is kept, 0 for ever.
    """

    def __init__(
        self, store: Observations, model: str, exclude: frozenset[str], interval: float, keep: float
    ) -> None:
        self._store = store
        self._model = model
        self._exclude = exclude
        self._interval = interval
        self._keep = keep
        self._records: list[Record] = []
        self._feedback: list[Feedback] = []
        self._log = from_environment("writer")
        self._spool = Spool(store.directory)
        self._messages = 0
        self._bytes = 0
        self._due = 0.0
        self._tidied = time.monotonic()

    def run(self, connection: socket.socket) -> None:
        """Write until the other end is closed."""
        reader = MessageReader()
        self._inherit()
        while True:
            wait = None
            if self._records or self._feedback:
                wait = max(0.0, self._due - time.monotonic())
            if select.select([connection], [], [], wait)[0]:
                data = connection.recv(1 << 20)
                if not data:
                    break
                self._take(connection, list(reader.feed(data)))
            if self._ripe():
                self._write(connection)
        self._write(None)
        if not self._feedback:
            self._spool.close()

    def _inherit(self) -> None:
        """Take over the labels of writers that were killed."""
        try:
            for _, items in orphans(self._store.directory):
                self._store.append_feedback(items)
        except OSError as error:
            self._trouble("labels of a writer that was killed cannot be stored yet", error)

    def _take(
        self, connection: socket.socket, messages: Sequence[Sequence[Record | Feedback]]
    ) -> None:
        """Take messages; the labels of all of them are made durable at once."""
        if messages and not self._records and not self._feedback:
            self._due = time.monotonic() + self._interval
        labels: list[Feedback] = []
        told = 0
        for items in messages:
            records = [one for one in items if isinstance(one, Record)]
            if items and not records:
                labels += [one for one in items if isinstance(one, Feedback)]
                told += 1
                continue
            self._messages += 1
            self._records += records
            self._bytes += sum(len(one.body) + len(one.answer) for one in records)
        if not told:
            return
        try:
            self._spool.keep(labels)
        except OSError as error:
            self._trouble("labels cannot be kept", error)
            self._say(connection, {"refused": told, "error": str(error)})
        else:
            self._feedback += labels
            self._say(connection, {"kept": told})

    def _ripe(self) -> bool:
        if not self._records and not self._feedback:
            return False
        full = len(self._records) >= MAX_RECORDS or self._bytes >= MAX_BYTES
        return full or time.monotonic() >= self._due

    def _write(self, connection: socket.socket | None) -> None:
        records, self._records = self._records, []
        taken, self._messages = self._messages, 0
        self._bytes = 0
        said: dict[str, object] = {"taken": taken, "written": 0, "dropped": 0, "error": ""}
        try:
            if records:
                records.sort(key=lambda one: one.time)
                self._store.append_batch(records, model=self._model, exclude=self._exclude)
                said["written"] = len(records)
        except OSError as error:
            # A full disk must not stop the traffic: what could not be written is counted.
            said |= {"dropped": len(records), "error": str(error)}
            self._trouble(f"the prediction log lost {len(records)} records", error)
        try:
            if self._feedback:
                self._store.append_feedback(self._feedback)
                self._feedback = []
                self._spool.clear()
            self._tidy()
        except OSError as error:
            # Labels stay where they are: on disk already, and tried again at the next round.
            self._due = time.monotonic() + RETRY
            said["error"] = str(error)
            self._trouble("labels wait to be written", error)
        self._say(connection, said)

    def _trouble(self, words: str, error: OSError) -> None:
        self._log.write(
            f"{words}: {error}",
            {
                "event.action": "prediction-log-refused",
                "error.type": type(error).__name__,
                "error.message": str(error),
                "penstock.model": self._model,
            },
            level=ERROR,
        )

    @staticmethod
    def _say(connection: socket.socket | None, said: dict[str, object]) -> None:
        if connection is not None:
            try:
                connection.sendall(json.dumps(said).encode() + b"\n")
            except OSError:
                return  # the gateway has gone; the next read says so

    def _tidy(self) -> None:
        now = time.monotonic()
        if now - self._tidied < COMPACT_EVERY:
            return
        self._tidied = now
        moment = time.time()
        self._store.compact(moment - moment % 3600.0)
        if self._keep:
            self._store.expire(moment - self._keep)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write until the gateway closes its end; return the exit code."""
    parser = argparse.ArgumentParser(prog="penstock.observations.writer")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--model", default="")
    parser.add_argument("--exclude", default="[]", help="JSON list of features")
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--keep", type=float, default=0.0)
    given = parser.parse_args(arguments)
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)  # the gateway decides when it is over
    os.nice(5)  # requests come first
    writer = Writer(
        Observations(given.dir),
        given.model,
        frozenset(json.loads(given.exclude)),
        given.interval,
        given.keep,
    )
    writer.run(socket.socket(fileno=given.fd))
    return 0


if __name__ == "__main__":
    sys.exit(main())
