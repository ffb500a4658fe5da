"""dvc.lock: what every stage read and wrote when it last succeeded.

DVC reads and rewrites the whole file after each stage, which is quadratic. Here a finished stage
is one line appended to ``.penstock/lock.pending`` and synced to the disk; the lines are folded
into the lock files at the end of the run, or by the next process after a crash. Entries that did
not change keep their bytes; a file with comments is edited by ruamel.yaml, as DVC edits it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from penstock.artifacts.stamps import Stamp, settle
from penstock.errors import ConfigError, Span
from penstock.pipeline import durable

Entry = dict[str, Any]
"""One stage's ``cmd``, ``deps``, ``params`` and ``outs``."""

_CACHE_VERSION = "lock-1"
_SYNC_EVERY = 0.02  # seconds
_HEAD = "schema: '2.0'\nstages:\n"
_STAGE_LINE = re.compile(r"^  [^\s#].*:$", re.MULTILINE)


class LockFiles:
    """All lock files of a project, with the stages that finished since they were written.

    Reading needs no lock: a lock file is replaced as a whole, and a torn last line of the pending
    file is not yet true. Writing is for the holder of the project's guard.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._state = root / ".penstock"
        self._entries: dict[str, dict[str, Entry]] = {}
        self._stamps: dict[str, list[int] | None] = {}
        self._cache = durable.read_cache(self._state / "cache" / "lock.json", _CACHE_VERSION)
        self._seen: dict[str, Stamp | None] = {}
        self._dirty = False
        self._fresh: list[Stamp] = []
        self._stream: int | None = None
        self._sync = _Sync()
        self._pending = self._read_pending()

    @property
    def pending_path(self) -> Path:
        """Where finished stages wait to be folded in."""
        return self._state / "lock.pending"

    def get(self, file: str, name: str) -> Entry | None:
        """Return the entry of a stage, None when it never finished."""
        waiting = self._pending.get(file, {})
        if name in waiting:
            return waiting[name]
        return self.stages(file).get(name)

    def stages(self, file: str) -> dict[str, Entry]:
        """Return the entries that a lock file itself holds.

        Raises:
            ConfigError: it is not a lock file, with the place.
        """
        if file not in self._entries:
            self._entries[file] = self._load(file)
        return self._entries[file]

    def record(self, file: str, name: str, entry: Entry) -> None:
        """Note durably that a stage has finished.

        Raises:
            UnavailableError: ``disk.write``.
        """
        path = self.pending_path
        try:
            if self._stream is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
                durable.sync_directory(path.parent)
            lines: list[dict[str, Any]] = []
            if file not in self._pending:
                lines.append({"file": file, "base": self._digest(file)})
                self._pending[file] = {}
            lines.append({"file": file, "stage": name, "entry": entry})
            text = "".join(json.dumps(line) + "\n" for line in lines)
            _write_all(self._stream, text.encode())
            self._sync.ask(self._stream)
        except OSError as error:
            raise durable.cannot_write(path, error) from error
        self._pending[file][name] = entry

    def load(self, files: Iterable[str]) -> None:
        """Read lock files now, so that what is wrong with one shows before anything runs.

        Raises:
            ConfigError: one is not a lock file, with the place.
        """
        for file in files:
            self.stages(file)

    def recover(self) -> list[tuple[str, str]]:
        """Fold in what a killed run left; return (lock file, stage) of each."""
        found = [(file, name) for file, entries in self._pending.items() for name in entries]
        self.fold()
        return found

    def fold(self) -> None:
        """Write what is pending into the lock files.

        Raises:
            UnavailableError: ``disk.write``; nothing is lost then, the next call does it.
        """
        for file, entries in self._pending.items():
            if self._moved(file):
                self._entries.pop(file, None)
            present = self.stages(file)
            changed = {name: new for name, new in entries.items() if present.get(name) != new}
            if changed:
                path = self.root / file
                text = updated(_text(path), changed, file)
                durable.replace(path, text.encode())
                self._entries[file] = {**present, **changed}
                self._remember(file)
        self._pending = {}
        if self._stream is not None:
            self._sync.finish()
            os.close(self._stream)
            self._stream = None
        with contextlib.suppress(FileNotFoundError):
            self.pending_path.unlink()

    def close(self) -> None:
        """Keep the parsed files for the next process."""
        if self._dirty:
            for stamp in self._fresh:
                settle(stamp)
            data = {
                file: [self._stamps[file], entries]
                for file, entries in self._entries.items()
                if self._stamps.get(file) and durable.is_plain(entries)
            }
            path = self._state / "cache" / "lock.json"
            durable.write_cache(path, _CACHE_VERSION, {"files": data})
            self._dirty = False

    def digest(self) -> str:
        """Return the SHA-256 of the lock file; of several, of their names and digests."""
        names = sorted(file for file in self._entries if (self.root / file).exists())
        if names in ([], ["dvc.lock"]):
            return self._digest("dvc.lock") or ""
        listing = "".join(f"{name} {self._digest(name)}\n" for name in names)
        return hashlib.sha256(listing.encode()).hexdigest()

    def _moved(self, file: str) -> bool:
        """Whether somebody else wrote a lock file since it was read."""
        try:
            return self._seen.get(file) != Stamp.of((self.root / file).stat())
        except OSError:
            return self._seen.get(file) is not None

    def _digest(self, file: str) -> str | None:
        try:
            return hashlib.sha256((self.root / file).read_bytes()).hexdigest()
        except OSError:
            return None

    def _read_pending(self) -> dict[str, dict[str, Entry]]:
        """Return the stages that a run before this one finished but did not fold in.

        Where a lock file was changed meanwhile (by Git, by DVC), the newer file is right.
        """
        try:
            lines = self.pending_path.read_bytes().split(b"\n")[:-1]
        except OSError:
            return {}
        found: dict[str, dict[str, Entry]] = {}
        for line in lines:
            try:
                item = json.loads(line)
                if "base" in item:
                    if item["base"] == self._digest(item["file"]):
                        found.setdefault(item["file"], {})
                elif item["file"] in found:
                    found[item["file"]][item["stage"]] = item["entry"]
            except (ValueError, KeyError, TypeError):
                continue
        return found

    def _load(self, file: str) -> dict[str, Entry]:
        path = self.root / file
        try:
            stamp = list(Stamp.of(path.stat()))
        except OSError:
            self._stamps[file] = self._seen[file] = None
            return {}
        self._seen[file] = Stamp(*stamp)
        self._stamps[file] = stamp
        known = self._cache.get("files", {}).get(file)
        if known and known[0] == stamp:
            entries: dict[str, Entry] = known[1]
            return entries
        import time

        now = time.time_ns()
        entries = parse(_text(path), file)
        if Stamp(*stamp).settled(now):
            self._dirty = True
        else:
            self._stamps[file] = None
        return entries

    def _remember(self, file: str) -> None:
        """Note the stamp of a file that was just replaced: nobody else writes under the guard."""
        stamp = Stamp.of((self.root / file).stat())
        self._fresh.append(stamp)
        self._seen[file] = stamp
        self._stamps[file] = list(stamp)
        self._dirty = True


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


class _Sync:
    """Puts a growing file on the disk from a thread of its own, a moment after it grew.

    What was written survives the death of the process at once; this is for the death of the
    machine. Stages that finish while the disk is busy, or shortly after one another, share the
    next round.
    """

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self, descriptor: int) -> None:
        """Put on the disk what was written up to now, soon."""
        self._asked.set()
        if self._thread is None:
            self._stopped.clear()
            self._thread = threading.Thread(target=self._go, args=(descriptor,), daemon=True)
            self._thread.start()

    def finish(self) -> None:
        """End the thread: the lock files, which are on the disk by now, say the same."""
        if self._thread is not None:
            self._stopped.set()
            self._asked.set()
            self._thread.join()
            self._thread = None

    def _go(self, descriptor: int) -> None:
        while not self._stopped.is_set():
            self._asked.wait()
            self._asked.clear()
            with contextlib.suppress(OSError):  # the lock file itself is synced when it is written
                os.fdatasync(descriptor)
            self._stopped.wait(_SYNC_EVERY)


def _text(path: Path) -> str:
    if not path.exists():
        return ""
    from penstock.config import syntax

    return syntax.text_of(path, path.name)


def parse(text: str, file: str) -> dict[str, Entry]:
    """Read a lock file of schema 2.0 (or 1.0, which has no ``stages``).

    Raises:
        ConfigError: with the place.
    """
    from penstock.config import source

    if "\n<<<<<<< " in text or text.startswith("<<<<<<< "):
        line = text[: text.index("<<<<<<< ")].count("\n") + 1
        raise ConfigError(
            f"{file} has an unresolved merge",
            code="lock.merge",
            span=Span(file, line, 1),
            hint=f"take either side (`git checkout --theirs {file}`) and run again",
        )
    document = source.read(text, file=file)
    data = document.value
    if data is None:
        return {}
    stages: Any = None
    if isinstance(data, dict):
        stages = data.get("stages", {} if "schema" in data else data)
        stages = {} if stages is None else stages
    good = isinstance(stages, dict) and all(isinstance(one, dict) for one in stages.values())
    if not good:
        raise ConfigError(
            f"{file} is not a lock file of DVC",
            code="lock.shape",
            span=document.span(("stages",)),
            hint="restore it from Git, or delete it and run again",
        )
    return {str(name): entry for name, entry in stages.items()}


def updated(text: str, changed: dict[str, Entry], file: str) -> str:
    """Return the text of a lock file with some entries replaced or added.

    Bytes of other entries stay. Raises ConfigError when `text` is no lock file.
    """
    from penstock.pipeline.emit import stage_block

    blocks = {name: stage_block(name, entry) for name, entry in changed.items()}
    present = _split(text or _HEAD)
    if present is None:
        return _edited(text, changed, file)
    for block in blocks.values():
        present[block.partition("\n")[0]] = block
    return _HEAD + "".join(present.values())


def _split(text: str) -> dict[str, str] | None:
    """Return the lines of each stage by its first line; None when that is not safe."""
    body = text.removeprefix(_HEAD)
    if text == _HEAD:
        return {}
    if body is text or "#" in body or "\n\n" in body or (body and not body.endswith("\n")):
        return None
    starts = [match.start() for match in _STAGE_LINE.finditer(body)]
    if body and (not starts or starts[0] != 0 or re.search(r"^(?!  )", body[:-1], re.MULTILINE)):
        return None
    chunks = [body[a:b] for a, b in zip(starts, [*starts[1:], len(body)], strict=True)]
    return {chunk.partition("\n")[0]: chunk for chunk in chunks}


def _edited(text: str, changed: dict[str, Entry], file: str) -> str:
    """Edit by round trip, so that comments stay."""
    import io

    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    parse(text, file)
    yaml = YAML()
    yaml.default_flow_style = False
    try:
        data = yaml.load(text) or {}
    except YAMLError as error:
        what = str(error).splitlines()[0]
        raise ConfigError(f"{file}: {what}", code="yaml.syntax", span=Span(file, 1, 1)) from None
    if "schema" not in data:
        data = {"schema": "2.0", "stages": data}
    if data.get("stages") is None:
        data["stages"] = {}
    data["stages"].update(changed)
    stream = io.StringIO()
    yaml.dump(data, stream)
    return stream.getvalue()
