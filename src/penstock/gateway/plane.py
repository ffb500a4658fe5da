"""The data plane: takes a client's request to the version that the split says, and counts."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

from penstock.gateway.breaker import Circuit
from penstock.gateway.counting import Book
from penstock.gateway.exchange import TEXT, Asked, Exchange
from penstock.gateway.feedback import FeedbackDesk
from penstock.gateway.fleet import Fleet
from penstock.gateway.heads import Heads
from penstock.gateway.http import Connection, Request
from penstock.gateway.mirror import Mirror
from penstock.gateway.options import GatewayOptions
from penstock.gateway.refusals import problem, refuse, unavailable
from penstock.gateway.split import CHALLENGER, CHAMPION, PINNED, Split
from penstock.gateway.sticky import Sticky
from penstock.gateway.tap import Tap
from penstock.inference import frames

_FORMS = {
    b"": frames.INVOCATIONS_JSON,
    b"application/json": frames.INVOCATIONS_JSON,
    b"text/csv": frames.INVOCATIONS_CSV,
    b"application/vnd.apache.parquet": frames.INVOCATIONS_PARQUET,
}

Route = Callable[[Request], None]


class Plane:
    """Handles the requests of all connections.

    Args:
        fleet: the versions that answer.
        options: of the gateway.
        epoch: name of this process's life.
        tap: to the prediction log, None for no log.
    """

    def __init__(
        self, fleet: Fleet, options: GatewayOptions, epoch: str, tap: Tap | None = None
    ) -> None:
        self.fleet = fleet
        self.max_body = options.max_body
        self.reading = 0
        self.heads = Heads()
        self.book = Book(epoch)
        self.connections: set[Connection] = set()
        self.sticky = Sticky(None)
        self.mirror = Mirror(fleet, self.book, tap)
        self.tap = tap
        self.desk = FeedbackDesk(self.book, tap)
        self.routes: dict[tuple[bytes, bytes], Route] = {
            (b"POST", b"/invocations"): self._invocations,
        }
        self.fallback: Route = _nowhere
        self.breaker: Circuit | None = None
        self.circuit: Circuit | None = None
        """The same breaker while it is not closed: asked about each request."""
        self._prefix = secrets.token_hex(5)
        self._count = 0
        self._base = (0, 0)
        self._emptied: asyncio.Event | None = None

    def handle(self, request: Request) -> None:
        """Answer a request."""
        route = self.routes.get((request.method, request.path), self.fallback)
        route(request)

    def opened(self, connection: Connection) -> None:
        """Note a new connection."""
        self.connections.add(connection)

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        if not self.connections and self._emptied is not None:
            self._emptied.set()

    async def emptied(self) -> None:
        """Wait until no connection is open."""
        self._emptied = asyncio.Event()
        if self.connections:
            await self._emptied.wait()

    def model(self) -> str:
        """Return the name of the model, "" before the first deployment."""
        bundles = self.fleet.table.bundles
        return bundles[0].model if bundles else ""

    def took_table(self) -> None:
        """Start to observe the split anew: another table is in force."""
        self._base = self._answered()

    def shares(self) -> tuple[float | None, float | None]:
        """Return the challenger's share in percent: wanted, and observed under this table."""
        split = self.fleet.split
        if split.challenger is None:
            return None, None
        champion, challenger = (
            now - then for now, then in zip(self._answered(), self._base, strict=True)
        )
        total = champion + challenger
        return split.weight, 100.0 * challenger / total if total else None

    def _answered(self) -> tuple[int, int]:
        champion = challenger = 0
        for tally in self.book.tallies():
            if tally.role == CHAMPION:
                champion += tally.requests
            elif tally.role == CHALLENGER:
                challenger += tally.requests
        return champion, challenger

    def _invocations(self, request: Request) -> None:
        content = request.headers.get(b"content-type", b"application/json")
        kind = _FORMS.get(content)
        if kind is None:
            kind, refusal = _form(content)
            if refusal:
                request.exchange().finish(415, refusal.encode(), TEXT)
                return
        self.submit(request, kind)

    def submit(self, request: Asked, kind: int, *, version: str | None = None) -> None:
        """Send a request to a version.

        Args:
            request: with the body to send.
            kind: its form, as in `penstock.inference.frames`.
            version: the version asked for, None to let the split choose.
        """
        headers = request.headers
        given = headers.get(b"x-request-id")
        if given is None or len(given) > 128:
            self._count += 1
            id = f"{self._prefix}{self._count:08x}"
        else:
            id = given.decode("latin-1")
        exchange = request.exchange(id, kind)
        pinned = version or headers.get(b"x-penstock-version")
        if pinned is not None:
            self._pin(exchange, pinned if isinstance(pinned, str) else pinned.decode("latin-1"))
            return
        if self.circuit is not None and self.circuit.stops(exchange):
            return
        split = self.fleet.split
        if split.challenger is None or split.weight <= 0.0:
            chosen, role = split.champion, CHAMPION
        else:
            chosen, role = split.choose(self.sticky.key(request) or id.encode())
        if chosen is None:
            self._nobody(exchange)
            return
        exchange.version = chosen
        exchange.role = role
        self.fleet.groups[chosen].send(exchange)

    def _pin(self, exchange: Exchange, version: str) -> None:
        group = self.fleet.groups.get(version)
        if group is None or group.draining:
            known = ", ".join(sorted(self.fleet.groups)) or "none"
            message = f"version {version!r} is not served here; served: {known}"
            refuse(exchange, 404, "RESOURCE_DOES_NOT_EXIST", message)
            return
        exchange.version = version
        exchange.role = self._role(version)
        group.send(exchange)

    def _role(self, version: str) -> str:
        """Return the role of a version that was asked for by name."""
        split: Split = self.fleet.split
        if version == split.champion and split.challenger is None:
            return CHAMPION
        return PINNED

    def _nobody(self, exchange: Exchange) -> None:
        table = self.fleet.table
        if table.champion is None:
            unavailable(exchange, "no model version is deployed here yet")
            return
        exchange.version = table.champion
        exchange.role = CHAMPION
        reason = self.fleet.failed().get(table.champion, "it is being started")
        unavailable(exchange, f"version {table.champion} cannot answer: {reason}")

    def record(self, exchange: Exchange) -> None:
        """Count an answered request, log it, and show it to the shadow."""
        self.book.tally(exchange.version, exchange.role).add(
            exchange.status, exchange.seconds, exchange.label
        )
        if self.tap is not None:
            self.tap.take(exchange)
        self.desk.remember(exchange)
        split = self.fleet.split
        if (
            split.shadow is not None
            and exchange.role == CHAMPION
            and not 400 <= exchange.status < 500
            and split.copies(exchange.id.encode())
        ):
            self.mirror.copy(exchange, split.shadow)


def _form(content: bytes) -> tuple[int, str]:
    """Return the form of a content type, or why it is refused."""
    text = content.decode("latin-1")
    mime, *pairs = (part.strip() for part in text.split(";"))
    parameters = {
        key.strip().lower(): value for key, _, value in (pair.partition("=") for pair in pairs)
    }
    if parameters.pop("charset", "utf-8").lower() != "utf-8":
        return 0, "The scoring server only supports UTF-8"
    if parameters:
        return 0, f"Unrecognized content type parameters: {', '.join(parameters)}."
    kind = _FORMS.get(mime.encode("latin-1"))
    if kind is None:
        types = [name.decode() for name in _FORMS if name]
        return 0, (
            "This predictor only supports the following content types:"
            f" Types: {types}. Got '{text}'."
        )
    return kind, ""


def _nowhere(request: Request) -> None:
    message = f"nothing is at {request.path.decode('latin-1')}"
    request.exchange().finish(404, problem("NOT_FOUND", message))
