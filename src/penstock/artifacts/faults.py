"""The errors of this room, and the file system's refusals in words that say what to do."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Sequence

from penstock.errors import StateError, UnavailableError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the file system says when it is full, the quota is, or the limit of the process is met."""
_AGAIN = "fetch them with `penstock run --pull`, or run the stage that makes them"


@contextlib.contextmanager
def refusals(where: str) -> Iterator[None]:
    """Turn a full disk and missing rights into errors.

    Raises:
        UnavailableError: ``artifacts.disk-full``, ``artifacts.read-only``,
            ``artifacts.disk-failed``.
    """
    try:
        yield
    except OSError as error:
        place = error.filename or where
        if error.errno in NO_ROOM:
            raise UnavailableError(
                f"no room left on the disk of {where}",
                code="artifacts.disk-full",
                hint="free some space (`dvc gc -w` removes unused objects), then run again: "
                "what was stored before is unharmed",
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise UnavailableError(
                f"{place} cannot be written: {error.strerror}",
                code="artifacts.read-only",
                hint="check the owner and the mode of the directory that holds it",
            ) from error
        raise UnavailableError(
            f"{place}: {error.strerror or error}", code="artifacts.disk-failed"
        ) from error


def missing(digests: Sequence[str], path: str = "", *, store: str = "the cache") -> StateError:
    """Make the error for objects that are not in the cache, or in a remote."""
    return StateError(
        f"{_where(path)}{_count(digests)} not in {store} ({_some(digests)})",
        code="artifacts.missing",
        hint=_AGAIN,
    )


def corrupt(digests: Sequence[str], path: str = "") -> StateError:
    """Make the error for objects whose content is not what their name says."""
    return StateError(
        f"{_where(path)}{_count(digests)} damaged, and set aside ({_some(digests)})",
        code="artifacts.corrupt",
        hint=_AGAIN,
    )


def changed(path: str) -> StateError:
    """Make the error for a file that something writes to while it is being stored."""
    return StateError(
        f"{path} changed while it was being stored",
        code="artifacts.changed",
        hint="let nothing write to the outputs of a stage after it has ended",
    )


def unreadable(error: OSError, path: str) -> StateError:
    """Make the error for a file that cannot be read."""
    return StateError(
        f"{error.filename or path} cannot be read: {error.strerror}",
        code="artifacts.unreadable",
        hint="check its mode and its owner",
    )


def special(path: str) -> StateError:
    """Make the error for a socket, a pipe or a device."""
    return StateError(
        f"{path} is neither a file nor a directory",
        code="artifacts.special-file",
        hint="sockets, pipes and devices cannot be stored; put them elsewhere",
    )


def unsaved(paths: Sequence[str]) -> StateError:
    """Make the error for files that would be lost."""
    return StateError(
        f"{len(paths)} file(s) would be replaced that are not in the cache ({_some(paths)})",
        code="artifacts.unsaved",
        hint="keep them with `dvc add` or `dvc commit`, or remove them, then run again",
    )


def _where(path: str) -> str:
    return f"{path}: " if path else ""


def _count(digests: Sequence[str]) -> str:
    return "1 object is" if len(digests) == 1 else f"{len(digests)} objects are"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
