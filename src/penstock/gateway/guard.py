"""The guard: holds the port and the lock, and starts the gateway again when it dies.

The listening socket is opened here and inherited, so while a gateway is being replaced, clients
that connect wait in the kernel's queue instead of being refused. The guard does nothing else, so
there is little that could end it; should it be killed, the gateway serves on without it.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

from penstock.errors import ExitCode, StateError
from penstock.gateway import places
from penstock.gateway.options import GatewayOptions
from penstock.logs import ERROR, Log

MAX_PAUSE = 5.0
"""Longest pause in seconds before a gateway that keeps dying is started again."""
HEALTHY = 30.0
"""Seconds of life after which a death counts as the first one again."""


def bind(options: GatewayOptions) -> socket.socket:
    """Return the listening socket.

    Raises:
        StateError: the port is taken, or may not be listened on.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((options.host, options.port))
        listener.listen(4096)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise StateError(
            f"cannot listen on {options.host}:{options.port}: {reason}",
            code="gateway.port-busy",
            hint="set another port with `serve: {port: ...}` in penstock.yaml, or stop whatever"
            " uses this one",
        ) from None
    return listener


def lock(state: Path) -> int:
    """Take the lock of a state directory, for as long as this process or its gateway lives.

    Returns:
        The descriptor that holds it.

    Raises:
        StateError: another gateway has it.
    """
    state.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(state / places.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StateError(f"a gateway runs already for {state}", code="gateway.running") from None
    return descriptor


def watch(state: Path, options: GatewayOptions, command: list[str]) -> int:
    """Keep a gateway running until it ends by itself or is told to.

    Args:
        state: directory of its state.
        options: how it serves.
        command: that starts it; the descriptor of the listening socket is added.

    Returns:
        Its exit code.

    Raises:
        StateError: the port or the state directory is in use.
    """
    held = lock(state)
    log = Log(places.log_file(state, "gateway"), "guard")
    listener = bind(options)
    told: list[int] = []
    child: subprocess.Popen[bytes] | None = None

    def tell(number: int, _frame: object) -> None:
        told.append(number)
        if child is not None and child.poll() is None:
            child.send_signal(signal.SIGTERM)

    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, tell)
    pause = 0.0
    while True:
        began = time.monotonic()
        descriptors = (listener.fileno(), held)
        child = subprocess.Popen([*command, str(listener.fileno())], pass_fds=descriptors)
        if told:
            child.send_signal(signal.SIGTERM)
        code = child.wait()
        if code == 0 or told or code in (ExitCode.STATE, ExitCode.CONFIG, ExitCode.USAGE):
            return max(code, 0)
        if time.monotonic() - began > HEALTHY:
            pause = 0.0
        log.write(
            f"the gateway died ({code}); starting it again",
            {"event.action": "gateway-died", "process.exit_code": code},
            level=ERROR,
        )
        time.sleep(pause)
        pause = min(MAX_PAUSE, pause * 2 or 0.1)
