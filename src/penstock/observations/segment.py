"""Answered requests that are not in the store yet, where SIGKILL of every process leaves them.

The gateway copies each record into a file that is mapped into its memory, before the answer goes
out. What is copied belongs to the kernel's page cache at once: no system call, no wait for a disk,
and nothing that could be killed with the process. A failure of power may take it.

A segment is a file of fixed size, ``traffic-<random>.spool``::

    8 bytes   magic, written last: without it there is nothing in the file
    frame     of the description: JSON with the segment's id, the model, features not to be kept
    frame     of a record
    ...
    zeros

and a frame is ``u32`` length of the payload, ``u32`` CRC-32 of it, the payload, and zeros up to a
multiple of 8 bytes. Length and CRC are written after the payload, so a frame that was cut short by
a kill has none, and is the end. Its blocks are allocated when it is created: a full disk is met
then, where it is an error that can be dealt with, not when memory is written.
"""

from __future__ import annotations

import json
import mmap
import os
import secrets
import struct
from binascii import crc32
from pathlib import Path
from typing import NamedTuple

import msgspec

from penstock.observations import ownership
from penstock.observations.files import LOG_SPOOL
from penstock.observations.records import Record, decode_record

_MAGIC = b"PSTRAF1\n"
_MEMORY = "/proc/"
"""How names begin of what is in the memory of a process."""
_FRAME = struct.Struct("<II")
_pack_into, _unpack_from = _FRAME.pack_into, _FRAME.unpack_from
_START = len(_MAGIC) + _FRAME.size


class Head(NamedTuple):
    """What a segment says of itself.

    Attributes:
        id: of the segment; no other has the same.
        model: name of the model that answers.
        exclude: features that must not be kept in the store.
        start: offset of the first record.
    """

    id: str
    model: str
    exclude: tuple[str, ...]
    start: int


class Segment:
    """A segment that records are appended to.

    Args:
        id: that no other segment has.
        name: that other processes open it by.
        descriptor: of the file, which holds its lock; this object closes it.
        size: of the file in bytes.
        model, exclude: as in `Head`.

    Attributes:
        end: offset after the last record; all before it is safe.
        told: offset up to which the writer was told to read.
        stored: offset up to which the store has it.
        size: in bytes.
        on_disk: whether it survives this process.
    """

    def __init__(
        self,
        id: str,
        name: str,
        descriptor: int,
        size: int,
        model: str,
        exclude: tuple[str, ...],
    ) -> None:
        self.name = name
        self.size = size
        self.on_disk = not name.startswith(_MEMORY)
        self.model = model
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, size)
        self.end = len(_MAGIC)
        about = {"id": id, "model": model, "exclude": exclude}
        self.append(json.dumps(about).encode())
        self._memory[: len(_MAGIC)] = _MAGIC
        self.start = self.told = self.stored = self.end

    @classmethod
    def create(cls, directory: Path, size: int, model: str, exclude: tuple[str, ...]) -> Segment:
        """Create one on disk.

        Raises:
            OSError: the disk refused; nothing is left behind.
        """
        id, path, descriptor = ownership.create(directory, LOG_SPOOL, ownership.SHARE)
        try:
            os.posix_fallocate(descriptor, 0, size)
            return cls(id, str(path), descriptor, size, model, exclude)
        except OSError:
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise

    @classmethod
    def in_memory(cls, size: int, model: str, exclude: tuple[str, ...]) -> Segment:
        """Create one that lives as long as this process, for when the disk refuses.

        Raises:
            OSError: there is no memory, or too many files are open.
        """
        descriptor = os.memfd_create("penstock-traffic", os.MFD_CLOEXEC)
        try:
            os.ftruncate(descriptor, size)
            name = f"{_MEMORY}{os.getpid()}/fd/{descriptor}"
            return cls(secrets.token_hex(5), name, descriptor, size, model, exclude)
        except OSError:
            os.close(descriptor)
            raise

    def append(self, payload: bytes) -> bool:
        """Append a record as `penstock.observations.records.encode_record` gives it.

        Returns:
            Whether there was room; then it survives the end of this process.
        """
        at = self.end
        begin = at + 8
        end = begin + len(payload)
        if end > self.size:
            return False
        self._memory[begin:end] = payload
        _pack_into(self._memory, at, len(payload), crc32(payload))
        self.end = (end + 7) & -8
        return True

    def count(self, start: int) -> int:
        """Return how many records there are from an offset on."""
        return len(parse(self._memory[start : self.end], start).records)

    def release(self) -> None:
        """Leave the file to whoever looks for it; nothing can be appended any more."""
        if self._descriptor >= 0:
            self._memory.close()
            os.close(self._descriptor)
            self._descriptor = -1

    def remove(self) -> None:
        """Remove the file: the store has what is in it."""
        if self.on_disk:
            Path(self.name).unlink(missing_ok=True)
        self.release()


def share(name: str) -> int | None:
    """Return a descriptor of a segment that others append to.

    Args:
        name: as in `Segment`.

    Returns:
        None when it is gone, or somebody else finishes it.

    Raises:
        OSError: it cannot be opened.
    """
    if name.startswith(_MEMORY):
        return os.open(name, os.O_RDONLY | os.O_CLOEXEC)
    return ownership.take(Path(name), ownership.SHARE)


def read_head(descriptor: int) -> Head | None:
    """Return what a segment says of itself; None when it holds nothing.

    Raises:
        ValueError: the file is no segment.
        OSError: it cannot be read.
    """
    data = os.pread(descriptor, 1 << 16, 0)
    magic = data[: len(_MAGIC)]
    if not magic.strip(b"\0"):
        return None
    if magic != _MAGIC:
        raise ValueError("this is no spool of traffic that this release knows")
    length, check = _unpack_from(data.ljust(_START, b"\0"), len(_MAGIC))
    payload = data[_START : _START + length]
    if len(payload) < length or crc32(payload) != check:
        raise ValueError("its description is damaged")
    about = json.loads(payload)
    start = (_START + length + 7) & -8
    return Head(about["id"], about["model"], tuple(about["exclude"]), start)


class Parsed(NamedTuple):
    """Records of a piece of a segment.

    Attributes:
        offsets: where each stands.
        records: themselves.
        end: offset where the complete ones end.
    """

    offsets: list[int]
    records: list[Record]
    end: int


def parse(data: bytes, at: int, *, verify: bool = True) -> Parsed:
    """Read records as far as they are complete.

    Args:
        data: bytes of a segment, from the start of a frame.
        at: their offset in it.
        verify: whether to hold the records against their CRCs.
    """
    offsets: list[int] = []
    found: list[Record] = []
    place = unknown = 0
    size = len(data)
    while place + 8 <= size:
        length, check = _unpack_from(data, place)
        begin = place + 8
        end = begin + length
        if not length or end > size:
            break
        payload = data[begin:end]
        if verify and crc32(payload) != check:
            break
        try:
            found.append(decode_record(payload))
            offsets.append(at + place)
        except (msgspec.DecodeError, UnicodeDecodeError):
            unknown += 1  # whole, but of another release: there is no use in keeping it
        place = (end + 7) & -8
    return Parsed(offsets, found, at + place)
