"""Answers in the words of the protocols, byte for byte as MLflow's scoring server writes them."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

from penstock.inference.labels import label_of


class Reply(NamedTuple):
    """Answer to one request.

    Attributes:
        status: HTTP status.
        body: of the answer.
        label: of the first row's prediction, "" where there is none.
        plain: whether the body is text instead of JSON.
    """

    status: int
    body: bytes
    label: str = ""
    plain: bool = False


def number(value: Any) -> tuple[bytes, bytes] | None:
    """Return body and label of the answer to one row with one number, None for anything else.

    This is what most requests are about; `predictions` would write the same, more slowly.

    Example:
        >>> number(0.25), number("a")
        ((b'{"predictions": [0.25]}', b'0.2..0.3'), None)
    """
    if type(value) is int or (type(value) is float and math.isfinite(value)):
        return b'{"predictions": [%b]}' % repr(value).encode(), label_of(value).encode()
    return None


def predictions(values: list[Any]) -> Reply:
    """Return ``{"predictions": [...]}`` for plain values.

    Example:
        >>> predictions([1, 0.5]).body
        b'{"predictions": [1, 0.5]}'
    """
    body = json.dumps({"predictions": values}).encode()
    return Reply(200, body, label_of(values[0]) if values else "")


def mistake(
    message: str, status: int = 400, *, code: str = "BAD_REQUEST", trace: str = ""
) -> Reply:
    """Return an error as MLflow writes it."""
    item = {"error_code": code, "message": message}
    if trace:
        item["stack_trace"] = trace
    return Reply(status, json.dumps(item).encode())
