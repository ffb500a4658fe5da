"""A small HTTP listener for webhooks, on loopback unless told otherwise."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from penstock.assembly import STATE
from penstock.errors import PenstockError, StateError
from penstock.journal import Journal
from penstock.triggers import Inbox, signatures, webhooks
from penstock.triggers.alerts import Demand

DEMAND = "rollback-demand"
KEPT_IN = "watch.token"
_SECONDS = 10.0


def known_secrets(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the secret of each sender.

    ``PENSTOCK_GITHUB_SECRET`` and so on; ``PENSTOCK_WEBHOOK_SECRET`` for all that have none of
    their own. Alertmanager and penstock's own hook take a token; where none is set, one is made
    and kept in ``.penstock/watch.token``, for this user's eyes only.
    """
    shared = environment.get("PENSTOCK_WEBHOOK_SECRET", "")
    found = {}
    for sender, check in signatures.CHECKS.items():
        own = environment.get(f"PENSTOCK_{sender.upper()}_SECRET") or shared
        if not own and check is signatures.bearer:
            own = token(root)
        if own:
            found[sender] = own
    return found


def token(root: Path) -> str:
    """Return the token of a project; made at the first call."""
    path = root / STATE / KEPT_IN
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        kept = path.read_text(encoding="ascii").strip()
        if kept:
            return kept
        path.unlink()  # its writer was killed
        return token(root)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        made = secrets.token_urlsafe(32)
        stream.write(made + "\n")
    return made


class Listener:
    """Answers ``POST /hooks/SENDER`` and ``GET /healthz`` in threads of its own.

    What a webhook asks for is in the journal before it is answered, so nothing that was answered
    with 202 is lost.

    Args:
        journal: path of the project's journal; each request opens it anew.
        secrets: by sender.
        host, port: to listen on; 0 takes a free port.
        branch: whose commits ask for a retraining.
        wanted: kinds of triggers that the project wants.
        awake: called when something was asked for.

    Raises:
        StateError: ``watch.port-busy``.
    """

    def __init__(
        self,
        journal: Path,
        secrets: Mapping[str, str],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        branch: str | None = None,
        wanted: tuple[str, ...] = (),
        awake: Callable[[], None] = lambda: None,
    ) -> None:
        self._journal = journal
        self._secrets = secrets
        self._branch = branch
        self._wanted = wanted
        self._awake = awake
        try:
            self._server = ThreadingHTTPServer((host, port), _handler(self))
        except OSError as error:
            raise StateError(
                f"cannot listen on {host}:{port}: {error.strerror}",
                code="watch.port-busy",
                hint="choose another one: `penstock watch --listen 127.0.0.1:0` takes a free one",
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, str]:
        """Take one delivery in; return status and words."""
        parts = urlsplit(path).path.strip("/").split("/")
        if len(parts) != 2 or parts[0] != "hooks":
            return 404, "hooks are at /hooks/SENDER"
        got = webhooks.receive(
            parts[1],
            headers,
            body,
            self._secrets,
            time.time(),
            branch=self._branch,
            wanted=self._wanted,
        )
        if got.requests or got.demands:
            try:
                with Journal(self._journal) as journal:
                    inbox = Inbox(journal)
                    new = sum([inbox.submit(one) for one in got.requests])
                    new += sum([demand(journal, one) for one in got.demands])
            except PenstockError as error:
                return 503, error.message  # the sender tries again
            self._awake()
            return got.status, got.words if new else "received before"
        return got.status, got.words


def demand(journal: Journal, wish: Demand) -> bool:
    """Write down that a rollback is asked for; False when that was done before."""
    with journal.transaction() as tx:
        if tx.get(DEMAND, wish.key) is not None:
            return False
        tx.put(DEMAND, wish.key, {"key": wish.key, "reason": wish.reason, "state": "open"})
    return True


def _handler(listener: Listener) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        timeout = _SECONDS
        server_version = "penstock"
        sys_version = ""

        def do_GET(self) -> None:
            """Say that it is alive."""
            alive = urlsplit(self.path).path == "/healthz"
            self._say(200 if alive else 404, "ok" if alive else "hooks take POST")

        def do_POST(self) -> None:
            """Take a webhook in."""
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                self._say(411, "Content-Length is missing")
            elif int(length) > webhooks.MOST_BYTES:
                self._say(413, f"more than {webhooks.MOST_BYTES} bytes")
            else:
                body = self.rfile.read(int(length))
                self._say(*listener.answer(self.path, dict(self.headers.items()), body))

        def _say(self, status: int, words: str) -> None:
            data = json.dumps({"message": words}).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(data)
            self.close_connection = True

        def log_message(self, format: str, *args: Any) -> None:
            """Keep standard error for people."""

    return Handler
