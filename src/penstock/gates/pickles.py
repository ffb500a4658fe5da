"""Pickles in any wrapping: plain, compressed, joblib, zip, PyTorch, NumPy; read, never run."""

from __future__ import annotations

import bz2
import gzip
import io
import logging
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from penstock.gates.pickle_reader import read_pickles

_PICKLED = {".pkl", ".pickle", ".joblib", ".jl", ".dill", ".cpkl"}
_MODULE = re.compile(r"[A-Za-z_][\w.]*\Z")
_LIMIT = 4 * 2**30
_LOADERS = {"importlib", "imp", "_imp", "_frozen_importlib", "zipimport", "marshal", "dill"}
_LIBRARIES = {"numpy", "pandas", "joblib", "torch", "cloudpickle", "mlflow", "shelve", "skops"}
_LOADING = {"load", "loads", "load_model", "read_pickle", "open", "hub", "import_module"}
_DEPTH = 4
_BROKEN = (
    OSError,
    EOFError,
    ValueError,
    RuntimeError,
    zlib.error,
    lzma.LZMAError,
    zipfile.BadZipFile,
)


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
    try:
        with path.open("rb") as file:
            return _scan(file, name, path.suffix.lower() in _PICKLED, _DEPTH)
    except OSError as error:
        return FileScan((_unreadable(name, str(error.strerror)),))


def dangerous(imports: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the imports that picklescan's lists, or our additions, call dangerous.

    A dotted name is walked: pickles can reach `exec` as ``codecs.builtins.exec`` of ``json``.

    >>> sorted(dangerous([("posix", "system"), ("json", "codecs.builtins.exec"), ("re", "sub")]))
    [('json', 'codecs.builtins.exec'), ('posix', 'system')]
    """
    from picklescan import scanner

    logging.getLogger("picklescan").setLevel(logging.CRITICAL)  # its findings are told by us
    wanted = {one: _ways(*one) for one in imports}
    sayable = {way for ways in wanted.values() for way in ways if "\n" not in way[0] + way[1]}
    program = b"".join(b"c%s\n%s\n0" % (m.encode(), n.encode()) for m, n in sorted(sayable))
    result = scanner.scan_pickle_bytes(io.BytesIO(program + b"N."), "imports")
    bad = {(one.module, one.name) for one in result.globals if one.safety.value == "dangerous"}
    return {
        one
        for one, ways in wanted.items()
        if not bad.isdisjoint(ways) or any(_loads_more(*way) for way in ways)
    }


def _loads_more(module: str, name: str) -> bool:
    """Tell whether an import loads other modules or other pickles, unscanned ones."""
    root = module.partition(".")[0]
    return root in _LOADERS or (root in _LIBRARIES and name in _LOADING)


def _ways(module: str, name: str) -> set[tuple[str, str]]:
    """Return the imports that an import amounts to, once its dotted name is walked."""
    parts = name.split(".")
    steps = set(pairwise(parts))
    builtins = {("builtins", part) for part in parts} if len(parts) > 1 else set()
    return {(module, name), (module, parts[0])} | steps | builtins


def _scan(file: BinaryIO, name: str, expected: bool, depth: int) -> FileScan:
    """Scan a stream; `expected` when a pickle must be in it, so that silence is suspicious."""
    head = file.read(16)
    file.seek(0)
    if depth == 0:
        return FileScan((_unreadable(name, "too many wrappings"),))
    try:
        unpacked = _unpacked(file, head)
        if unpacked is not None:
            return _scan(unpacked, name, expected, depth - 1)
        if head.startswith(b"PK\x03\x04"):
            return _scan_zip(file, name, depth)
        if head.startswith(b"\x93NUMPY"):
            return _scan_array(file, name)
    except _BROKEN as error:
        return FileScan((_unreadable(name, str(error)),))
    proto = head[:1] == b"\x80" and head[1:2] <= b"\x05"
    return _scan_pickle(file, name, expected or proto)


_OPENERS: tuple[tuple[bytes, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\x00", lzma.LZMAFile),
    (b"]\x00\x00", lzma.LZMAFile),
)


def _unpacked(file: BinaryIO, head: bytes) -> BinaryIO | None:
    """Return what is inside of a compressed stream, None when it is not compressed."""
    for magic, opener in _OPENERS:
        if head.startswith(magic):
            return io.BytesIO(_limited(opener(file).read(_LIMIT + 1)))
    if head[:1] == b"x" and len(head) > 1 and (head[0] * 256 + head[1]) % 31 == 0:
        found = zlib.decompressobj().decompress(file.read(), _LIMIT + 1)
        return io.BytesIO(_limited(found))
    return None


def _limited(data: bytes) -> bytes:
    if len(data) > _LIMIT:
        raise ValueError(f"unpacks to more than {_LIMIT / 2**30:g} GiB")
    return data


def _scan_zip(file: BinaryIO, name: str, depth: int) -> FileScan:
    found: list[Finding] = []
    pickles = 0
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            inner = f"{name}:{member.filename}"
            with archive.open(member) as stream:
                data = io.BytesIO(_limited(stream.read(_LIMIT + 1)))
            one = _scan(data, inner, Path(member.filename).suffix in _PICKLED, depth - 1)
            found += one.findings
            pickles += one.pickles
    return FileScan(tuple(found), pickles)


def _scan_array(file: BinaryIO, name: str) -> FileScan:
    import numpy as np

    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0
    if version > (1, 0):
        read = np.lib.format.read_array_header_2_0
    _, _, kind = read(file)
    return _scan_pickle(file, name, certain=True) if kind.hasobject else FileScan()


def _scan_pickle(file: BinaryIO, name: str, certain: bool) -> FileScan:
    reading = read_pickles(file)
    bad = sorted(one for one in dangerous(reading.imports) if certain or _MODULE.match(one[0]))
    found = [Finding(name, f"{m}.{n}", f"imports {m}.{n}") for m, n in bad]
    if certain and reading.error is not None and not found:
        found.append(_unreadable(name, f"the pickle cannot be read to its end: {reading.error}"))
    return FileScan(tuple(found), reading.pickles if certain else int(bool(found)))


def _unreadable(name: str, why: str) -> Finding:
    return Finding(name, "unreadable", f"cannot be scanned: {why}")
