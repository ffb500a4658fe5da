"""Gathers the facts about stages: digests, parameters, lock entries."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.artifacts.legacy import ALGORITHM as OLD
from penstock.artifacts.stamps import Stamp
from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Dependency, Output, Stage
from penstock.pipeline import durable
from penstock.pipeline import entry as entries
from penstock.pipeline.addresses import is_url
from penstock.pipeline.decide import Facts
from penstock.pipeline.lockfile import LockFiles
from penstock.pipeline.places import look

_VERSION = "params-1"


class Observer:
    """Looks at the work tree. Digests are taken for many stages at once, then kept.

    `assumed` says what dependencies count as that are missing (see `sparse`).

    `stage` may be called from any thread; `snapshot` and `close` from the one that made it.
    """

    def __init__(self, root: Path, store: Store, locks: LockFiles) -> None:
        self.root = root
        self._store = store
        self._locks = locks
        self.digests: dict[str, Artifact | None] = {}
        self.assumed: dict[str, Artifact] = {}
        self._items: dict[str, Dependency | Output] = {}
        self._params = ParameterFiles(root)

    def snapshot(self, stages: Iterable[Stage]) -> None:
        """Take the digest of everything that the stages read and write."""
        for stage in stages:
            # What a frozen stage reads is not asked for, least of all over a network.
            deps = [dep for dep in stage.deps if not (stage.frozen and is_url(dep.full))]
            items: list[Dependency | Output] = [*deps, *stage.outs]
            self._items.update({item.full: item for item in items})
        self.look(self._items)

    def look(self, paths: Iterable[str]) -> None:
        """Take digests (again) of paths that a snapshot was taken of."""
        names = [name for name in paths if name in self._items]
        items = [self._items[name] for name in names]
        found = look(self._store, self.root, items, full=True)
        self.digests.update(zip(names, found, strict=True))

    def facts(self, stage: Stage) -> Facts:
        """Return what is known of a stage, with the digests at hand."""
        params: dict[str, dict[str, Any] | None] = {}
        missing: dict[str, list[str]] = {}
        for file in stage.params:
            values, absent = self._params.values(file.full, file.keys)
            params[file.path] = values
            if absent:
                missing[file.path] = absent
        entry = None if stage.is_data else self._locks.get(stage.lock, stage.name)
        deps = {
            dep.path: self.digests.get(dep.full) or self.assumed.get(dep.full) for dep in stage.deps
        }
        outs = {out.path: self.digests.get(out.full) for out in stage.outs}
        self._by_old_digests(stage, entry, deps, outs)
        return Facts(stage, entry, deps, params, outs, missing)

    def _by_old_digests(
        self,
        stage: Stage,
        entry: dict[str, Any] | None,
        deps: dict[str, Artifact | None],
        outs: dict[str, Artifact | None],
    ) -> None:
        """Put what DVC 2 recorded, and still is so, in its own terms."""
        for items, found, known in (
            (stage.deps, deps, entries.artifacts(entry, "deps")),
            (stage.outs, outs, entries.outputs(stage, entry)),
        ):
            for item in items:
                old, present = known.get(item.path), found[item.path]
                if old is None or old.algorithm != OLD or present is None:
                    continue
                if isinstance(item, Output) and item.cache and not self._store.has(old):
                    continue  # made, or noted, anew
                found[item.path] = self._store.as_recorded(self.root / item.full, present, old)

    def close(self) -> None:
        """Keep the parameter files for the next process."""
        self._params.close()


class ParameterFiles:
    """Values of parameter files, each read once for every state that it is in."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / ".penstock" / "cache" / "params.json"
        self._files: dict[str, list[Any]] | None = None
        self._dirty = False
        self._lock = threading.Lock()

    def values(self, file: str, keys: tuple[str, ...]) -> tuple[dict[str, Any] | None, list[str]]:
        """Return the values of `keys` (of all, for none), and the keys that are not there.

        Raises:
            ConfigError: the file cannot be read.
        """
        from penstock.pipeline.parameters import select

        with self._lock:
            whole = self._whole(file)
        if whole is None:
            return None, list(keys)
        return select(whole, keys)

    def _whole(self, file: str) -> Any:
        if self._files is None:
            self._files = durable.read_cache(self._path, _VERSION).get("files", {})
        path = os.path.join(self._root, file)  # noqa: PTH118 - hot
        now = time.time_ns()
        try:
            stamp = Stamp.of(os.stat(path))  # noqa: PTH116 - hot
        except OSError:
            return None
        known = self._files.get(file)
        if known and known[0] == list(stamp):
            return known[1]
        from penstock.pipeline.parameters import load

        value = load(Path(path), file)
        self._files[file] = [list(stamp) if stamp.settled(now) else None, value]
        self._dirty = True
        return value

    def close(self) -> None:
        """Write what is worth remembering."""
        if not self._dirty or self._files is None:
            return
        kept = {}
        for file, (stamp, value) in self._files.items():
            if stamp is not None and durable.is_plain(value):
                kept[file] = [stamp, value]
        durable.write_cache(self._path, _VERSION, {"files": kept})
        self._dirty = False
