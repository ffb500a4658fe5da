"""Hashing of files: md5 of raw bytes, as DVC 3."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

_CHUNK = 1 << 20
_LARGE = 1 << 20


def digest_file(path: str) -> str:
    """Return the md5 of a file, hex.

    Raises:
        OSError: when it cannot be read.
    """
    digest = hashlib.md5(usedforsecurity=False)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        buffer = os.read(descriptor, _CHUNK)
        while buffer:
            digest.update(buffer)
            buffer = os.read(descriptor, _CHUNK)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def digest_files(paths: Sequence[str], sizes: Sequence[int]) -> list[str]:
    """Return the md5 of each file, hex, using all cores.

    Raises:
        OSError: when one cannot be read.
    """
    if len(paths) < 2 or sum(sizes) < _LARGE:
        return [digest_file(path) for path in paths]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(digest_file, paths, chunksize=max(1, len(paths) // 64)))
