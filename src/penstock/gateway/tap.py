"""The tap: hands answered requests to the writer of the prediction log, never waiting for it.

An answered request is in a spool before its answer goes out, where it survives this process; the
writer is told where it stands. Labels are different: whoever sent one is told that it is accepted
only once the writer has it on disk. Of what the writer has not answered for, another one is told
when it had to be started anew.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

from penstock import logs
from penstock.gateway import places
from penstock.gateway.exchange import Exchange
from penstock.gateway.options import GatewayOptions
from penstock.gateway.split import place
from penstock.gateway.spools import Spools
from penstock.observations import records
from penstock.observations.ownership import left_behind

PAUSE = 0.05
"""Seconds after which the writer is told of new records."""
PATIENCE = 15.0
"""Seconds that the writer gets to write the rest when the gateway stops."""
LABEL_PATIENCE = 10.0
"""Seconds after which a label that is not on disk yet is refused."""
MAX_BODY = 1 << 20
"""Longest body in bytes that is kept; of longer ones only the numbers are."""


Done = Callable[[str], None]
"""Is told why labels were not kept, "" when they were."""


class _Labels(NamedTuple):
    """Labels that wait to be on disk."""

    items: list[records.Feedback]
    done: Done


class Tap(asyncio.Protocol):
    """Sends records to a writer process over a socket pair.

    Args:
        options: with the settings of the log.
        state: directory of the gateway's state, for the writer's own words.

    Attributes:
        dropped: records lost because the writer was too slow, dead, or its disk full.
        written: records that the writer has put into the store.
        error: the writer's last trouble, "" for none.
    """

    def __init__(self, options: GatewayOptions, state: Path) -> None:
        self.dropped = 0
        self.written = 0
        self.error = ""
        self._options = options
        self._state = state
        self._loop = asyncio.get_running_loop()
        self._spools = Spools(Path(options.log_dir), options.log_exclude, options.log_interval)
        self._labels: deque[_Labels] = deque()
        self._told: deque[_Labels] = deque()
        self._scheduled = False
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._buffer = b""
        self._starting: asyncio.Task[None] | None = None
        self._closing = False

    def serve(self, model: str) -> None:
        """Name the model that answers from now on."""
        self._spools.serve(model)

    async def begin(self) -> None:
        """Start the writer if there is something that a killed gateway has left to it."""
        if await asyncio.to_thread(left_behind, Path(self._options.log_dir)):
            self._start_again()

    def take(self, exchange: Exchange) -> None:
        """Keep an answered request, unless sampling says no.

        When this returns it survives the end of this process, so it must precede the answer.
        """
        sample = self._options.log_sample
        if sample < 1.0 and place(exchange.id.encode(), b"log") >= sample * 100.0:
            return
        seconds, body, answer = exchange.seconds, exchange.body, exchange.answer
        record = (
            exchange.id,
            time.time() - seconds,
            exchange.version,
            exchange.role,
            exchange.status,
            seconds,
            exchange.kind,
            body if len(body) <= MAX_BODY else b"",
            answer if len(answer) <= MAX_BODY else b"",
        )
        if not self._spools.append(records.encode_record(record)):
            self.dropped += 1
        if not self._scheduled:
            self._schedule()

    def tell(self, items: list[records.Feedback], done: Done) -> None:
        """Keep what became known of earlier requests.

        Args:
            items: labels and metrics.
            done: called once, when they are on disk or cannot be kept.
        """
        one = _Labels(items, done)
        self._labels.append(one)
        self._loop.call_later(LABEL_PATIENCE, self._give_up, one)
        self._loop.call_soon(self._send_labels)

    def _give_up(self, one: _Labels) -> None:
        """Refuse labels that nobody wrote in time; they may be kept still, which does no harm."""
        for waiting in (self._labels, self._told):
            for index, told in enumerate(waiting):
                if told is one:
                    waiting[index] = _Labels(one.items, lambda _why: None)
                    one.done(self.error or "the prediction log does not answer")

    def _send_labels(self) -> None:
        if self._transport is None:
            if self._labels:
                self._start_again()
            return
        while self._labels:
            one = self._labels.popleft()
            self._told.append(one)
            self._transport.write(records.encode(records.FEEDBACK, one.items))

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_later(PAUSE, self._send)

    def _send(self) -> None:
        self._scheduled = False
        if self._transport is None:
            self._start_again()
            return
        self._send_labels()
        stretches = self._spools.untold()
        if stretches:
            self._transport.write(records.encode(records.SPOOLED, stretches))

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
            "--exclude", json.dumps(self._options.log_exclude),
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
                    env={
                        **os.environ,
                        "OMP_NUM_THREADS": "1",
                        logs.VARIABLE: str(places.log_file(self._state, "writer").absolute()),
                    },
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
        """Remember the socket; tell again what an earlier writer did not answer for."""
        self._transport = cast(asyncio.Transport, transport)
        self._labels.extendleft(reversed(self._told))
        self._told.clear()
        stretches = self._spools.unstored()
        if stretches:
            self._transport.write(records.encode(records.SPOOLED, stretches))

    def data_received(self, data: bytes) -> None:
        """Note what the writer says of its work."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            said = json.loads(line)
            for _ in range(said.get("kept", 0) + said.get("refused", 0)):
                self._told.popleft().done(said.get("error", ""))
            if "stored" in said:
                self.written += said["written"]
                self.dropped += said["dropped"] + sum(map(self._spools.lost, said["gone"]))
                self.error = said["error"] or self._spools.error
                for name, end in said["stored"]:
                    self._spools.stored(name, end)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Start another writer when there is something to write."""
        self._transport = None
        self._buffer = b""
        if self._spools.waiting or self._told or self._labels:
            self._start_again()

    async def close(self) -> None:
        """Hand everything over and wait until it is on disk."""
        self._closing = True
        if self._starting is not None:
            await asyncio.wait([self._starting])
        if self._transport is None and (self._spools.waiting or self._labels):
            await self._start()
        self._send()
        await self._spools.release()
        if self._transport is not None:
            self._transport.close()
        if self._process is not None:
            try:
                await asyncio.to_thread(self._process.wait, PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
