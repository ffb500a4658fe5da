# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH105, PTH108, PTH116, PTH120, PTH123
"""Links: how a file of the workspace is made from an object of the cache."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Sequence

from penstock.errors import UnavailableError

_FICLONE = 0x40049409
_NOT_SUPPORTED = frozenset(
    {
        errno.EPERM,
        errno.ENOTSUP,
        errno.EXDEV,
        errno.ENOTTY,
        errno.ENOSYS,
        errno.EINVAL,
        errno.EAGAIN,
        errno.EBADF,
        errno.EMLINK,
    }
)
UMASK = os.umask(0)
os.umask(UMASK)


def temporary(directory: str) -> str:
    """Return a name for a file that is not yet whole, of the kind that DVC's gc sweeps."""
    return f"{directory}/.{os.urandom(12).hex()}.tmp"


def link(source: str, target: str, kinds: Sequence[str]) -> str:
    """Put `source` at `target` by the first kind of link that works; replaces atomically.

    Args:
        source: an object of the cache.
        target: a path of the workspace; its directory exists.
        kinds: of `reflink`, `hardlink`, `symlink`, `copy`.

    Returns:
        The kind that worked.

    Raises:
        OSError: what the file system says.
        UnavailableError: ``artifacts.no-link`` when none of the kinds works here.
    """
    for kind in kinds:
        part = temporary(os.path.dirname(target))
        try:
            _KINDS[kind](source, part)
            os.replace(part, target)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.unlink(part)
            if kind != "copy" and error.errno in _NOT_SUPPORTED:
                continue
            raise
        return kind
    raise UnavailableError(
        f"none of the cache types {', '.join(kinds)} works between {source} and {target}",
        code="artifacts.no-link",
        hint="add `copy`: dvc config cache.type " + ",".join([*kinds, "copy"]),
    )


def reflink(source: str, target: str) -> None:
    """Make a copy that shares its blocks (btrfs, xfs, bcachefs, overlay of those)."""
    with open(source, "rb") as origin, open(target, "xb") as part:
        fcntl.ioctl(part.fileno(), _FICLONE, origin.fileno())


def copy(source: str, target: str) -> None:
    """Make a copy of the bytes alone."""
    import shutil

    shutil.copyfile(source, target)


def _hardlink(source: str, target: str) -> None:
    # File systems limit the links of one inode, and data sets have many empty files.
    if os.stat(source).st_size == 0:
        with open(target, "xb"):
            return
    os.link(source, target)


_KINDS: dict[str, Callable[[str, str], None]] = {
    "reflink": reflink,
    "hardlink": _hardlink,
    "symlink": os.symlink,
    "copy": copy,
}
