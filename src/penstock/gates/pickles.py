"""Pickles in any wrapping: plain, compressed, joblib, zip, PyTorch, NumPy; read, never run."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import lzma
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_PROBE = 16
_LIMIT = 8 * 2**30


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a file would do.

    Attributes:
        file: within the model.
        what: the import, such as ``posix.system``, or a short name of the trouble.
        words: what is bad about it.
        danger: whether it fails the scan; otherwise it is only told.
        line: in source code.
    """

    file: str
    what: str
    words: str
    danger: bool = True
    line: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class FileScan:
    """What was found in one file, and how many pickles it holds."""

    findings: tuple[Finding, ...] = ()
    pickles: int = 0


def scan_file(path: Path, name: str) -> FileScan:
    """Scan one file for pickles, whatever its name says it is."""
    from picklescan import scanner

    logging.getLogger("picklescan").setLevel(logging.CRITICAL)  # its findings are told by us
    try:
        with path.open("rb") as file:
            stream = _unwrapped(file)
            if stream is None:
                return FileScan()
            result = scanner.scan_bytes(stream, name, path.suffix.lower())
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        return FileScan((Finding(name, "unreadable", f"cannot be read: {error}"),), 1)
    return _findings(result, name)


def _unwrapped(file: Any) -> Any:
    """Return the stream of what is in the file, decompressed; None when it holds no pickle."""
    head = file.read(_PROBE)
    file.seek(0)
    for magic, opener in _COMPRESSED:
        if head.startswith(magic):
            return _unwrapped(io.BytesIO(opener(file).read(_LIMIT)))
    if head[:1] == b"x" and len(head) > 1 and (head[0] * 256 + head[1]) % 31 == 0:
        return _unwrapped(io.BytesIO(zlib.decompress(file.read())))
    if head.startswith((b"PK\x03\x04", b"\x93NUMPY")) or _looks_pickled(head):
        return file
    return None


_COMPRESSED = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
)


def _looks_pickled(head: bytes) -> bool:
    return head[:1] == b"\x80" and head[1:2] in {bytes([k]) for k in range(6)}


def _findings(result: Any, name: str) -> FileScan:
    found = [
        Finding(name, f"{one.module}.{one.name}", f"imports {one.module}.{one.name}")
        for one in result.globals
        if one.safety.value == "dangerous"
    ]
    return FileScan(tuple(sorted(found, key=lambda one: one.what)), result.scanned_files)
