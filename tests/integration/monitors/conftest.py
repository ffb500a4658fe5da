"""Real receivers of alerts on real sockets."""

import contextlib
import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


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
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def webhook():
    made = Webhook()
    yield made
    made.stop()


class MailServer:
    """As much of SMTP as a client needs to hand a letter over."""

    def __init__(self):
        self.letters = []
        self.logins = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, connection.makefile("rwb") as file:
                    self._talk(file)

    def _talk(self, file):
        def say(*lines):
            for line in lines:
                file.write(line.encode() + b"\r\n")
            file.flush()

        say("220 here")
        letter = []
        for raw in file:
            word = raw.decode().strip()
            verb = word.upper().split(" ")[0]
            if verb == "EHLO":
                say("250-here", "250 AUTH PLAIN")
            elif verb == "AUTH":
                self.logins.append(word)
                say("235 welcome")
            elif verb in {"MAIL", "RCPT", "RSET"}:
                letter.append(word)
                say("250 fine")
            elif verb == "DATA":
                say("354 go on")
                text = []
                for line in file:
                    if line == b".\r\n":
                        break
                    text.append(line.decode())
                self.letters.append((letter, "".join(text)))
                letter = []
                say("250 taken")
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("502 what?")

    def stop(self):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@pytest.fixture
def mail_server():
    made = MailServer()
    yield made
    made.stop()
