"""Where a gateway keeps its things, and Unix sockets whose path may be as long as it likes."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

SOCKET = "gateway.sock"
RECORD = "gateway.json"
LOG = "gateway.log"
LOGS = "log"
"""Directory of the lines that gateway, workers and writer log."""
OPTIONS = "options.json"
LOCK = "gateway.lock"


def log_file(state: Path, component: str) -> Path:
    """Return where a component's lines go."""
    return state / LOGS / f"{component}.ndjson"


def listen(path: Path) -> socket.socket:
    """Return a Unix socket that listens at `path`, in place of whatever was there.

    Its address is given relative to an open directory, because a socket's own path may have no
    more than 107 bytes.
    """
    with contextlib.ExitStack() as undo:
        server = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        with _opened(path.parent) as folder:
            path.unlink(missing_ok=True)
            before = os.umask(0o177)
            try:
                server.bind(f"/proc/self/fd/{folder}/{path.name}")
            finally:
                os.umask(before)
        server.listen(128)
        undo.pop_all()
    return server


def connect(path: Path, timeout: float) -> socket.socket:
    """Return a connection to the Unix socket at `path`.

    Raises:
        OSError: nobody listens there.
    """
    with contextlib.ExitStack() as undo:
        client = undo.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        client.settimeout(timeout)
        with _opened(path.parent) as folder:
            client.connect(f"/proc/self/fd/{folder}/{path.name}")
        undo.pop_all()
    return client


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
