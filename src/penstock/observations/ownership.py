"""Files that belong to whoever holds their lock, so that what the killed left behind is found.

A lock ends with the process that holds it, however it ends. An owner creates a file under a name
that nobody else has and keeps it locked; a file whose lock is free has lost its owner, and whoever
gets the lock for itself finishes what the owner could not.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from pathlib import Path

OWN, SHARE = fcntl.LOCK_EX, fcntl.LOCK_SH


def path_of(directory: Path, prefix: str, id: str) -> Path:
    """Return where a file is, as long as there is something in it to be finished."""
    return directory / f"{prefix}-{id}.spool"


def left_behind(directory: Path) -> bool:
    """Tell whether there may be files to be finished; those of the living count, too."""
    return any(directory.glob("*-*.spool"))


def create(directory: Path, prefix: str, how: int) -> tuple[str, Path, int]:
    """Create and lock a file that only its user may read.

    Args:
        directory: made if missing.
        prefix: of its name; an id of 10 random hexadecimal digits and ``.spool`` follow.
        how: `OWN`, or `SHARE` to let others hold it too, who together are its owners.

    Returns:
        Its id, its path, and the descriptor that holds the lock.

    Raises:
        OSError: the disk refused.
    """
    directory.mkdir(parents=True, exist_ok=True)
    while True:
        id = secrets.token_hex(5)
        path = path_of(directory, prefix, id)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        # Whoever looks for files of the killed may just now take this one for such.
        if _locked(descriptor, how):
            return id, path, descriptor


def take(path: Path, how: int) -> int | None:
    """Lock a file that exists.

    Args:
        path: of the file.
        how: `OWN` succeeds only when nobody else holds it, `SHARE` unless somebody owns it.

    Returns:
        The descriptor that holds the lock; None when others hold the file, or it is gone.

    Raises:
        OSError: it cannot be opened.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    return descriptor if _locked(descriptor, how) else None


def _locked(descriptor: int, how: int) -> bool:
    """Lock a file, or close it if that cannot be, or if it was removed before it was locked."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    except OSError:
        os.close(descriptor)
        raise
    if os.fstat(descriptor).st_nlink:
        return True
    os.close(descriptor)
    return False
