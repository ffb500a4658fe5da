# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH101, PTH102, PTH103, PTH105, PTH108, PTH112, PTH116, PTH120, PTH123
"""Links: how a file of the workspace is made from an object of the cache."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

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
_SMALL = 1 << 16
_GROUP = 0o2775
_STALE_SECONDS = 24 * 3600
UMASK = os.umask(0)
os.umask(UMASK)


def temporary(directory: str) -> str:
    """Return a name for a file that is not yet whole."""
    return f"{directory}/.{os.urandom(12).hex()}.tmp"


class Linker:
    """Puts objects at paths of the workspace, by the first kind of link that works there.

    Args:
        kinds: of `reflink`, `hardlink`, `symlink`, `copy`, in order of preference.
        scratch: directory for files that are not yet whole, so that a kill leaves nothing
            within an artifact; used where it is in the same file system.
    """

    def __init__(self, kinds: Sequence[str], scratch: Path) -> None:
        self.kinds = tuple(kinds)
        self._scratch = os.fspath(scratch)
        self._working: dict[int, tuple[str, ...]] = {}
        self._ready = False

    def link(self, source: str, target: str) -> str:
        """Put `source` at `target`; replaces atomically.

        Args:
            source: an object of the cache.
            target: a path of the workspace; its directory exists.

        Returns:
            The kind that worked.

        Raises:
            OSError: what the file system says.
            UnavailableError: ``artifacts.no-link`` when none of the kinds works here.
        """
        directory = os.path.dirname(target)
        device = os.stat(directory).st_dev
        kinds = self._working.get(device, self.kinds)
        for at, kind in enumerate(kinds):
            part = temporary(self._near(directory, device))
            try:
                _KINDS[kind](source, part)
                os.replace(part, target)
            except OSError as error:
                if kind != "copy" and error.errno in _NOT_SUPPORTED:
                    continue
                raise
            finally:
                # A hard link that replaces itself stays; so does what failed.
                discard(part)
            self._working[device] = kinds[at:]
            return kind
        raise UnavailableError(
            f"none of the cache types {', '.join(self.kinds)} works between {source} and {target}",
            code="artifacts.no-link",
            hint="add `copy`: dvc config cache.type " + ",".join([*self.kinds, "copy"]),
        )

    def best(self, device: int) -> str:
        """Return the kind that comes first among those not known to fail on a device.

        Whether blocks can be shared shows only when it is tried, for which there is reason as
        long as a real link may be what works.
        """
        if known := self._working.get(device):
            return known[0]
        return next((kind for kind in self.kinds if kind in ("hardlink", "symlink")), self.kinds[0])

    def _near(self, directory: str, device: int) -> str:
        """Return where to make a file that is to be moved to a directory."""
        if not self._ready:
            with contextlib.suppress(OSError):
                os.makedirs(self._scratch, exist_ok=True)
                sweep(self._scratch)
            self._ready = True
        with contextlib.suppress(OSError):
            if os.stat(self._scratch).st_dev == device:
                return self._scratch
        return directory


def sweep(directory: str) -> None:
    """Remove what killed processes left behind a day ago."""
    limit = time.time() - _STALE_SECONDS
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            if entry.stat(follow_symlinks=False).st_mtime < limit:
                discard(entry.path)


def make_directory(path: str, *, shared: bool) -> None:
    """Make a directory of the cache, and those above it; for the group where it is shared."""
    if not shared:
        os.makedirs(path, exist_ok=True)
    elif not os.path.isdir(path):
        make_directory(os.path.dirname(path), shared=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(path)
        with contextlib.suppress(OSError):
            os.chmod(path, _GROUP)


def discard(part: str) -> None:
    """Remove a temporary file, if it is there."""
    with contextlib.suppress(OSError):
        os.unlink(part)


def reflink(source: str, target: str) -> None:
    """Make a copy that shares its blocks (btrfs, xfs, bcachefs, overlay of those)."""
    with open(source, "rb") as origin, open(target, "xb") as part:
        fcntl.ioctl(part.fileno(), _FICLONE, origin.fileno())


def copy(source: str, target: str) -> None:
    """Make a copy of the bytes alone."""
    with open(source, "rb", buffering=0) as origin:
        content = origin.read(_SMALL)
        if len(content) < _SMALL:
            with open(target, "xb", buffering=0) as part:
                if part.write(content) == len(content):
                    return
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
