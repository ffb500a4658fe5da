"""Talking to a gateway from another process: start it, order it, ask it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.errors import ExitCode, PenstockError, StateError, UnavailableError
from penstock.gateway import durable, places
from penstock.gateway.options import GatewayOptions

TIMEOUT = 10.0
"""Seconds that a gateway may take to answer an order."""


class GatewayClient:
    """A gateway, by the directory of its state. Holds nothing open.

    Args:
        state_dir: where the gateway keeps its table and its sockets.
    """

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = Path(state_dir).absolute()

    def status(self) -> TargetStatus:
        """Return what the gateway observes; `running` is false when none answers."""
        try:
            answer = self._ask({"do": "status"})
        except UnavailableError:
            return TargetStatus(running=False)
        return TargetStatus.from_dict(answer["status"])

    def apply(self, table: TrafficTable) -> None:
        """Put a traffic table in force; the same one again does nothing.

        It returns when the table is recorded durably; whether its versions are ready is seen in
        `status`. Until a new champion is ready the old one answers.

        Raises:
            StateError: a newer table is in force, or another one of the same generation.
            UnavailableError: no gateway answers.
        """
        self._ask({"do": "apply", "table": table.to_dict()})

    def stop(self, timeout: float = 60.0) -> None:
        """Stop the gateway when its requests are answered; does nothing if none runs.

        Args:
            timeout: seconds to wait for it to be gone.

        Raises:
            UnavailableError: it still runs after that time.
        """
        pid = self._pid()
        try:
            self._ask({"do": "stop"})
        except UnavailableError:
            if pid is None:
                return
        deadline = time.monotonic() + timeout
        while self._alive():
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"the gateway has not stopped within {timeout:g} s",
                    code="gateway.not-stopped",
                )
            time.sleep(0.01)

    def record(self) -> dict[str, Any] | None:
        """Return pid, url and start time of the gateway, None if it left no record."""
        try:
            text = (self.state_dir / places.RECORD).read_text(encoding="utf-8")
        except OSError:
            return None
        item: dict[str, Any] = json.loads(text)
        return item

    def _pid(self) -> int | None:
        record = self.record()
        return None if record is None else int(record["pid"])

    def _alive(self) -> bool:
        """Tell whether some gateway holds the lock of the state directory."""
        import fcntl

        try:
            descriptor = os.open(self.state_dir / places.LOCK, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _ask(self, order: dict[str, Any]) -> dict[str, Any]:
        try:
            with places.connect(self.state_dir / places.SOCKET, TIMEOUT) as connection:
                connection.sendall(json.dumps(order).encode() + b"\n")
                line = _line(connection)
        except OSError as error:
            raise UnavailableError(
                f"no gateway answers for {self.state_dir}",
                code="gateway.not-running",
                hint="start it with `penstock serve`",
            ) from error
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise _raised(answer["error"])
        return answer


def _line(connection: socket.socket) -> bytes:
    parts = []
    while True:
        data = connection.recv(1 << 20)
        if not data:
            raise ConnectionResetError("the gateway closed the connection")
        parts.append(data)
        if data.endswith(b"\n"):
            return b"".join(parts)


def _raised(item: dict[str, Any]) -> PenstockError:
    if item["exit_code"] == ExitCode.UNAVAILABLE:
        return UnavailableError(item["message"], code=item["code"], hint=item["hint"])
    return StateError(item["message"], code=item["code"], hint=item["hint"])


def start_gateway(
    state_dir: Path, options: GatewayOptions | None = None, *, wait: float = 30.0
) -> GatewayClient:
    """Start a gateway in the background, or return the one that runs already.

    It outlives the process that started it; its own words go to ``gateway.log``.

    Args:
        state_dir: where it keeps its state; made if missing.
        options: how it serves.
        wait: seconds until it must answer its control socket.

    Raises:
        StateError: the port is taken (`gateway.port-busy`), or the recorded table is broken.
        UnavailableError: it did not come up in time.
    """
    client = GatewayClient(state_dir)
    state = client.state_dir
    state.mkdir(parents=True, exist_ok=True)
    if client.status().running:
        return client
    durable.replace_json(state / places.OPTIONS, (options or GatewayOptions()).to_dict())
    with (state / places.LOG).open("ab") as log:
        start = log.tell()
        process = subprocess.Popen(
            [
                sys.executable, "-m", "penstock.gateway",
                "--state", str(state), "--options", str(state / places.OPTIONS),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=state,
        )  # fmt: skip
    deadline = time.monotonic() + wait
    while not client.status().running:
        if process.poll() is not None:
            error = _why(state / places.LOG, start)
            if error.code != "gateway.running":
                raise error
            # Another one holds the directory: it is starting, being replaced, or stopping.
        if time.monotonic() > deadline:
            process.terminate()
            process.wait()
            raise UnavailableError(
                f"the gateway did not come up within {wait:g} s", code="gateway.not-started"
            )
        time.sleep(0.01)
    # The gateway belongs to nobody from here on; a handle that is collected must not complain.
    process.returncode = 0
    return client


def _why(log: Path, start: int) -> PenstockError:
    with log.open("rb") as file:
        file.seek(start)
        lines = file.read().decode("utf-8", "replace").splitlines()
    for line in reversed(lines):
        try:
            return _raised(json.loads(line)["error"])
        except (ValueError, KeyError, TypeError):
            continue
    return UnavailableError(
        "the gateway ended while it started",
        code="gateway.not-started",
        hint=f"its words are in {log}",
        log_tail=lines[-20:],
    )
