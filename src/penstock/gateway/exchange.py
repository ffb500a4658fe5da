"""One request on its way through the gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

JSON = b"application/json"
TEXT = b"text/plain; charset=utf-8"


class Receiver(Protocol):
    """Whoever waits for an answer: a client's connection, or the comparison of a shadow."""

    def answered(self, exchange: Exchange) -> None:
        """Take the answer; called once per exchange."""
        ...


class Asked(Protocol):
    """A request for a prediction, however it came in.

    Attributes:
        headers: by name in lower case.
        body: whole.
    """

    headers: dict[bytes, bytes]
    body: bytes

    def exchange(self, id: str = "", kind: int = 0) -> Exchange:
        """Return the exchange that will carry the answer."""
        ...


class Exchange:
    """A request, where it went, and its answer.

    Attributes:
        receiver: who waits for the answer.
        id: of the request, as the client gave it or as the gateway made it.
        kind: form of the body, as in `penstock.inference.frames`.
        body: of the request.
        version, role: which version answers, and as what.
        started: monotonic time of the request's arrival in seconds.
        status: HTTP status of the answer, 0 while there is none.
        answer: body of the answer.
        label: bin or class of the prediction.
        content: content type of the answer.
        keep_alive: whether the client's connection stays open after the answer.
        retried: whether it was sent to a second worker already.
        translate: turns the answer into what the client speaks, None for nothing to do.
        extra: more lines of the answer's head, each with its end of line.
        retry_after: seconds after which a client may try again, 0 to say nothing.
    """

    __slots__ = (
        "answer", "body", "content", "extra", "id", "keep_alive", "kind", "label", "receiver",
        "retried", "retry_after", "role", "seconds", "started", "status", "translate", "version",
    )  # fmt: skip

    def __init__(self, receiver: Receiver, id: str, kind: int, body: bytes, started: float) -> None:
        self.receiver = receiver
        self.id = id
        self.kind = kind
        self.body = body
        self.started = started
        self.version = ""
        self.role = ""
        self.status = 0
        self.answer = b""
        self.label = b""
        self.content = JSON
        self.keep_alive = True
        self.retried = False
        self.translate: Callable[[Exchange], None] | None = None
        self.extra = b""
        self.retry_after = 0
        self.seconds = 0.0

    def finish(self, status: int, answer: bytes, content: bytes = JSON) -> None:
        """Set the answer and hand the exchange back to its receiver."""
        self.status = status
        self.answer = answer
        self.content = content
        self.receiver.answered(self)
