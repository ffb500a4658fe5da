"""The shadow: copies of the champion's requests, sent after it has answered, and compared."""

from __future__ import annotations

import asyncio
import json
import math
from time import monotonic
from typing import Any

from penstock.gateway.counting import Book
from penstock.gateway.exchange import Exchange
from penstock.gateway.fleet import Fleet
from penstock.gateway.split import SHADOW
from penstock.gateway.tap import Tap

MAX_COPIES = 32
"""Most copies in flight; while the shadow has so many, further requests are not copied."""
TOLERANCE = 1e-6
"""Numbers that differ relatively by less than this count as equal."""


class _Copy:
    """Waits for a shadow's answer, to compare it with the champion's."""

    __slots__ = ("_mirror", "_original")

    def __init__(self, mirror: Mirror, original: bytes) -> None:
        self._mirror = mirror
        self._original = original

    def answered(self, exchange: Exchange) -> None:
        self._mirror.compare(exchange, self._original)


class Mirror:
    """Copies requests to the shadow; neither the client nor the champion notices.

    Args:
        fleet: where the shadow runs.
        book: where to count.
        tap: to the prediction log, where the shadow's answers stand beside the champion's; labels
            that come later then speak of both. None for no log.

    Attributes:
        dropped: requests that were not copied because too many copies were in flight.
    """

    def __init__(self, fleet: Fleet, book: Book, tap: Tap | None = None) -> None:
        self._fleet = fleet
        self._book = book
        self._tap = tap
        self._flying = 0
        self._loop = asyncio.get_running_loop()
        self.dropped = 0

    def copy(self, original: Exchange, version: str) -> None:
        """Send a copy of an answered request to `version`, unless too many are in flight."""
        group = self._fleet.groups.get(version)
        if self._flying >= MAX_COPIES or group is None or not group.ready:
            self.dropped += 1
            return
        self._flying += 1
        receiver = _Copy(self, original.answer)
        copy = Exchange(receiver, original.id, original.kind, original.body, monotonic())
        copy.version = version
        copy.role = SHADOW
        group.send(copy)

    def compare(self, copy: Exchange, original: bytes) -> None:
        """Count a copy's answer, and whether it differs from the champion's."""
        self._flying -= 1
        copy.seconds = monotonic() - copy.started
        if copy.status == 429:
            self.dropped += 1
            return
        tally = self._book.tally(copy.version, SHADOW)
        tally.add(copy.status, copy.seconds, copy.label)
        if self._tap is not None:
            self._tap.take(copy)
        if copy.status >= 400:
            return
        tally.compared += 1
        if copy.answer != original and not _alike(copy.answer, original):
            tally.differed += 1


def _alike(left: bytes, right: bytes) -> bool:
    try:
        return same(json.loads(left), json.loads(right))
    except (ValueError, RecursionError):
        return False


def same(left: Any, right: Any) -> bool:
    """Tell whether two answers are equal but for rounding.

    Example:
        >>> same({"predictions": [0.1]}, {"predictions": [0.1 + 1e-12]}), same([1], [2])
        (True, False)
    """
    if isinstance(left, dict) and isinstance(right, dict):
        left = {k: v for k, v in left.items() if k not in ("id", "model_version")}
        right = {k: v for k, v in right.items() if k not in ("id", "model_version")}
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if type(left) is float or type(right) is float:
        try:
            return math.isclose(left, right, rel_tol=TOLERANCE, abs_tol=1e-12) or left == right
        except TypeError:
            return False
    return bool(left == right)
