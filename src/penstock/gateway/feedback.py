"""`/feedback`: what became known of earlier requests, by their ids.

    {"request_id": "...", "label": 1, "metrics": {"revenue": 3.5}}

or a list of such. A label is joined to the prediction log and, while the request is remembered,
counted as the mean ``correct`` of the version that answered; metrics are counted by their names.
With a prediction log, "accepted" means that it is on disk and survives a crash of any process.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import Any

import orjson

from penstock.gateway.counting import Book
from penstock.gateway.exchange import Exchange
from penstock.gateway.http import Request
from penstock.gateway.refusals import problem
from penstock.gateway.tap import Tap
from penstock.inference.labels import label_of
from penstock.observations.records import Feedback

REMEMBERED = 100_000
"""Requests whose version is remembered, so that feedback counts for it."""
MAX_METRICS = 20
"""Most metrics kept apart per version and role."""


_Served = tuple[str, str, bytes]
"""Version, role and label of a request. A plain tuple, because the collector of garbage need not
look at those again; at so many named ones it would look for tens of milliseconds."""


class FeedbackDesk:
    """Takes feedback and counts it for the version that it is about.

    Args:
        book: where to count.
        tap: to the prediction log, None without one.
    """

    def __init__(self, book: Book, tap: Tap | None) -> None:
        self._book = book
        self._tap = tap
        # Of a plain dict the oldest is found only past the places of all that were deleted.
        self._served: OrderedDict[str, _Served] = OrderedDict()

    def remember(self, exchange: Exchange) -> None:
        """Remember who answered a request."""
        served = self._served
        served[exchange.id] = (exchange.version, exchange.role, exchange.label)
        if len(served) > REMEMBERED:
            served.popitem(last=False)

    def handle(self, request: Request) -> None:
        """Answer a request to `/feedback`."""
        exchange = request.exchange()
        try:
            item = orjson.loads(request.body)
            items = [_read(one) for one in (item if isinstance(item, list) else [item])]
        except (ValueError, TypeError) as error:
            exchange.finish(400, problem("BAD_REQUEST", f"this is no feedback: {error}"))
            return
        if self._tap is None:
            self._accept(exchange, items)
        else:
            self._tap.tell(items, lambda why: self._answer(exchange, items, why))

    def _answer(self, exchange: Exchange, items: list[Feedback], why: str) -> None:
        """Say what became of feedback: whatever is accepted is on disk."""
        if why:
            words = f"the feedback could not be kept ({why}); send it again"
            exchange.retry_after = 1
            exchange.finish(503, problem("TEMPORARILY_UNAVAILABLE", words))
        else:
            self._accept(exchange, items)

    def _accept(self, exchange: Exchange, items: list[Feedback]) -> None:
        known = sum(self._count(one) for one in items)
        exchange.finish(202, orjson.dumps({"accepted": len(items), "remembered": known}))

    def _count(self, item: Feedback) -> int:
        served = self._served.get(item.id)
        if served is None:
            return 0
        version, role, predicted = served
        means = self._book.tally(version, role).means
        told = dict(item.metrics)
        if item.label is not None and predicted and item.row == 0:
            told["correct"] = float(label_of(item.label).encode() == predicted)
        for name, value in told.items():
            if name in means or len(means) < MAX_METRICS:
                pair = means.setdefault(name, [0.0, 0.0])
                pair[0] += 1
                pair[1] += value
        return 1


def _read(item: Any) -> Feedback:
    if not isinstance(item, dict):
        raise TypeError("each item must be an object")
    id = item.get("request_id")
    if not isinstance(id, str) or not id:
        raise ValueError("`request_id` must be a text")
    row = item.get("row", 0)
    if type(row) is not int or row < 0:
        raise ValueError("`row` must be a number from 0")
    label = item.get("label")
    if isinstance(label, (list, dict)):
        raise TypeError("`label` must be a number or a text")
    metrics = item.get("metrics")
    metrics = {} if metrics is None else metrics
    if not isinstance(metrics, dict):
        raise TypeError("`metrics` must be an object")
    for name, value in metrics.items():
        if type(value) not in (int, float) or not math.isfinite(value):
            raise ValueError(f"metric `{name}` must be a finite number")
    if label is None and not metrics:
        raise ValueError("neither `label` nor `metrics` is there")
    return Feedback(id, time.time(), row, label, {k: float(v) for k, v in metrics.items()})
