"""Real receivers of alerts on real sockets."""

import json
import socket
import threading
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


class Webhook:
    """An HTTP server that keeps what it is sent; `status` is what it answers."""

    def __init__(self):
        self.seen = []
        self.status = 200
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                owner.seen.append((self.path, dict(self.headers), json.loads(body)))
                self.send_response(owner.status)
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self):
        if self._thread.is_alive():
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


@pytest.fixture
def webhook():
    made = Webhook()
    yield made
    made.stop()


class MailServer:
    """A real SMTP server, aiosmtpd; it takes any login."""

    def __init__(self):
        self.letters = []
        self.logins = []
        handler = self
        self._controller = Controller(
            handler, hostname="127.0.0.1", port=free_port(), authenticator=self._let_in,
            auth_require_tls=False,
        )  # fmt: skip
        self._controller.start()
        self.port = self._controller.port

    async def handle_DATA(self, server, session, envelope):
        self.letters.append(envelope)
        return "250 taken"

    def _let_in(self, server, session, envelope, mechanism, data):
        self.logins.append((data.login, data.password))
        return AuthResult(success=True)

    @staticmethod
    def text(envelope):
        """Return subject and text of a letter."""
        letter = message_from_bytes(envelope.content, policy=policy.default)
        return f"{letter['subject']}\n{letter.get_content()}"

    def stop(self):
        if self._controller.server is not None:
            self._controller.stop()
            self._controller.server = None


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as one:
        return one.getsockname()[1]


@pytest.fixture
def mail_server():
    made = MailServer()
    yield made
    made.stop()
