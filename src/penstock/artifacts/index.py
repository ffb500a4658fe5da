"""The index of digests: what was hashed, and the stamp that it had then.

One SQLite database below `.penstock`. It can be deleted at any time: it only saves work. Files
are remembered one by one; a directory is one row with the signature of all its stamps (so that
"nothing changed" is one look-up) and a packed listing (so that "some changed" hashes only those).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from penstock.artifacts.home import own_directory
from penstock.artifacts.stamps import Stamp

_VERSION = 2
_CHUNK = 100
_FILES = "SELECT path, size, mtime, inode, ctime, md5 FROM files WHERE path IN ({})"
_OBJECTS = "SELECT md5, size, mtime, inode, ctime FROM objects WHERE md5 IN ({})"
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS files (
  path TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, inode INTEGER, ctime INTEGER, md5 BLOB
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS objects (
  md5 TEXT PRIMARY KEY, size INTEGER, mtime INTEGER, inode INTEGER, ctime INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS trees (
  path TEXT PRIMARY KEY, signature BLOB, digest TEXT, size INTEGER, nfiles INTEGER
);
CREATE TABLE IF NOT EXISTS complete (digest TEXT PRIMARY KEY, cache BLOB);
CREATE TABLE IF NOT EXISTS listings (path TEXT PRIMARY KEY, stamps BLOB, names BLOB, md5 BLOB);
PRAGMA user_version = {_VERSION};
COMMIT;
"""


Key = str | bytes


@dataclass(frozen=True, slots=True)
class TreeRow:
    """What is remembered of a directory.

    Attributes:
        signature: over the stamps of all its files; b"" when some could still change unseen.
        digest: of its listing, with the suffix ``.dir``.
        size: bytes of all files.
        nfiles: number of files.
    """

    signature: bytes
    digest: str
    size: int
    nfiles: int


class HashIndex:
    """Digests by path and stamp. One object may be used by many threads and processes.

    Args:
        path: of the database; its directory is made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection = _connect(path)

    @classmethod
    def open(cls, root: Path) -> Self:
        """Open the index of a project."""
        with contextlib.suppress(OSError):  # what cannot be written is told by the database
            own_directory(root)
        return cls(root / ".penstock" / "index.db")

    def checkpoint(self) -> None:
        """Put what was remembered on the disk; `close` has little to wait for then."""
        with self._guarded():
            self._connection.execute("PRAGMA wal_checkpoint")

    def close(self) -> None:
        """Close the database, once no thread is at it."""
        with self._lock:
            self._connection.close()

    def files(self, wanted: Sequence[tuple[str, Stamp]]) -> list[str | None]:
        """Return the md5 of each file, or None where it was not hashed in this state."""
        rows: dict[Key, tuple[Any, ...]] = {}
        with self._guarded():
            for chunk in _chunks([_key(path) for path, _ in wanted]):
                for row in self._connection.execute(_FILES.format(_marks(chunk)), chunk):
                    rows[row[0]] = row
        found: list[str | None] = []
        for path, stamp in wanted:
            known = rows.get(_key(path))
            found.append(known[5].hex() if known is not None and known[1:5] == stamp else None)
        return found

    def put_files(self, rows: Iterable[tuple[str, Stamp, str]]) -> None:
        """Remember the md5 of files."""
        with self._guarded(), self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO files VALUES (?,?,?,?,?,?)",
                ((_key(path), *stamp, bytes.fromhex(md5)) for path, stamp, md5 in rows),
            )

    def objects(self, wanted: Sequence[tuple[str, Stamp]]) -> list[bool]:
        """Return, for each object of the cache, whether it was verified in this state."""
        rows: dict[str, tuple[int, ...]] = {}
        with self._guarded():
            for chunk in _chunks([md5 for md5, _ in wanted]):
                for md5, *stamp in self._connection.execute(_OBJECTS.format(_marks(chunk)), chunk):
                    rows[md5] = tuple(stamp)
        return [rows.get(md5) == stamp for md5, stamp in wanted]

    def put_objects(self, rows: Iterable[tuple[str, Stamp]]) -> None:
        """Remember that objects were verified."""
        with self._guarded(), self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO objects VALUES (?,?,?,?,?)",
                ((md5, *stamp) for md5, stamp in rows),
            )

    def is_complete(self, digest: str, cache: bytes) -> bool:
        """Whether all objects of a directory were seen in a cache that looks the same now."""
        row = None
        with self._guarded():
            row = self._connection.execute(
                "SELECT cache FROM complete WHERE digest = ?", (digest,)
            ).fetchone()
        return row is not None and row[0] == cache

    def put_complete(self, digest: str, cache: bytes) -> None:
        """Remember that all objects of a directory were seen; `cache` is how it looked."""
        with self._guarded(), self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO complete VALUES (?,?)", (digest, cache)
            )

    def tree(self, path: str) -> TreeRow | None:
        """Return what is remembered of a directory."""
        row = None
        with self._guarded():
            row = self._connection.execute(
                "SELECT signature, digest, size, nfiles FROM trees WHERE path = ?", (_key(path),)
            ).fetchone()
        return TreeRow(*row) if row is not None else None

    def listing(self, path: str) -> dict[str, tuple[bytes, str]]:
        """Return (packed stamp, md5) by relative path, of a directory hashed before."""
        row = None
        with self._guarded():
            row = self._connection.execute(
                "SELECT stamps, names, md5 FROM listings WHERE path = ?", (_key(path),)
            ).fetchone()
        if row is None:
            return {}
        stamps, names, digests = row[0], os.fsdecode(row[1]).split("\0"), row[2].hex()
        return {
            name: (stamps[at * 32 : at * 32 + 32], digests[at * 32 : at * 32 + 32])
            for at, name in enumerate(names)
        }

    def put_tree(self, path: str, row: TreeRow, listing: Mapping[str, str], stamps: bytes) -> None:
        """Remember a directory.

        Args:
            listing: md5 by relative path.
            stamps: 32 bytes for each entry of `listing`, in its order.
        """
        names = os.fsencode("\0".join(listing))
        digests = bytes.fromhex("".join(listing.values()))
        with self._guarded(), self._connection:
            self._connection.execute(
                "INSERT OR REPLACE INTO trees VALUES (?,?,?,?,?)",
                (_key(path), row.signature, row.digest, row.size, row.nfiles),
            )
            self._connection.execute(
                "INSERT OR REPLACE INTO listings VALUES (?,?,?,?)",
                (_key(path), stamps, names, digests),
            )

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """One thread at a time; a damaged or locked database costs time, never an error."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            yield


def _key(path: str) -> Key:
    """Return what stands for a path; names need not be text, and SQLite takes text only."""
    return path if path.isascii() else os.fsencode(path)


def _chunks(keys: Sequence[Key]) -> Iterator[list[Key]]:
    """Cut keys into pieces of a few sizes, so that statements are prepared once."""
    at = 0
    while at < len(keys):
        length = _CHUNK if len(keys) - at >= _CHUNK else 1
        yield list(keys[at : at + length])
        at += length


def _marks(chunk: Sequence[Key]) -> str:
    return ",".join("?" * len(chunk))


def _connect(path: Path) -> sqlite3.Connection:
    """Open the database; make it again when it is damaged or of another version."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=10.0, check_same_thread=False)
        try:
            return _prepare(connection)
        except sqlite3.OperationalError:
            raise  # busy or not writable: somebody's good database is not thrown away
        except sqlite3.DatabaseError:
            connection.close()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
            return _prepare(sqlite3.connect(path, timeout=10.0, check_same_thread=False))
    except (OSError, sqlite3.Error):
        # A read-only project or a full disk: remember for this process alone.
        return _prepare(sqlite3.connect(":memory:", check_same_thread=False))


def _prepare(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Set the pragmas and make the tables."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, _VERSION):
        raise sqlite3.DatabaseError("another version")
    if version == 0:
        connection.execute("PRAGMA synchronous=OFF")  # nothing is in it yet that could be lost
    # WAL with NORMAL never waits for the disk at a commit; after a power cut the last rows may
    # be missing, which costs hashing again and nothing else.
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    if version == 0:
        connection.executescript(_SCHEMA)
    return connection
