"""One process at a time moves the retrainings of a project forward."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator

from penstock.assembly import STATE, Project
from penstock.errors import UnavailableError


@contextlib.contextmanager
def held(project: Project, tell: Callable[[str], None], *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a project's retrainings: one process drives, others wait.

    Raises:
        UnavailableError: ``retrain.busy`` when another process has it and `wait` is False.
    """
    path = project.root / STATE / "retraining.lock"
    path.parent.mkdir(exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait:
                raise UnavailableError(
                    "another process retrains this project",
                    code="retrain.busy",
                    hint="wait for it: `penstock retrain --history` shows it",
                ) from None
            tell("waiting for another process that retrains this project")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
