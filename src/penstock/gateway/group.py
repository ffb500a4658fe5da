"""The workers of one model version: kept at the wanted number, replaced when they die."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

from penstock.domain.version import Bundle
from penstock.gateway import places
from penstock.gateway.exchange import Exchange
from penstock.gateway.options import GatewayOptions
from penstock.gateway.refusals import overloaded, too_late, unavailable
from penstock.gateway.violations import Violations
from penstock.gateway.worker import Worker
from penstock.inference.description import Description
from penstock.logs import WARN, Log

MAX_HELD = 256 << 20
"""Most bytes of bodies in flight to one worker; while there are more, requests get 429."""
MAX_PAUSE = 30.0
"""Longest pause in seconds before a worker is started again."""
CRASHES, CRASH_WINDOW = 5, 60.0
"""So many deaths within so many seconds make a version count as failed."""


class Group:
    """All workers of one version.

    Args:
        bundle: what they run.
        state: directory of the gateway's state.
        environment: variables of their processes.
        options: of the gateway.
        changed: called when readiness or failure may have changed.

    Attributes:
        failed: why the version cannot be served, "" while it can or may.
        description: of the model, once a worker is ready.
        draining: whether no new requests are taken.
        violations: of the limits, that its workers noted.
    """

    def __init__(
        self,
        bundle: Bundle,
        state: Path,
        environment: dict[str, str],
        options: GatewayOptions,
        changed: Callable[[], None],
    ) -> None:
        self.bundle = bundle
        self.failed = ""
        self.description: Description | None = None
        self.draining = False
        self.restarts = 0
        self.violations = Violations()
        self.last_reason = ""
        self._state = state
        self._log = Log(places.log_file(state, "gateway"), "gateway")
        self._environment = environment
        self._options = options
        self._changed = changed
        self._workers: list[Worker] = []
        self._ready: list[Worker] = []
        self._leaving: list[Worker] = []
        self._wanted = 0
        self._pause = 0.0
        self._deaths: deque[float] = deque(maxlen=CRASHES)
        self._loop = asyncio.get_running_loop()
        self._starts: set[asyncio.Task[None]] = set()
        self._farewells: set[asyncio.Task[None]] = set()
        self._emptied: asyncio.Event = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether at least one worker takes requests."""
        return bool(self._ready)

    @property
    def ready_count(self) -> int:
        """How many workers take requests."""
        return len(self._ready)

    @property
    def waiting(self) -> int:
        """Requests in flight."""
        return sum(len(worker.pending) for worker in (*self._workers, *self._leaving))

    def scale(self, replicas: int) -> None:
        """Start or drain workers until there are `replicas`."""
        self._wanted = replicas
        while len(self._workers) < replicas:
            self._spawn(0.0)
        # Those that answer stay: the last one may have been ready before the first.
        by_use = sorted(self._workers, key=self._ready.__contains__, reverse=True)
        for worker in by_use[replicas:]:
            self._retire(worker)

    def send(self, exchange: Exchange) -> None:
        """Give a request to the worker with the fewest in flight, or refuse it."""
        ready = self._ready
        if not ready:
            unavailable(exchange, self.failed or "no worker is ready")
            return
        worker = ready[0]
        if len(ready) > 1:
            worker = min(ready, key=_load)
        if len(worker.pending) >= self._options.max_waiting or worker.held > MAX_HELD:
            overloaded(exchange)
            return
        worker.send(exchange)

    async def drain(self) -> None:
        """Let requests in flight finish, then end all workers."""
        self.draining = True
        self._wanted = 0
        self._ready.clear()
        for task in list(self._starts):
            task.cancel()
        for worker in list(self._workers):
            self._retire(worker)
        if self._leaving:
            try:
                async with asyncio.timeout(self._options.drain_timeout):
                    await self._emptied.wait()
            except TimeoutError:
                for worker in list(self._leaving):
                    worker.kill("it did not finish its requests in time")

    def check(self, now: float) -> None:
        """Answer requests that took too long, and replace workers that hang.

        Args:
            now: monotonic time in seconds.
        """
        timeout = self._options.timeout
        for worker in (*self._workers, *self._leaving):
            if worker.ready:
                self._expire(worker, now, timeout)
            elif self.description is None and now - worker.started > self._options.start_timeout:
                worker.kill(f"it did not load within {self._options.start_timeout:g} s")

    def check_memory(self) -> None:
        """Replace workers that hold more memory than they may."""
        limit = self._options.memory_mb
        if not limit:
            return
        for worker in list(self._workers):
            held = worker.memory() >> 20
            if held > limit:
                self._forget(worker)
                worker.kill(f"it held {held} MiB of memory, the limit is {limit} MiB")

    def _expire(self, worker: Worker, now: float, timeout: float) -> None:
        pending = worker.pending
        late = []
        for number, exchange in pending.items():
            if now - exchange.started <= timeout:
                break
            late.append(number)
        for number in late:
            exchange = pending.pop(number)
            worker.held -= len(exchange.body)
            too_late(exchange)
        if late:
            worker.settle()
        if late and now - worker.heard > timeout:
            self._forget(worker)
            worker.kill(f"it did not answer for {timeout:g} s")

    def _spawn(self, pause: float) -> None:
        worker = Worker(
            self.bundle, self._on_ready, self._on_cut, self._on_lost, self.violations.note
        )
        self._workers.append(worker)
        task = self._loop.create_task(self._start(worker, pause))
        self._starts.add(task)
        task.add_done_callback(self._starts.discard)

    async def _start(self, worker: Worker, pause: float) -> None:
        try:
            if pause:
                await asyncio.sleep(pause)
            await worker.start(self._state, self._environment)
        except asyncio.CancelledError:
            self._dropped(worker)
            raise

    def _on_ready(self, worker: Worker, described: dict[str, Any]) -> None:
        self.description = Description.from_dict(described)
        self.failed = ""
        if worker in self._workers and not self.draining:
            self._ready.append(worker)
        self._changed()

    def _on_cut(self, worker: Worker) -> None:
        self._forget(worker)
        orphans = list(worker.pending.values())
        worker.pending.clear()
        for exchange in orphans:
            self._again(exchange)
        self._changed()

    def _on_lost(self, worker: Worker, reason: str) -> None:
        was_ready = self.description is not None
        self._dropped(worker)
        if len(self._workers) < self._wanted:
            self._replace(reason, loaded=was_ready)
        self._changed()

    def _replace(self, reason: str, *, loaded: bool) -> None:
        now = monotonic()
        self._deaths.append(now)
        self.restarts += 1
        self.last_reason = reason
        self._log.write(
            f"version {self.bundle.version}: {reason}; starting another worker",
            {
                "event.action": "worker-replaced",
                "penstock.model": self.bundle.model,
                "penstock.version": self.bundle.version,
            },
            level=WARN,
        )
        if not loaded:
            self.failed = reason
        elif len(self._deaths) == CRASHES and now - self._deaths[0] < CRASH_WINDOW:
            self.failed = f"it died {CRASHES} times within {CRASH_WINDOW:g} s: {reason}"
        quick = len(self._deaths) > 1 and now - self._deaths[-2] < CRASH_WINDOW
        if not loaded or quick:
            self._pause = min(MAX_PAUSE, self._pause * 2 or 0.5)
        else:
            self._pause = 0.0
        self._spawn(self._pause)

    def _again(self, exchange: Exchange) -> None:
        """Send a dead worker's request to another worker, once."""
        if exchange.retried or not self._ready:
            unavailable(exchange, "the worker died while it answered")
            return
        exchange.retried = True
        self.send(exchange)

    def _retire(self, worker: Worker) -> None:
        """Take a worker out of service; it ends when its last request is answered."""
        self._forget(worker)
        self._workers.remove(worker)
        self._leaving.append(worker)
        task = self._loop.create_task(self._farewell(worker))
        self._farewells.add(task)
        task.add_done_callback(self._farewells.discard)

    async def _farewell(self, worker: Worker) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.drain_timeout):
                await worker.idle()
        if worker.ready and not worker.pending:
            worker.close()
        else:
            worker.kill("it was no longer wanted")
        if worker.process is None:  # it had not even begun
            self._dropped(worker)

    def _forget(self, worker: Worker) -> None:
        if worker in self._ready:
            self._ready.remove(worker)

    def _dropped(self, worker: Worker) -> None:
        for held in (self._workers, self._leaving):
            if worker in held:
                held.remove(worker)
        if not self._workers and not self._leaving:
            self._emptied.set()


def _load(worker: Worker) -> int:
    return len(worker.pending)
