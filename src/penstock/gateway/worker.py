"""One worker process as the gateway sees it: a socket, and the requests that wait for answers."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, cast

from penstock import logs
from penstock.domain.threads import held
from penstock.domain.version import Bundle
from penstock.gateway import places
from penstock.gateway.exchange import JSON, TEXT, Exchange
from penstock.inference import frames

PAGE = os.sysconf("SC_PAGE_SIZE")
TAIL = 4000
"""Bytes of a worker's log that are read to say why it died."""


class Worker(asyncio.Protocol):
    """A process that runs one model version, from its start to its end.

    Args:
        bundle: what it runs.
        on_ready: called with what the worker says of its model, once.
        on_cut: called once when its socket is closed: nothing in flight will be answered.
        on_lost: called once when the worker is gone, with the reason in words.
        on_noted: called with what it noted of a request, before the answer.

    Attributes:
        pending: requests sent and not answered yet, oldest first.
        ready: whether it takes requests.
        held: bytes of the bodies of pending requests.
        heard: monotonic time of the last answer, or of the oldest request since it was idle.
    """

    def __init__(
        self,
        bundle: Bundle,
        on_ready: Callable[[Worker, dict[str, Any]], None],
        on_cut: Callable[[Worker], None],
        on_lost: Callable[[Worker, str], None],
        on_noted: Callable[[Exchange, list[Any]], None],
    ) -> None:
        self.bundle = bundle
        self.pending: dict[int, Exchange] = {}
        self.held = 0
        self.ready = False
        self.heard = 0.0
        self.started = 0.0
        self.process: subprocess.Popen[bytes] | None = None
        self.log = Path()
        self.killed_for = ""
        self._on_ready = on_ready
        self._on_cut = on_cut
        self._on_lost = on_lost
        self._on_noted = on_noted
        self._reader = frames.FrameReader()
        self._outgoing: list[tuple[int, int, bytes]] = []
        self._number = 0
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._idle: asyncio.Event | None = None
        self._lost = False

    async def start(self, state: Path, environment: dict[str, str]) -> None:
        """Start the process; `on_ready` or `on_lost` follows.

        Args:
            state: directory of the gateway's state; the worker's log goes to its ``log``.
            environment: variables of the process.
        """
        ours, theirs = socket.socketpair()
        self.started = monotonic()
        self.log = state / "log" / f"worker-{self.bundle.version}-{theirs.fileno()}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        command = [
            self.bundle.python, "-m", "penstock.serving.worker",
            "--model", self.bundle.path, "--fd", str(theirs.fileno()),
            "--name", self.bundle.model, "--version", self.bundle.version,
            *(["--manner", self.bundle.manner] if self.bundle.manner else []),
        ]  # fmt: skip
        try:
            with self.log.open("wb") as log:
                self.process = await asyncio.to_thread(
                    subprocess.Popen,
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    pass_fds=(theirs.fileno(),),
                    env={
                        **environment,
                        logs.VARIABLE: str(places.log_file(state, "worker").absolute()),
                    },
                    cwd=state,
                )
        except OSError as error:
            ours.close()
            self._gone(f"{self.bundle.python} cannot be started: {error.strerror or error}")
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        await self._loop.create_connection(lambda: self, sock=ours)

    def send(self, exchange: Exchange) -> None:
        """Queue a request; all requests of one turn of the loop go out as one message."""
        pending = self.pending
        if not pending:
            self.heard = exchange.started
        self._number = number = (self._number + 1) & 0xFFFFFFFF
        pending[number] = exchange
        self.held += len(exchange.body)
        if not self._outgoing:
            self._loop.call_soon(self._flush)
        self._outgoing.append((number, exchange.kind, exchange.body))

    def _flush(self) -> None:
        outgoing, self._outgoing = self._outgoing, []
        if outgoing and self._transport is not None:
            self._transport.write(frames.encode_requests(outgoing))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Hand answers to those who wait for them."""
        try:
            for kind, payload in self._reader.feed(data):
                if kind == frames.ANSWERS:
                    self._answers(payload)
                elif kind == frames.HELLO:
                    self._hello(json.loads(payload))
                elif kind == frames.NOTES:
                    for number, found in json.loads(payload).items():
                        noted = self.pending.get(int(number))
                        if noted is not None:
                            self._on_noted(noted, found)
        except (frames.BrokenFrameError, ValueError) as error:
            self.kill(f"it sent what is no answer: {error}")

    def _answers(self, payload: bytes) -> None:
        self.heard = monotonic()
        pending = self.pending
        for number, status, body, label, plain in frames.decode_answers(payload):
            exchange = pending.pop(number, None)
            if exchange is not None:
                self.held -= len(exchange.body)
                exchange.label = label
                exchange.finish(status, body, TEXT if plain else JSON)
        self.settle()

    def settle(self) -> None:
        """Wake whoever waits for the worker to be idle, if it is."""
        if not self.pending:
            self.held = 0
            if self._idle is not None:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until no request is in flight; meanwhile none may be sent."""
        self._idle = asyncio.Event()
        if self.pending:
            await self._idle.wait()

    def _hello(self, message: dict[str, Any]) -> None:
        if "failed" in message:
            self.killed_for = str(message["failed"])
            return
        self.ready = True
        self._on_ready(self, message["ready"])

    def connection_lost(self, _exc: Exception | None) -> None:
        """Find out why the worker went."""
        self._transport = None
        self.ready = False
        self._on_cut(self)
        self._burial = self._loop.create_task(self._bury())

    async def _bury(self) -> None:
        assert self.process is not None
        process = self.process
        try:
            code = await asyncio.to_thread(process.wait, 2.0)
        except subprocess.TimeoutExpired:
            process.kill()
            code = await asyncio.to_thread(process.wait)
        self._gone(self.killed_for or self._words(code))

    def _gone(self, reason: str) -> None:
        if not self._lost:
            self._lost = True
            self._on_lost(self, reason)

    def _words(self, code: int) -> str:
        if code == 0:
            return "it ended"
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        try:
            tail = self.log.read_bytes()[-TAIL:].decode("utf-8", "replace").strip()
        except OSError:
            tail = ""
        last = tail.splitlines()[-1] if tail else ""
        return f"its worker died ({how})" + (f": {last}" if last else "")

    def memory(self) -> int:
        """Return the bytes of memory that the process holds, 0 if it cannot be told."""
        if self.process is None:
            return 0
        try:
            text = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        except OSError:
            return 0
        return int(text.split()[1]) * PAGE

    def close(self) -> None:
        """Let the worker go: it ends when its socket closes."""
        self.ready = False
        if self._transport is not None:
            self._transport.close()

    def kill(self, reason: str) -> None:
        """End the process at once.

        Args:
            reason: why, for those who ask what became of it.
        """
        self.killed_for = self.killed_for or reason
        self.ready = False
        if self.process is not None and self.process.poll() is None:
            self.process.kill()


def worker_environment(state: Path, threads: int, memory_mb: int = 0) -> dict[str, str]:
    """Return the variables of a worker's process.

    penstock is lent to the interpreter of the bundle by a directory that holds nothing else, so
    that no other package of ours hides one of the bundle's.
    """
    import penstock

    lent = state / "lib"
    lent.mkdir(parents=True, exist_ok=True)
    link = lent / "penstock"
    target = Path(penstock.__file__).parent
    if not link.is_symlink() or link.resolve() != target:
        fresh = lent / f".penstock-{os.getpid()}"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        fresh.replace(link)
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
    }
    environment["PYTHONPATH"] = str(lent)
    environment[frames.MEMORY] = str(memory_mb)
    environment["PYTHONSAFEPATH"] = "1"
    environment["PYTHONUNBUFFERED"] = "1"
    environment["PYTHONDONTWRITEBYTECODE"] = "1"
    # Many workers on one machine each with a thread per core are slower than with one.
    return environment | held(environment, threads)
