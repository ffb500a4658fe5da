"""Sends a day's flights to the gateway, and the labels of an earlier one; every answer counts."""

from __future__ import annotations

import http.client
import json
import queue
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.demo.traffic import VERSION_HEADER

_TIMEOUT = 60.0
_TOGETHER = 500
"""Labels in one request."""


@dataclass(slots=True)
class Sent:
    """What came back.

    Attributes:
        requests, failed: requests, and those without an answer of status 200.
        versions: answers per model version.
        reasons: failures per status, or name of an exception.
        labels, refused: labels that were acknowledged, and that were not.
    """

    requests: int = 0
    failed: int = 0
    versions: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    labels: int = 0
    refused: int = 0

    def add(self, other: Sent) -> None:
        """Add what another one counted."""
        self.requests += other.requests
        self.failed += other.failed
        self.versions += other.versions
        self.reasons += other.reasons
        self.labels += other.labels
        self.refused += other.refused

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "requests": self.requests,
            "failed": self.failed,
            "versions": dict(self.versions),
            "reasons": dict(self.reasons),
            "labels": self.labels,
            "labels_refused": self.refused,
        }


class Sender:
    """Some connections that are kept alive.

    Args:
        host, port: of the gateway.
        connections: how many.
    """

    def __init__(self, host: str, port: int, connections: int = 8) -> None:
        self._links = [
            http.client.HTTPConnection(host, port, timeout=_TIMEOUT) for _ in range(connections)
        ]

    def send(self, requests: Iterable[tuple[str, bytes]]) -> Sent:
        """Send requests over all connections and wait for all answers."""
        waiting: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        for one in requests:
            waiting.put(one)
        counts = [Sent() for _ in self._links]
        threads = [
            threading.Thread(target=_drain, args=(link, waiting, count))
            for link, count in zip(self._links, counts, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        total = Sent()
        for count in counts:
            total.add(count)
        return total

    def tell(self, labels: Sequence[dict[str, Any]]) -> Sent:
        """Send labels to `/feedback`; what is not acknowledged is counted."""
        done = Sent()
        for first in range(0, len(labels), _TOGETHER):
            part = labels[first : first + _TOGETHER]
            status, _, _ = _post(self._links[0], "/feedback", json.dumps(part).encode(), "")
            if status == http.HTTPStatus.ACCEPTED:
                done.labels += len(part)
            else:
                done.refused += len(part)
        return done

    def close(self) -> None:
        """Close all connections."""
        for link in self._links:
            link.close()


def _drain(
    link: http.client.HTTPConnection, waiting: queue.SimpleQueue[tuple[str, bytes]], count: Sent
) -> None:
    while True:
        try:
            name, body = waiting.get_nowait()
        except queue.Empty:
            return
        status, version, words = _post(link, "/invocations", body, name)
        count.requests += 1
        if version:
            count.versions[version] += 1
        if status != http.HTTPStatus.OK:
            count.failed += 1
            count.reasons[words or str(status)] += 1


def _post(
    link: http.client.HTTPConnection, path: str, body: bytes, name: str
) -> tuple[int, str, str]:
    """Return status, the version that answered, and the name of what went wrong."""
    headers = {"Content-Type": "application/json", **({"X-Request-Id": name} if name else {})}
    try:
        link.request("POST", path, body, headers)
        answer = link.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        link.close()
        return 0, "", type(error).__name__
    return answer.status, answer.headers.get(VERSION_HEADER) or "", ""
