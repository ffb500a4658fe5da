"""The fleet: all versions that must run, moved towards the traffic table, make before break."""

from __future__ import annotations

import asyncio
from pathlib import Path

from penstock.domain.traffic import TrafficTable
from penstock.domain.version import Bundle
from penstock.gateway.group import Group
from penstock.gateway.options import GatewayOptions
from penstock.gateway.split import Split
from penstock.gateway.worker import worker_environment


class Fleet:
    """Groups of workers, and the split that their readiness allows.

    A version without a ready worker never gets traffic. A new champion takes over when it is
    ready; until then the old one answers, even if the new table does not name it any more.

    Attributes:
        table: the wanted state.
        split: the split in force.
        groups: version -> its workers.
    """

    def __init__(self, state: Path, options: GatewayOptions) -> None:
        self.table = TrafficTable()
        self.split = Split()
        self.groups: dict[str, Group] = {}
        self._state = state
        self._options = options
        self._environment = worker_environment(state, options.threads, options.memory_mb)
        self._leaving: set[asyncio.Task[None]] = set()
        self._retired: list[Group] = []
        self._successors: dict[str, Group] = {}
        self._serving: str | None = None
        """Champion of the last table whose champion was ready; stands in for one that is not."""

    def apply(self, table: TrafficTable) -> None:
        """Take a table as the wanted state; workers start and end in the background."""
        self.table = table
        for bundle in table.bundles:
            version = bundle.version
            group = self.groups.get(version)
            if group is None:
                group = self.groups[version] = self._group(bundle)
            successor = self._successors.get(version)
            if successor is not None and successor.bundle != bundle:
                self._leave(self._successors.pop(version))
                successor = None
            if group.bundle == bundle:
                group.scale(table.replicas)
                continue
            # The same version packed anew: the old workers answer until the new ones are ready.
            if successor is None:
                successor = self._successors[version] = self._group(bundle)
            successor.scale(table.replicas)
        self._changed()

    def _group(self, bundle: Bundle) -> Group:
        return Group(bundle, self._state, self._environment, self._options, self._changed)

    def ready(self) -> frozenset[str]:
        """Return versions with at least one worker that answers."""
        return frozenset(version for version, group in self.groups.items() if group.ready)

    def failed(self) -> dict[str, str]:
        """Return versions that cannot be served, with the reason."""
        groups = [*self.groups.items(), *self._successors.items()]
        return {version: one.failed for version, one in groups if one.failed and not one.ready}

    def check(self, now: float) -> None:
        """Look after time-outs; called every tenth of a second with the monotonic time."""
        for group in (*self.groups.values(), *self._successors.values(), *self._retired):
            group.check(now)

    def check_memory(self) -> None:
        """Look after the memory of workers; called every half second."""
        for group in self.groups.values():
            group.check_memory()

    async def drain(self) -> None:
        """End all workers when their requests are answered."""
        for groups in (self.groups, self._successors):
            for version in list(groups):
                self._leave(groups.pop(version))
        if self._leaving:
            await asyncio.gather(*self._leaving, return_exceptions=True)

    def _changed(self) -> None:
        """Recompute the split, then let go whoever is needed no more."""
        table = self.table
        for version, successor in list(self._successors.items()):
            if successor.ready:
                self._leave(self.groups[version])
                self.groups[version] = self._successors.pop(version)
        champion = table.champion
        if champion is None or self._is_ready(champion):
            self._serving = champion
        elif self._serving is not None:
            champion = self._serving
        # The old champion stands in for the new one, even if it is to be its challenger.
        challenger = table.challenger if table.challenger != champion else None
        able = challenger is not None and self._is_ready(challenger)
        self.split = Split(
            champion=champion if champion is not None and self._is_ready(champion) else None,
            challenger=challenger if able else None,
            weight=table.weight,
            shadow=challenger if able and table.shadow else None,
            shadow_percent=table.shadow_percent,
            salt=table.salt.encode(),
        )
        wanted = {bundle.version for bundle in table.bundles} | {champion}
        for groups in (self._successors, self.groups):
            for version in [one for one in groups if one not in wanted]:
                self._leave(groups.pop(version))

    def _is_ready(self, version: str) -> bool:
        group = self.groups.get(version)
        return group is not None and group.ready

    def _leave(self, group: Group) -> None:
        self._retired.append(group)
        task = asyncio.get_running_loop().create_task(group.drain())
        self._leaving.add(task)

        def left(done: asyncio.Task[None]) -> None:
            self._leaving.discard(done)
            self._retired.remove(group)

        task.add_done_callback(left)
