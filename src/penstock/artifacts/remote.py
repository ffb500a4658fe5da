"""What a remote is: shared storage of objects that are fetched and pushed by digest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from penstock.artifacts.objects import Objects
from penstock.domain.artifact import Artifact


class ObjectStore(Protocol):
    """What a remote needs to know of the store."""

    @property
    def root(self) -> Path:
        """Directory that holds `.dvc`."""
        ...

    @property
    def objects(self) -> Objects:
        """The objects of the cache."""
        ...

    @property
    def old(self) -> Objects:
        """The objects of DVC 2."""
        ...

    def missing(self, artifact: Artifact) -> list[str]:
        """Return the objects of an artifact that are not in the cache."""
        ...


class Remote(Protocol):
    """Shared storage that objects are pushed to and fetched from.

    Implementations may be used by several threads. `fetch` and `push` may be killed at any time
    and repeated: an object appears whole or not at all. The paths of artifacts are seen from the
    project's root.
    """

    name: str

    def fetch(self, artifacts: Sequence[Artifact], store: ObjectStore) -> int:
        """Bring the objects that the store lacks; return how many came.

        Raises:
            StateError: ``artifacts.missing`` when the remote lacks them too,
                ``artifacts.corrupt`` when it holds something else under their name.
            UnavailableError: ``artifacts.remote-failed``.
        """
        ...

    def push(self, artifacts: Sequence[Artifact], store: ObjectStore) -> int:
        """Send the objects that the remote lacks; return how many went.

        Raises:
            StateError: ``artifacts.missing`` when the store lacks them.
            UnavailableError: ``artifacts.remote-failed``.
        """
        ...
