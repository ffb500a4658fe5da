"""Where a gateway keeps its things, and Unix sockets whose path may be as long as it likes."""

from __future__ import annotations

import os
import socket
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
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            server.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.umask(before)
    except BaseException:
        server.close()
        raise
    finally:
        os.close(folder)
    server.listen(128)
    return server


def connect(path: Path, timeout: float) -> socket.socket:
    """Return a connection to the Unix socket at `path`.

    Raises:
        OSError: nobody listens there.
    """
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout)
    folder = -1
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        client.connect(f"/proc/self/fd/{folder}/{path.name}")
    except BaseException:
        client.close()
        raise
    finally:
        if folder >= 0:
            os.close(folder)
    return client
