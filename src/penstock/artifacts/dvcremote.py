# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH120
"""Remotes of the kinds that only DVC knows: the user's own `dvc` moves the objects."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from penstock.artifacts.dvclock import released
from penstock.artifacts.faults import missing
from penstock.artifacts.remote import ObjectStore
from penstock.domain.artifact import Artifact
from penstock.errors import UnavailableError

_ONE_AT_A_TIME = threading.Lock()
"""DVC gives up after three seconds when another DVC is at work."""
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
        lacking = [artifact for artifact in artifacts if store.missing(artifact)]
        wanted = {md5 for artifact in lacking for md5 in store.missing(artifact)}
        if not wanted:
            return 0
        self._run("fetch", lacking, store)
        if lost := [md5 for artifact in artifacts for md5 in store.missing(artifact)]:
            raise missing(lost, store=f"the remote {self.name!r}")
        return len(wanted)

    def push(self, artifacts: Sequence[Artifact], store: ObjectStore) -> int:
        """See `Remote.push`; how many objects went is not known, so artifacts are counted."""
        for artifact in artifacts:
            if lacking := store.missing(artifact):
                raise missing(lacking, artifact.path)
        if artifacts:
            self._run("push", artifacts, store)
        return len(artifacts)

    def _run(self, verb: str, artifacts: Sequence[Artifact], store: ObjectStore) -> None:
        """Let DVC move what it knows by the names of these outputs, and nothing else."""
        targets = sorted({artifact.path for artifact in artifacts})
        run_dvc(
            [verb, "--remote", self.name, "--", *targets],
            store.root,
            f"the remote {self.name!r}",
            self._kind,
        )


def run_dvc(arguments: Sequence[str], root: Path, what: str, kind: str = "") -> None:
    """Run the user's `dvc`.

    Args:
        arguments: of the command.
        root: of the project.
        what: needs it, for messages.
        kind: of storage, where the command needs an extra for it.

    Raises:
        UnavailableError: ``artifacts.dvc-missing``, ``artifacts.remote-failed``.
    """
    import shutil
    import subprocess

    program = shutil.which("dvc") or shutil.which("dvc", path=os.path.dirname(sys.executable))
    if program is None:
        extra = f"[{_EXTRAS.get(kind, kind)}]" if kind else ""
        of_kind = f" is of the kind {kind}, which" if kind else ""
        raise UnavailableError(
            f"{what}{of_kind} needs `dvc`",
            code="artifacts.dvc-missing",
            hint=f"install it: pip install {'dvc' + extra!r}",
        )
    with released(), _ONE_AT_A_TIME:
        done = subprocess.run(
            [program, *arguments],
            cwd=root,
            env={**os.environ, "DVC_NO_ANALYTICS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode:
        lines = done.stdout.decode(errors="replace").strip().splitlines()
        raise UnavailableError(
            f"`dvc {arguments[0]}` failed with exit code {done.returncode}",
            code="artifacts.remote-failed",
            hint=f"run `dvc {' '.join(arguments)}` to see why",
            log_tail=lines[-20:],
        )
