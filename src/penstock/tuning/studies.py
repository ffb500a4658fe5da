"""Studies on disk: one journal file of Optuna's, written by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from penstock.errors import PluginError, UnavailableError

FILE = "studies.log"


def optuna() -> Any:
    """Import Optuna.

    Raises:
        PluginError: ``tuning.no-optuna`` when the extra is not installed.
    """
    try:
        import optuna as library
    except ImportError:
        raise PluginError(
            "searching for parameters needs Optuna",
            code="tuning.no-optuna",
            hint="pip install 'penstock[tune]', or set `retrain.search.trials: 0`",
        ) from None
    library.logging.set_verbosity(library.logging.ERROR)
    return library


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Any]:
    """Yield Optuna's storage in a folder, held by this process alone.

    Its own lock file is not used: after a kill it would stand in the way. A last line that a kill
    or a full disk cut short is removed, since Optuna would never read past it.

    Raises:
        UnavailableError: ``tuning.busy`` when another process searches; ``tuning.disk``.
    """
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise _disk(path, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnavailableError(
                "another process searches for parameters in this project",
                code="tuning.busy",
                hint="wait for it to end",
            ) from None
        _mend(descriptor)
        yield _storage(path)
    except OSError as error:
        raise _disk(path, error) from error
    finally:
        os.close(descriptor)


def _storage(path: Path) -> Any:
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.storages.journal._file import BaseJournalFileLock

    optuna()

    class Held(BaseJournalFileLock):  # type: ignore[misc]  # optuna has no types here
        """The file is locked already."""

        def acquire(self) -> bool:
            return True

        def release(self) -> None:
            return None

    return JournalStorage(JournalFileBackend(str(path), lock_obj=Held()))


def _mend(descriptor: int) -> None:
    """Cut off a last line without its end."""
    size = os.fstat(descriptor).st_size
    end = size
    while end > 0:
        start = max(0, end - 65_536)
        found = os.pread(descriptor, end - start, start).rfind(b"\n")
        if found >= 0:
            end = start + found + 1
            break
        end = start
    if end < size:
        os.ftruncate(descriptor, end)


def _disk(path: Path, error: OSError) -> UnavailableError:
    return UnavailableError(
        f"cannot use {path}: {error.strerror or error}",
        code="tuning.disk",
        hint="is the disk full, or the directory read-only?",
    )
