"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from penstock.errors import UnavailableError


def replace(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file so that a crash leaves the old one or the new one.

    Args:
        path: its directory is made when missing.
        data: the whole content.
        sync: whether it must be on the disk when this returns (a cache need not).

    Raises:
        UnavailableError: ``disk.write``: disk full, read-only or not permitted.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as stream:
            stream.write(data)
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(temporary, path.stat().st_mode & 0o777)  # noqa: PTH101 - same file, two names
        temporary.replace(path)
        if sync:
            sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise cannot_write(path, error) from error


def sync_directory(path: Path) -> None:
    """Put the names of a directory on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cannot_write(path: Path, error: OSError) -> UnavailableError:
    """Return what a failed write means to a person."""
    return UnavailableError(
        f"cannot write {path}: {error.strerror or error}",
        code="disk.write",
        hint="is the disk full, or the directory read-only or owned by somebody else?",
    )


def read_cache(path: Path, version: str) -> dict[str, Any]:
    """Return what `write_cache` wrote with the same version; empty when there is nothing usable."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) and data.get("version") == version else {}


def is_plain(value: Any) -> bool:
    """Whether JSON gives a value back as it was."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(is_plain(item) for item in value)
    return value is None or isinstance(value, bool | int | float | str)


def write_cache(path: Path, version: str, data: dict[str, Any]) -> None:
    """Keep what can be worked out again; a failure to do so matters to nobody."""
    text = json.dumps({"version": version, **data}, separators=(",", ":"))
    with contextlib.suppress(UnavailableError):
        replace(path, text.encode(), sync=False)
