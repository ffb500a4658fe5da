# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH101
"""Remotes over fsspec: a local path, S3, Google Cloud Storage, Azure, SSH.

Objects are at `<url>/files/md5/<2 hex>/<30 hex>`, as DVC 3 puts them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

from penstock.artifacts.faults import NO_ROOM, corrupt, missing, refusals
from penstock.artifacts.hashing import digest_file
from penstock.artifacts.legacy import ALGORITHM, is_named
from penstock.artifacts.links import discard, temporary
from penstock.artifacts.listing import parse_listing
from penstock.artifacts.objects import Objects
from penstock.artifacts.remote import ObjectStore
from penstock.domain.artifact import Artifact
from penstock.errors import PenstockError, UnavailableError

_WORTH_LISTING = 4
"""Objects to ask for in a directory of the remote, from which on it is listed instead."""


class FileSystemRemote:
    """A remote that fsspec reaches.

    Args:
        name: as in `.dvc/config`.
        filesystem: of fsspec.
        base: path of the remote within it.
        jobs: objects moved at the same time.
        renames: whether an upload appears under its name before it is whole, so that it must be
            made under another name first (object stores need not).
        old: whether this is about the objects of DVC 2, which have another layout.
    """

    def __init__(
        self,
        name: str,
        filesystem: Any,
        base: str,
        *,
        jobs: int,
        renames: bool,
        old: bool = False,
    ) -> None:
        self.name = name
        self._filesystem = filesystem
        self._base = base.rstrip("/")
        self._jobs = jobs
        self._renames = renames
        self._local = "file" in filesystem.protocol
        self._old = old

    def fetch(self, artifacts: Sequence[Artifact], store: ObjectStore) -> int:
        """See `Remote.fetch`; every object is verified before it enters the cache."""
        artifacts, old = self._mine(artifacts)
        if old:
            return self.fetch(artifacts, store) + self._twin().fetch(old, store)
        objects = self._objects(store)
        listings = [one.md5 for one in artifacts if one.is_dir]
        count = self._fetch(listings, store)
        wanted = {one.md5 for one in artifacts if not one.is_dir}
        for md5 in listings:
            wanted.update(parse_listing(objects.read(md5), md5).values())
        return count + self._fetch(sorted(wanted), store)

    def push(self, artifacts: Sequence[Artifact], store: ObjectStore) -> int:
        """See `Remote.push`; listings go last, so a listing means that all of it is there."""
        artifacts, old = self._mine(artifacts)
        if old:
            return self.push(artifacts, store) + self._twin().push(old, store)
        listings: set[str] = set()
        files: set[str] = set()
        for artifact in artifacts:
            if lacking := store.missing(artifact):
                raise missing(lacking, artifact.path)
            if artifact.is_dir:
                listings.add(artifact.md5)
                content = self._objects(store).read(artifact.md5)
                files.update(parse_listing(content, artifact.md5).values())
            else:
                files.add(artifact.md5)
        return self._push(sorted(files), store) + self._push(sorted(listings), store)

    def _mine(self, artifacts: Sequence[Artifact]) -> tuple[list[Artifact], list[Artifact]]:
        """Return the artifacts of this layout, and those of the old one."""
        if self._old:
            return list(artifacts), []
        old = [one for one in artifacts if one.algorithm == ALGORITHM]
        return [one for one in artifacts if one.algorithm != ALGORITHM], old

    def _twin(self) -> FileSystemRemote:
        """Return the same remote, for the objects of DVC 2."""
        return FileSystemRemote(
            self.name, self._filesystem, self._base, jobs=self._jobs, renames=self._renames,
            old=True,
        )  # fmt: skip

    def _objects(self, store: ObjectStore) -> Objects:
        return store.old if self._old else store.objects

    def _fetch(self, digests: Sequence[str], store: ObjectStore) -> int:
        """Bring the objects that are not in the cache."""
        absent, damaged = self._objects(store).check(digests)
        wanted = [*absent, *damaged]
        outcomes = self._each(wanted, lambda md5: self._bring(md5, store))
        if lost := [md5 for md5, came in zip(wanted, outcomes, strict=True) if not came]:
            raise missing(lost, store=f"the remote {self.name!r}")
        return len(wanted)

    def _push(self, digests: Sequence[str], store: ObjectStore) -> int:
        """Send the objects that are not in the remote."""
        there = self._listed(digests)
        wanted = [md5 for md5 in digests if md5 not in there]
        return sum(self._each(wanted, lambda md5: self._send(md5, store)))

    def _listed(self, digests: Sequence[str]) -> set[str]:
        """Return objects that the remote has, where asking for directories saves questions."""
        shelves = sorted({md5[:2] for md5 in digests})
        if len(digests) < _WORTH_LISTING * len(shelves):
            return set()
        there: set[str] = set()

        def look(shelf: str) -> bool:
            with contextlib.suppress(FileNotFoundError):
                for path in self._filesystem.ls(self._path(shelf).rstrip("/"), detail=False):
                    there.add(shelf + path.rpartition("/")[2])
            return True

        self._each(shelves, look)
        return there

    def _bring(self, md5: str, store: ObjectStore) -> bool:
        """Fetch one object; False when the remote does not have it."""
        part = self._objects(store).part()
        try:
            self._filesystem.get_file(self._path(md5), part)
            with refusals(part):
                named = is_named(part, md5) if self._old else digest_file(part) == md5[:32]
                if not named:
                    raise corrupt([md5], f"remote {self.name}")
                self._objects(store).place(part, md5)
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno in NO_ROOM:
                with refusals(part):
                    raise
            raise
        finally:
            discard(part)
        return True

    def _send(self, md5: str, store: ObjectStore) -> bool:
        """Push one object; False when the remote has it."""
        target = self._path(md5)
        if self._filesystem.exists(target):
            return False
        source = self._objects(store).path(md5)
        if not self._renames:
            self._filesystem.put_file(source, target)
            return True
        parent = target.rpartition("/")[0]
        self._filesystem.makedirs(parent, exist_ok=True)
        part = temporary(parent)
        self._filesystem.put_file(source, part)
        if self._local:
            # DVC takes an object of a local remote for whole when it is read-only.
            os.chmod(part, 0o444)
        self._filesystem.mv(part, target)
        return True

    def _path(self, md5: str) -> str:
        """Return where an object is in the remote."""
        layout = "" if self._old else "/files/md5"
        return f"{self._base}{layout}/{md5[:2]}/{md5[2:]}"

    def _each(self, digests: Sequence[str], action: Callable[[str], bool]) -> list[bool]:
        """Do something to many objects at the same time."""

        def guarded(md5: str) -> bool:
            try:
                return action(md5)
            except PenstockError:
                raise
            except Exception as error:
                # The libraries of the clouds raise whatever they like.
                raise UnavailableError(
                    f"the remote {self.name!r} failed: {error}",
                    code="artifacts.remote-failed",
                    hint="check its url and credentials in .dvc/config, then run again",
                ) from error

        if len(digests) < 2 or self._jobs < 2:
            return [guarded(md5) for md5 in digests]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(self._jobs) as pool:
            return list(pool.map(guarded, digests))


def default_jobs() -> int:
    """Return how many objects to move at the same time, as DVC does."""
    return 4 * (os.cpu_count() or 1)
