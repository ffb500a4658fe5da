"""Replays flights as requests: some keep-alive connections, a steady rate, all answers counted."""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

VERSION_HEADER = "X-Penstock-Version"
_TIMEOUT = 30.0
_BACKLOG = 0.5
"""Seconds of delay that a connection tries to make up for; what is later than that is not sent."""


@dataclass(slots=True)
class Tally:
    """What came back.

    Attributes:
        sent, failed: requests, and those without an answer of status 200.
        versions: answers per model version.
        reasons: failures per reason: a status, or the name of an exception.
        sample: the first failed answer's text.
    """

    sent: int = 0
    failed: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    sample: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "sent": self.sent,
            "failed": self.failed,
            "versions": dict(sorted(self.versions.items())),
            "reasons": dict(sorted(self.reasons.items())),
            "sample": self.sample,
        }


class Replay:
    """Sends requests in the background from `start` (or `with`) until `stop`.

    Args:
        host, port: of the gateway.
        bodies: JSON bodies for ``/invocations``, sent round and round.
        rate: requests per second, over all connections.
        connections: kept alive, each in a thread of its own.
    """

    def __init__(
        self,
        host: str,
        port: int,
        bodies: Sequence[bytes],
        *,
        rate: float = 250.0,
        connections: int = 8,
    ) -> None:
        self._address = (host, port)
        self._bodies = bodies
        self._interval = connections / rate
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._next = 0
        self.tally = Tally()
        self._threads = [
            threading.Thread(target=self._connection, args=(k / rate,), daemon=True)
            for k in range(connections)
        ]

    def start(self) -> Self:
        """Begin to send."""
        for thread in self._threads:
            thread.start()
        return self

    def stop(self) -> Tally:
        """Wait for the answers that are due, and return what came back."""
        self._stop.set()
        for thread in self._threads:
            thread.join(_TIMEOUT + 5)
        return self.tally

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _connection(self, offset: float) -> None:
        link = http.client.HTTPConnection(*self._address, timeout=_TIMEOUT)
        due = time.monotonic() + offset
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._interval, time.monotonic() - _BACKLOG)
            with self._lock:
                body = self._bodies[self._next % len(self._bodies)]
                self._next += 1
            self._send(link, body)
        link.close()

    def _send(self, link: http.client.HTTPConnection, body: bytes) -> None:
        try:
            link.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            answer = link.getresponse()
            text = answer.read()
        except (OSError, http.client.HTTPException) as error:
            link.close()
            self._count(None, type(error).__name__, str(error))
            return
        version = answer.headers.get(VERSION_HEADER)
        reason = "" if answer.status == http.HTTPStatus.OK else str(answer.status)
        self._count(version, reason, text[:300].decode("utf-8", "replace") if reason else "")

    def _count(self, version: str | None, reason: str, text: str) -> None:
        with self._lock:
            self.tally.sent += 1
            if version is not None:
                self.tally.versions[version] += 1
            if reason:
                self.tally.failed += 1
                self.tally.reasons[reason] += 1
                self.tally.sample = self.tally.sample or text


def bodies(month: str, *, every: int = 3) -> list[bytes]:
    """Return a month's departures as JSON bodies in MLflow's `dataframe_split` form.

    Args:
        month: such as ``2013-04``.
        every: take each k-th flight.
    """
    from penstock.demo import data

    # Mixed, since gaps come by the hour: a short replay shall meet what a long one would.
    rows = data.live(month).iloc[::every].sample(frac=1.0, random_state=int(month[:4]))
    plain = rows.astype(object).where(rows.notna(), None)
    return [
        json.dumps({"dataframe_split": {"columns": data.FEATURES, "data": [row]}}).encode()
        for row in plain.to_numpy().tolist()
    ]


def free_port() -> int:
    """Return a port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
