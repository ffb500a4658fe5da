# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH120
"""Remotes of the kinds that only DVC knows: the user's own `dvc` moves the objects."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from penstock.artifacts.faults import missing
from penstock.artifacts.remote import ObjectStore
from penstock.domain.artifact import Artifact
from penstock.errors import UnavailableError

_EXTRAS = {"webdavs": "webdav", "https": "http", "webhdfs": "hdfs", "local": "http"}


class DvcRemote:
    """A remote that is reached by running `dvc fetch` and `dvc push`.

    Args:
        name: as in `.dvc/config`.
        kind: of its URL, for messages.
    """

    def __init__(self, name: str, kind: str) -> None:
        self.name = name
        self._kind = kind

    def fetch(self, artifacts: Sequence[Artifact], store: ObjectStore) -> int:
        """See `Remote.fetch`."""
        wanted = {md5 for artifact in artifacts for md5 in store.missing(artifact)}
        if not wanted:
            return 0
        self._run("fetch", store)
        if lost := [md5 for artifact in artifacts for md5 in store.missing(artifact)]:
            raise missing(lost, store=f"the remote {self.name!r}")
        return len(wanted)

    def push(self, artifacts: Sequence[Artifact], store: ObjectStore) -> int:
        """See `Remote.push`; how many objects went is not known, so artifacts are counted."""
        for artifact in artifacts:
            if lacking := store.missing(artifact):
                raise missing(lacking, artifact.path)
        if artifacts:
            self._run("push", store)
        return len(artifacts)

    def _run(self, verb: str, store: ObjectStore) -> None:
        """Run `dvc`."""
        import shutil
        import subprocess

        program = shutil.which("dvc") or shutil.which("dvc", path=os.path.dirname(sys.executable))
        if program is None:
            raise UnavailableError(
                f"the remote {self.name!r} is of the kind {self._kind}, which needs `dvc`",
                code="artifacts.dvc-missing",
                hint="install it: pip install "
                + repr(f"dvc[{_EXTRAS.get(self._kind, self._kind)}]"),
            )
        done = subprocess.run(
            [program, verb, "--remote", self.name],
            cwd=store.root,
            env={**os.environ, "DVC_NO_ANALYTICS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            lines = done.stdout.decode(errors="replace").strip().splitlines()
            raise UnavailableError(
                f"`dvc {verb}` failed with exit code {done.returncode}",
                code="artifacts.remote-failed",
                hint=f"run `dvc {verb} --remote {self.name}` to see why",
                log_tail=lines[-20:],
            )
