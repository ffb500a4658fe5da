"""The tap: hands answered requests to the writer of the prediction log, never waiting for it."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

from penstock.gateway.exchange import Exchange
from penstock.gateway.options import GatewayOptions
from penstock.gateway.split import place
from penstock.observations import records

PAUSE = 0.05
"""Seconds for which records are gathered before they are sent."""
PATIENCE = 15.0
"""Seconds that the writer gets to write the rest when the gateway stops."""
MAX_BUFFER = 32 << 20
"""Bytes that may wait for the writer; more is dropped and counted."""
MAX_BODY = 1 << 20
"""Longest body in bytes that is kept; of longer ones only the numbers are."""


class Tap(asyncio.Protocol):
    """Sends records to a writer process over a socket pair.

    Args:
        options: with the settings of the log.
        state: directory of the gateway's state, for the writer's own words.

    Attributes:
        dropped: records lost because the writer was too slow, dead, or its disk full.
        written: records that the writer has put on disk.
        error: the writer's last trouble, "" for none.
    """

    def __init__(self, options: GatewayOptions, state: Path) -> None:
        self.dropped = 0
        self.written = 0
        self.error = ""
        self.model = ""
        self._options = options
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._gathered: list[records.Record] = []
        self._feedback: list[records.Feedback] = []
        self._scheduled = False
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._starting: asyncio.Task[None] | None = None
        self._closing = False

    def take(self, exchange: Exchange) -> None:
        """Keep an answered request, unless sampling says no."""
        sample = self._options.log_sample
        if sample < 1.0 and place(exchange.id.encode(), b"log") >= sample * 100.0:
            return
        body = exchange.body if len(exchange.body) <= MAX_BODY else b""
        self._gathered.append(
            records.Record(
                exchange.id,
                time.time() - exchange.seconds,
                exchange.version,
                exchange.role,
                exchange.status,
                exchange.seconds,
                exchange.kind,
                body,
                exchange.answer if len(exchange.answer) <= MAX_BODY else b"",
            )
        )
        self._schedule()

    def tell(self, items: list[records.Feedback]) -> None:
        """Keep what became known of earlier requests."""
        self._feedback += items
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_later(PAUSE, self._send)

    def _send(self) -> None:
        self._scheduled = False
        gathered, self._gathered = self._gathered, []
        feedback, self._feedback = self._feedback, []
        transport = self._transport
        if transport is None:
            self._gathered = gathered[-20_000:]
            self._feedback = feedback[-20_000:]
            self.dropped += len(gathered) - len(self._gathered)
            self._start_again()
            return
        if feedback:
            transport.write(records.encode(records.FEEDBACK, feedback))
        if not gathered:
            return
        if transport.get_write_buffer_size() > MAX_BUFFER:
            self.dropped += len(gathered)
            return
        transport.write(records.encode(records.TRAFFIC, gathered))

    def _start_again(self) -> None:
        if self._closing or (self._starting is not None and not self._starting.done()):
            return
        self._starting = self._loop.create_task(self._start())

    async def _start(self) -> None:
        """Start the writer; called when there is something to write and nobody to write it."""
        if self._process is not None:
            await asyncio.to_thread(self._process.wait)
            await asyncio.sleep(1.0)
        ours, theirs = socket.socketpair()
        command = [
            sys.executable, "-m", "penstock.observations.writer",
            "--dir", self._options.log_dir, "--fd", str(theirs.fileno()),
            "--model", self.model, "--exclude", json.dumps(self._options.log_exclude),
            "--interval", str(self._options.log_interval), "--keep", str(self._options.log_keep),
        ]  # fmt: skip
        try:
            with (self._state / "log-writer.log").open("ab") as log:
                self._process = await asyncio.to_thread(
                    subprocess.Popen,
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    pass_fds=(theirs.fileno(),),
                    env={**os.environ, "OMP_NUM_THREADS": "1"},
                )
        except OSError as error:
            ours.close()
            self.error = f"the writer cannot be started: {error}"
            return
        finally:
            theirs.close()
        ours.setblocking(False)
        await self._loop.create_connection(lambda: self, sock=ours)
        self._schedule()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the socket."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Note what the writer says of its work."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            self.written += said["written"]
            self.dropped += said["dropped"]
            self.error = said["error"]

    def connection_lost(self, _exc: Exception | None) -> None:
        """Start another writer when there is something to write."""
        self._transport = None

    async def close(self) -> None:
        """Hand everything over and wait until it is on disk."""
        self._closing = True
        if self._starting is not None:
            await asyncio.wait([self._starting])
        if self._transport is None and (self._gathered or self._feedback):
            await self._start()
        self._send()
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            try:
                await asyncio.to_thread(self._process.wait, PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
