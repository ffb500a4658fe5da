# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH100, PTH116
"""The store: hash, save and restore what stages read and make."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

from penstock.artifacts.dvcconfig import DvcConfig
from penstock.artifacts.faults import changed, corrupt, missing, refusals, unsaved
from penstock.artifacts.hashing import LARGE
from penstock.artifacts.index import HashIndex
from penstock.artifacts.legacy import ALGORITHM, text_digest
from penstock.artifacts.links import Linker
from penstock.artifacts.listing import listing_bytes, listing_digest, parse_listing
from penstock.artifacts.objects import Objects
from penstock.artifacts.remote import Remote
from penstock.artifacts.runcache import RunCache
from penstock.artifacts.trees import Digests, Present
from penstock.artifacts.workspace import Workspace
from penstock.domain.artifact import Artifact
from penstock.errors import StateError

_LARGE_DIRECTORY = 1000


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
            config.cache_dir,
            index,
            config.root / ".penstock" / "corrupt",
            shared=config.shared,
        )
        self._digests = Digests(config.root, index)
        self._workspace = self._workspace_of(self.objects)
        self._run_cache = RunCache(config.cache_dir / "runs", shared=config.shared)

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

    def _workspace_of(self, objects: Objects) -> Workspace:
        linker = Linker(self.config.cache_types, self.config.root / ".penstock" / "tmp")
        return Workspace(linker, objects, shared=self.config.shared)

    @cached_property
    def old(self) -> Objects:
        """The objects of DVC 2."""
        aside = self.config.root / ".penstock" / "corrupt"
        return Objects(
            self.config.cache_dir, self.index, aside, shared=self.config.shared, old=True
        )

    def flush(self) -> None:
        """Wait until everything that was saved is on the disk and outlasts a power cut.

        A kill never needs this. One call at the end of a run is cheap; one for each object
        would cost more than the stages.
        """
        self.objects.sync()

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
        with refusals(os.fspath(self.config.cache_dir)):
            files = self._files_of(path, artifact)
            absent, damaged = self.objects.check(set(files.values()))
            self._add(path, files, {*absent, *damaged})
            if artifact.is_dir and any(self.objects.check([artifact.md5])):
                self.objects.write(artifact.md5, listing_bytes(files))
            if self._workspace.relink(path, artifact, files):
                self._digests.remember(path, files)
            self.objects.remember()

    def checkout(self, artifact: Artifact, path: Path, *, force: bool = True) -> None:
        """Make a path hold an artifact of the cache; files that are right stay untouched.

        Args:
            artifact: what to put there.
            path: where.
            force: whether files at the path that are not in the cache may be lost.

        Raises:
            StateError: ``artifacts.missing`` or ``artifacts.corrupt`` (set aside), or
                ``artifacts.unsaved`` without `force`, before anything was touched.
            UnavailableError: ``artifacts.disk-full``, ``artifacts.read-only``.
        """
        path = Path(os.path.abspath(path))
        files = self._listing(artifact)
        absent, damaged = self.objects_of(artifact).check(set(files.values()))
        if damaged:
            raise corrupt(damaged, artifact.path)
        if absent:
            raise missing(absent, artifact.path)
        present = self._digests.present(path, strict=False)
        if present is not None and not force:
            self._refuse_loss(path, present, files)
        with refusals(os.fspath(path)):
            if artifact.algorithm == ALGORITHM:
                self._workspace_of(self.old).make(path, artifact, files, present)
                return
            if self._workspace.make(path, artifact, files, present):
                self._digests.remember(path, files)
            self.objects.remember()

    def has(self, artifact: Artifact, *, quick: bool = False) -> bool:
        """Whether all bytes of an artifact are in the cache, undamaged.

        Args:
            artifact: what is asked for.
            quick: whether, of a large directory that was complete, it is enough that no object
                came or went since; 2 ms instead of 1 s for 100,000 files. What was damaged in
                place meanwhile is then found by `missing` and `checkout`.
        """
        few = (artifact.nfiles or 0) < _LARGE_DIRECTORY
        if not quick or few or artifact.algorithm == ALGORITHM:
            return not self.missing(artifact)
        outline = self.objects.outline()
        if outline is not None and self.index.is_complete(artifact.md5, outline):
            return True
        complete = not self.missing(artifact)
        if complete and outline is not None:
            self.index.put_complete(artifact.md5, outline)
        return complete

    def missing(self, artifact: Artifact) -> list[str]:
        """Return the objects of an artifact that must be fetched or made again.

        Corrupt objects are set aside and count as missing. Of a directory whose listing is
        missing, that alone is named: what it lists is not known.
        """
        try:
            files = self._listing(artifact)
        except StateError:
            return [artifact.md5]
        absent, damaged = self.objects_of(artifact).check(set(files.values()))
        return [*absent, *damaged]

    def objects_of(self, artifact: Artifact) -> Objects:
        """Return the objects that an artifact is among: those of DVC 2, or the others."""
        return self.old if artifact.algorithm == ALGORITHM else self.objects

    def as_recorded(self, path: Path, present: Artifact, recorded: Artifact) -> Artifact:
        """Return what stands at a path in the terms in which it was recorded.

        Args:
            path: where it stands.
            present: as of `hash`.
            recorded: what it should be, by the digest of DVC 2.

        Returns:
            `recorded` when its content is that, else `present`.
        """
        if present.md5 == recorded.md5 or self._old_digest(path, present) == recorded.md5:
            return recorded
        return present

    def _old_digest(self, path: Path, present: Artifact) -> str:
        """Return the digest of a path as DVC 2 took it; "" when it changes meanwhile."""
        try:
            if not present.is_dir:
                return text_digest(os.fspath(path))
            found = self._digests.present(path)
            names = found.files if found is not None else {}
            files = {name: text_digest(f"{path}/{name}") for name in names}
        except OSError:
            return ""
        return listing_digest(listing_bytes(files))

    def run_cache_get(self, key: str) -> list[tuple[str, str]]:
        """Return (value, text) of all executions remembered under a key, newest first."""
        return self._run_cache.get(key)

    def run_cache_put(self, key: str, value: str, text: str) -> None:
        """Remember an execution: `text` is the stage's lock entry as YAML."""
        with refusals(os.fspath(self.config.cache_dir)):
            self._run_cache.put(key, value, text)

    def remote(self, name: str | None = None) -> Remote:
        """Return a remote of `.dvc/config`, by default `core.remote`.

        Raises:
            StateError: ``artifacts.no-remote``.
            UnavailableError: ``artifacts.extra-missing`` naming the extra to install.
        """
        from penstock.artifacts.remotes import open_remote

        return open_remote(self.config, name)

    def _listing(self, artifact: Artifact) -> dict[str, str]:
        """Return md5 by relative path; of a file, {"": md5}."""
        if not artifact.is_dir:
            return {"": artifact.md5}
        content = self.objects_of(artifact).read(artifact.md5)
        return parse_listing(content, artifact.md5)

    def _files_of(self, path: Path, artifact: Artifact) -> dict[str, str]:
        """Return md5 by relative path of what stands at a path, which must be the artifact."""
        present = self._digests.present(path)
        found = present.artifact(artifact.path) if present is not None else None
        if present is None or found is None or found.md5 != artifact.md5:
            raise changed(os.fspath(path))
        return present.files

    def _add(self, path: Path, files: Mapping[str, str], wanted: set[str]) -> None:
        """Copy those files into the cache whose objects are wanted."""
        sources: dict[str, str] = {}
        for relative, md5 in files.items():
            if md5 in wanted:
                sources[md5] = f"{path}/{relative}" if relative else os.fspath(path)
        large = {md5: one for md5, one in sources.items() if os.stat(one).st_size >= LARGE}
        if len(large) > 1:
            from concurrent.futures import ThreadPoolExecutor

            # Copying and hashing release the interpreter, so large files go side by side;
            # small ones would only fight for it.
            with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
                for _ in pool.map(self.objects.add, large.values(), large):
                    pass
            sources = {md5: one for md5, one in sources.items() if md5 not in large}
        for md5, source in sources.items():
            self.objects.add(source, md5)

    def _refuse_loss(self, path: Path, present: Present, files: Mapping[str, str]) -> None:
        """Raise an error when files would be lost that are not in the cache."""
        losers = {
            md5: relative for relative, md5 in present.files.items() if files.get(relative) != md5
        }
        absent, damaged = self.objects.check(losers)
        if lost := [f"{path}/{losers[md5]}".rstrip("/") for md5 in (*absent, *damaged)]:
            raise unsaved(lost)
