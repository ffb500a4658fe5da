"""Stamps: what the file system says about a file, cheap to read and changed by every write."""

from __future__ import annotations

import os
import time
from typing import NamedTuple, Self

COARSE_CLOCK_NS = 12_000_000
"""Kernels stamp files with a clock that ticks every 1 to 10 ms."""
COARSE_FILE_SYSTEM_NS = 2_100_000_000
"""FAT and some network file systems keep whole seconds, or two."""


class Stamp(NamedTuple):
    """What identifies one state of a file.

    Attributes:
        size: bytes.
        mtime: of the content, nanoseconds since the epoch.
        inode: number of the file.
        ctime: of the inode, nanoseconds; 0 for a file with several hard links, whose ctime
            moves when another link comes or goes.
    """

    size: int
    mtime: int
    inode: int
    ctime: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """Return the stamp of a file from its `stat`."""
        ctime = status.st_ctime_ns if status.st_nlink == 1 else 0
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, ctime)

    def settled(self, now: int) -> bool:
        """Whether a write after `now` is sure to change the stamp.

        A file that was written within the last tick of the file system's clock can be written
        again without its times moving; a digest taken then must not be remembered.

        Args:
            now: nanoseconds since the epoch, taken before the content was read.
        """
        newest = max(self.mtime, self.ctime)
        whole_seconds = self.mtime % 1_000_000_000 == 0 and self.ctime % 1_000_000_000 == 0
        margin = COARSE_FILE_SYSTEM_NS if whole_seconds else COARSE_CLOCK_NS
        return newest + margin < now


def settle(stamp: Stamp) -> None:
    """Wait until a write could no longer hide behind the stamp; at most some milliseconds."""
    wait = max(stamp.mtime, stamp.ctime) + COARSE_CLOCK_NS - time.time_ns()
    if 0 < wait <= 2 * COARSE_CLOCK_NS:
        time.sleep((wait + 1_000_000) / 1e9)
