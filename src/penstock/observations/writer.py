"""The writer process: puts into the store what the gateway has in its spools, and labels.

    python -m penstock.observations.writer --dir DIR --fd N --exclude a,b

The gateway tells where records stand. It is answered with lines of JSON. Of labels, which are on
disk before it is said so: ``{"kept": 1}``, messages in the order of their arrival, or
``{"refused": 1, "error": "..."}``. Of traffic, once a file is written:
``{"stored": [[NAME, 4096]], "gone": [], "written": 10, "dropped": 0, "error": ""}``, offsets up to
which spools need not be kept, spools that cannot be read any more, and numbers of records. Another
writer, when the gateway had to start one, is told of all that there is no such answer for.

It ends when the gateway closes its end, or is killed, after everything that was answered is in the
store. What others that were killed left behind is stored when it starts, and every ten minutes.
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
from penstock.observations.intake import Intake
from penstock.observations.records import Feedback, MessageReader, Stretch
from penstock.observations.spool import Spool, orphans
from penstock.observations.store import Observations

RETRY = 10.0
"""Seconds after which labels that the store refused are tried again."""
COMPACT_EVERY = 600.0
"""Seconds between two merges of the files of past hours."""


class Writer:
    """Gathers traffic and writes it.

    Args:
        store: where to.
        exclude: features that must not be kept.
        interval: seconds after which what was gathered is written.
        keep: seconds for which traffic is kept, 0 for ever.
    """

    def __init__(
        self, store: Observations, exclude: frozenset[str], interval: float, keep: float
    ) -> None:
        self._store = store
        self._interval = interval
        self._keep = keep
        self._feedback: list[Feedback] = []
        self._log = from_environment("writer")
        self._spool = Spool(store.directory)
        self._intake = Intake(store, exclude, self._trouble)
        self._left = self._intake.recover()
        self._leaving = True
        self._due = 0.0
        self._tidied = time.monotonic()

    def run(self, connection: socket.socket) -> None:
        """Write until the other end is closed."""
        reader = MessageReader()
        self._inherit()
        while True:
            if select.select([connection], [], [], self._patience())[0]:
                data = connection.recv(1 << 20)
                if not data:
                    break
                self._take(connection, list(reader.feed(data)))
            elif self._leaving:
                self._recover()
            if self._ripe():
                self._write(connection)
        self._write(None)
        while self._intake.waiting:
            self._write(None)
        if not self._feedback:
            self._spool.close()
        self._left, self._leaving = self._intake.recover(), True
        while self._leaving:
            self._recover()

    def _patience(self) -> float | None:
        """Return for how many seconds there is nothing to do but to listen."""
        if self._leaving or self._intake.full:
            return 0.0
        if self._waiting:
            return max(0.0, self._due - time.monotonic())
        return None

    @property
    def _waiting(self) -> bool:
        return bool(self._feedback) or self._intake.waiting

    def _inherit(self) -> None:
        """Take over the labels of writers that were killed."""
        try:
            for _, items in orphans(self._store.directory):
                self._store.append_feedback(items)
        except OSError as error:
            self._trouble("labels of a writer that was killed cannot be stored yet", error)

    def _recover(self) -> None:
        """Take over one spool of a gateway that was killed."""
        count = next(self._left, None)
        self._leaving = count is not None
        if count:
            self._log.write(
                f"stored {count} predictions that a killed gateway had answered",
                {"event.action": "predictions-recovered"},
            )

    def _take(
        self, connection: socket.socket, messages: Sequence[Sequence[Stretch] | Sequence[Feedback]]
    ) -> None:
        """Take messages; the labels of all of them are made durable at once."""
        if messages and not self._waiting:
            self._due = time.monotonic() + self._interval
        labels: list[Feedback] = []
        told = 0
        for items in messages:
            stretches = [one for one in items if isinstance(one, Stretch)]
            if stretches:
                self._intake.add(stretches)
                continue
            labels += [one for one in items if isinstance(one, Feedback)]
            told += 1
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
        return self._waiting and (self._intake.full or time.monotonic() >= self._due)

    def _write(self, connection: socket.socket | None) -> None:
        said = self._intake.store()
        self._due = time.monotonic() + self._interval
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
        self._intake.read()

    def _trouble(self, words: str, error: Exception) -> None:
        self._log.write(
            f"{words}: {error}",
            {
                "event.action": "prediction-log-refused",
                "error.type": type(error).__name__,
                "error.message": str(error),
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
        self._left, self._leaving = self._intake.recover(), True
        moment = time.time()
        self._store.compact(moment - moment % 3600.0)
        if self._keep:
            self._store.expire(moment - self._keep)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write until the gateway closes its end; return the exit code."""
    parser = argparse.ArgumentParser(prog="penstock.observations.writer")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--exclude", default="[]", help="JSON list of features")
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--keep", type=float, default=0.0)
    given = parser.parse_args(arguments)
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)  # the gateway decides when it is over
    os.nice(5)  # requests come first
    writer = Writer(
        Observations(given.dir),
        frozenset(json.loads(given.exclude)),
        given.interval,
        given.keep,
    )
    writer.run(socket.socket(fileno=given.fd))
    return 0


if __name__ == "__main__":
    sys.exit(main())
