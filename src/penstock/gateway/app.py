"""The gateway process: listens, supervises workers, takes orders on its control socket."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import secrets
import signal
import socket
import time
from pathlib import Path
from typing import Any

from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.errors import StateError
from penstock.gateway import durable, places
from penstock.gateway.control import LIMIT, Control
from penstock.gateway.fleet import Fleet
from penstock.gateway.http import Connection
from penstock.gateway.options import GatewayOptions
from penstock.gateway.plane import Plane
from penstock.gateway.routes import Routes
from penstock.gateway.sticky import Sticky
from penstock.gateway.tap import Tap
from penstock.gateway.watching import Account, BreakerWatch
from penstock.logs import Log

TICK = 0.1
"""Seconds between two looks at time-outs."""


class App:
    """One gateway.

    Args:
        state: directory of its state; one gateway at a time.
        options: how it serves.
    """

    def __init__(self, state: Path, options: GatewayOptions) -> None:
        self.state = state
        self.options = options
        self.url = ""
        self._log = Log(places.log_file(state, "gateway"), "gateway")
        self._stopping = asyncio.Event()
        self._fleet = Fleet(state, options)
        self._tap = Tap(options, state) if options.log_dir else None
        self._plane = Plane(self._fleet, options, secrets.token_hex(8), self._tap)
        self._routes = Routes(self._plane)
        guarded = options.breaker_share > 0
        self._breaker = BreakerWatch(self._plane, options, self._log) if guarded else None
        self._account = Account(self._plane, self._log, time.monotonic())
        self._applying = asyncio.Lock()
        self._generation = -1
        self._rpc: Any = None
        self._rpc_address = ""

    async def run(self, listener: socket.socket) -> None:
        """Serve on `listener` until told to stop."""
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self._stopping.set)
        host, port = listener.getsockname()[:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        table = durable.read_table(self.state)
        if self.options.grpc_port is not None:
            # Before any worker is started, because the port may be taken.
            from penstock.gateway.rpc import listen

            self._rpc, self._rpc_address = await listen(self._plane, self._routes, self.options)
        self._take(table)
        server = await loop.create_server(lambda: Connection(self._plane), sock=listener)
        control = Control({"status": self._status, "apply": self._apply, "stop": self._stop})
        orders = await asyncio.start_unix_server(
            control.serve, sock=places.listen(self.state / places.SOCKET), limit=LIMIT
        )
        if self._tap is not None:
            await self._tap.begin()
        self._record()
        self._log.write(f"answers at {self.url}", {"event.action": "gateway-started"})
        gc.freeze()  # modules need not be looked through for garbage while requests wait
        ticking = loop.create_task(self._tick())
        await self._stopping.wait()
        orders.close()
        (self.state / places.SOCKET).unlink(missing_ok=True)
        await asyncio.sleep(0)  # whoever has connected is still taken
        # The guard holds the same socket: without this the kernel would go on to take connections
        # that nobody answers.
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        server.close()
        await self._farewell()
        ticking.cancel()
        self._log.write("ended", {"event.action": "gateway-stopped"})

    async def _farewell(self) -> None:
        """Finish what is in flight, close connections properly, end the workers."""
        for connection in list(self._plane.connections):
            connection.close_when_done()
        if self._rpc is not None:
            await self._rpc.stop(self.options.drain_timeout)
        await self._fleet.drain()
        self._account.tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await self._plane.emptied()
        if self._tap is not None:
            await self._tap.close()
        (self.state / places.RECORD).unlink(missing_ok=True)

    async def _tick(self) -> None:
        last = 0.0
        while True:
            await asyncio.sleep(TICK)
            now = time.monotonic()
            self._fleet.check(now)
            if self._breaker is not None:
                self._breaker.look(now)
            self._account.look(now)
            if now - last >= 0.5:
                last = now
                self._fleet.check_memory()
                for one in list(self._plane.connections):
                    one.timed_out(now, self.options.read_timeout, self.options.idle_timeout)

    def _take(self, table: TrafficTable) -> None:
        self._generation = -1 if table == TrafficTable() else table.generation
        self._plane.sticky = Sticky(table.sticky)
        self._fleet.apply(table)
        self._plane.took_table()
        if self._tap is not None:
            self._tap.serve(self._plane.model())

    async def _apply(self, item: dict[str, Any]) -> dict[str, Any]:
        table = TrafficTable.from_dict(item["table"])
        async with self._applying:
            standing = self._fleet.table
            pristine = standing == TrafficTable()
            if table.generation < standing.generation:
                raise StateError(
                    f"traffic table {table.generation} is older than the one in force,"
                    f" {standing.generation}",
                    code="gateway.older-table",
                )
            if table.generation == standing.generation and table != standing and not pristine:
                raise StateError(
                    f"traffic table {table.generation} is in force with other contents",
                    code="gateway.other-table",
                    hint="a changed table needs a higher generation",
                )
            if table != standing:
                await asyncio.to_thread(durable.write_table, self.state, table)
                self._take(table)
                await asyncio.to_thread(self._log_table, table)
        return {"ok": True}

    def _log_table(self, table: TrafficTable) -> None:
        shares = f"version {table.champion} is champion"
        if table.challenger is not None:
            shares += f", version {table.challenger} challenger with {table.weight:g} %"
        self._log.write(
            f"traffic table {table.generation} is in force: {shares}",
            {
                "event.action": "traffic-changed",
                "penstock.model": self._plane.model(),
                "penstock.version": table.champion,
                "penstock.generation": table.generation,
            },
        )

    async def _status(self, _item: dict[str, Any]) -> dict[str, Any]:
        status = TargetStatus(
            running=True,
            generation=self._generation,
            ready=self._fleet.ready(),
            failed=self._fleet.failed(),
            counters=self._plane.book.counters(),
            url=self.url,
        )
        return {"status": status.to_dict()}

    async def _stop(self, _item: dict[str, Any]) -> dict[str, Any]:
        self._stopping.set()
        return {"ok": True}

    def _record(self) -> None:
        item = {"pid": os.getpid(), "url": self.url, "start": time.time()}
        if self._rpc_address:
            item["grpc"] = self._rpc_address
        durable.replace_json(self.state / places.RECORD, item)


def _allow_connections() -> None:
    """Raise the limit of open files as far as this user may: each connection is one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1 << 16 if hard == resource.RLIM_INFINITY else min(hard, 1 << 16)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(state: Path, options: GatewayOptions, listener: socket.socket) -> None:
    """Run a gateway on a listening socket until it is told to stop.

    Raises:
        StateError: the recorded table is broken.
    """
    import uvloop

    _allow_connections()

    async def live() -> None:
        await App(state, options).run(listener)

    uvloop.run(live())
