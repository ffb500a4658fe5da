# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH100, PTH118
"""The store: hash, save and restore what stages read and make."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from penstock.artifacts.dvcconfig import DvcConfig
from penstock.artifacts.index import HashIndex
from penstock.artifacts.listing import listing_bytes, parse_listing
from penstock.artifacts.objects import Objects, corrupt, full_disk, missing
from penstock.artifacts.remote import Remote
from penstock.artifacts.remotes import open_remote
from penstock.artifacts.runcache import RunCache
from penstock.artifacts.trees import Digests
from penstock.artifacts.workspace import Workspace
from penstock.domain.artifact import Artifact
from penstock.errors import StateError


class Store:
    """Bytes by digest, in DVC 3's cache layout. May be used by many threads and processes.

    Args:
        config: where the cache is and how it is linked.
        index: what was hashed before.
    """

    def __init__(self, config: DvcConfig, index: HashIndex) -> None:
        self.config = config
        self.root = config.root
        self.index = index
        self.objects = Objects(
            config.cache_dir / "files" / "md5",
            index,
            config.root / ".penstock" / "corrupt",
            shared=config.shared,
        )
        self._digests = Digests(config.root, index)
        self._workspace = Workspace(config.cache_types, self.objects, index)
        self._run_cache = RunCache(config.cache_dir / "runs")

    @classmethod
    def open(
        cls, root: Path, *, cache_dir: Path | None = None, index: HashIndex | None = None
    ) -> Self:
        """Open the store of a project.

        Args:
            root: directory that holds `.dvc` (it need not be there).
            cache_dir: overrides the configured cache, for a worktree that shares one.
            index: an index that is open already.

        Raises:
            ConfigError: from `.dvc/config`.
        """
        config = DvcConfig.load(root)
        if cache_dir is not None:
            config = config.with_cache(cache_dir)
        return cls(config, index or HashIndex.open(config.root))

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    def hash(self, path: Path, *, name: str) -> Artifact | None:
        """Return what stands at a path, by content; None when nothing does.

        Raises:
            StateError: ``artifacts.unreadable``, ``artifacts.special-file``,
                ``artifacts.changed`` when something keeps writing to it.
        """
        return self.hash_many([(name, path)])[0]

    def hash_many(self, items: Sequence[tuple[str, Path]]) -> list[Artifact | None]:
        """Return what stands at each (name, path), as of `hash`."""
        return self._digests.artifacts(items)

    def save(self, path: Path, artifact: Artifact) -> None:
        """Copy what stands at a path into the cache and link it from there.

        Objects appear whole or not at all, files before the listing that names them, so a kill
        at any moment leaves a cache in which everything that is there is right.

        Raises:
            StateError: ``artifacts.changed`` when the path no longer holds the artifact.
            UnavailableError: ``artifacts.disk-full``, ``artifacts.read-only``.
        """
        path = Path(os.path.abspath(path))
        with full_disk(os.fspath(self.config.cache_dir)):
            files = self._files_of(path, artifact)
            absent, damaged = self.objects.check(set(files.values()))
            wanted = {*absent, *damaged}
            for relative, md5 in files.items():
                if md5 in wanted:
                    self.objects.add(os.path.join(path, relative) if relative else str(path), md5)
                    wanted.discard(md5)
            if artifact.is_dir and any(self.objects.check([artifact.md5])):
                self.objects.write(artifact.md5, listing_bytes(files))
            self._workspace.relink(path, artifact, files)

    def checkout(self, artifact: Artifact, path: Path) -> None:
        """Make a path hold an artifact of the cache; files that are right stay untouched.

        Raises:
            StateError: ``artifacts.missing`` or ``artifacts.corrupt`` (set aside) before
                anything at the path was touched.
            UnavailableError: ``artifacts.disk-full``, ``artifacts.read-only``.
        """
        path = Path(os.path.abspath(path))
        files = self._listing(artifact)
        absent, damaged = self.objects.check(set(files.values()))
        if damaged:
            raise corrupt(damaged, artifact.path)
        if absent:
            raise missing(absent, artifact.path)
        present = self._digests.present(path)
        with full_disk(os.fspath(path)):
            self._workspace.make(path, artifact, files, present)

    def has(self, artifact: Artifact) -> bool:
        """Whether all bytes of an artifact are in the cache."""
        return not self.missing(artifact)

    def missing(self, artifact: Artifact) -> list[str]:
        """Return the objects of an artifact that must be fetched or made again.

        Corrupt objects are set aside and count as missing. Of a directory whose listing is
        missing, that alone is named: what it lists is not known.
        """
        try:
            files = self._listing(artifact)
        except StateError:
            return [artifact.md5]
        absent, damaged = self.objects.check(set(files.values()))
        return [*absent, *damaged]

    def run_cache_get(self, key: str) -> list[tuple[str, str]]:
        """Return (value, text) of all executions remembered under a key, newest first."""
        return self._run_cache.get(key)

    def run_cache_put(self, key: str, value: str, text: str) -> None:
        """Remember an execution: `text` is the stage's lock entry as YAML."""
        with full_disk(os.fspath(self.config.cache_dir)):
            self._run_cache.put(key, value, text)

    def remote(self, name: str | None = None) -> Remote:
        """Return a remote of `.dvc/config`, by default `core.remote`.

        Raises:
            StateError: ``artifacts.no-remote``.
            UnavailableError: ``artifacts.extra-missing`` naming the extra to install.
        """
        return open_remote(self.config, name)

    def _listing(self, artifact: Artifact) -> dict[str, str]:
        """Return md5 by relative path; of a file, {"": md5}."""
        if not artifact.is_dir:
            return {"": artifact.md5}
        return parse_listing(self.objects.read(artifact.md5), artifact.md5)

    def _files_of(self, path: Path, artifact: Artifact) -> dict[str, str]:
        """Return md5 by relative path of what stands at a path, which must be the artifact."""
        present = self._digests.present(path)
        found = present.artifact(artifact.path) if present is not None else None
        if present is None or found is None or found.md5 != artifact.md5:
            raise StateError(
                f"{path} is not what was hashed: it changed or was removed meanwhile",
                code="artifacts.changed",
                hint="let nothing write to the outputs of a stage after it has ended",
            )
        return present.files
