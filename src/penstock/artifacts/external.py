"""What stands outside the project, at URLs: its state without its bytes, as DVC records it.

A file is known by what its storage says of it: `checksum` of a web server, `etag` of S3, Google
and Azure; by the md5 of its bytes over SSH. A directory is known by the digest of the list of its
files, each with that state.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from penstock.artifacts.dvcconfig import DvcConfig, RemoteSettings
from penstock.artifacts.filesystems import Opened, is_known, open_filesystem, scheme
from penstock.artifacts.remotes import find, resolve
from penstock.domain.artifact import Artifact
from penstock.errors import PenstockError, UnavailableError

WEB = ("http", "https")
_ETAGS = ("s3", "gs", "gcs", "azure")
_PIECE = 1 << 20


class Local(Protocol):
    """Takes the digest of a path of this machine."""

    def hash(self, path: Path, *, name: str) -> Artifact | None:
        """Return what stands there, None when nothing does."""
        ...


def is_url(path: str) -> bool:
    """Whether a dependency or output is named by a URL.

    >>> is_url("https://example.org/a.csv"), is_url("data/a.csv")
    (True, False)
    """
    return "://" in path


def is_reached(path: str) -> bool:
    """Whether URLs of this kind can be dependencies."""
    kind = scheme(path)
    return kind == "remote" or kind in WEB or (bool(kind) and is_known(path))


class External:
    """Looks at what stands at URLs.

    Args:
        config: with the remotes that `remote://NAME/path` goes to.
        local: for remotes that are directories.
    """

    def __init__(self, config: DvcConfig, local: Local) -> None:
        self._config = config
        self._local = local

    def look(self, urls: Sequence[str]) -> list[Artifact | None]:
        """Return what stands at each URL, None where nothing does; many are asked at once.

        Raises:
            UnavailableError: ``artifacts.remote-failed``, ``artifacts.extra-missing``.
            StateError: ``artifacts.no-remote``.
            ConfigError: ``artifacts.config-value``.
        """
        if len(urls) < 2:
            return [self._state(url) for url in urls]
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(min(len(urls), 16)) as pool:
            return list(pool.map(self._state, urls))

    def outline(self, url: str) -> str:
        """Return names, sizes and times of what stands at a URL, as one digest.

        It is "" where the state itself is as cheap, and where nothing stands: over SSH the state is
        a digest of all the bytes, and while the outline stays the same, so do they.

        Raises:
            UnavailableError: ``artifacts.remote-failed``, ``artifacts.extra-missing``.
        """
        settings = self._settings(url)
        kind = scheme(settings.url)
        if not kind or kind in WEB or kind in _ETAGS:
            return ""
        opened = open_filesystem(settings)
        with _Trouble(url):
            path = _path(opened)
            if not opened.filesystem.exists(path):
                return ""
            whole = opened.filesystem.isdir(path)
            files = _files(opened, path) if whole else {"": opened.filesystem.info(path)}
            told = sorted((name, _size(one), str(one.get("mtime"))) for name, one in files.items())
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def remove(self, url: str) -> None:
        """Remove what stands at a URL, if anything does.

        Raises:
            UnavailableError: ``artifacts.remote-failed``.
        """
        settings = self._settings(url)
        opened = open_filesystem(settings)
        with _Trouble(url):
            path = _path(opened)
            if opened.filesystem.exists(path):
                opened.filesystem.rm(path, recursive=opened.filesystem.isdir(path))

    def download(self, url: str, target: Path) -> None:
        """Write what stands at a URL to a path of this machine, which must be free.

        Raises:
            UnavailableError: ``artifacts.remote-failed``.
        """
        settings = self._settings(url)
        target.parent.mkdir(parents=True, exist_ok=True)
        if scheme(settings.url) in WEB:
            from penstock.artifacts import webfiles

            webfiles.download(settings, target)
            return
        opened = open_filesystem(settings)
        with _Trouble(url):
            path = _path(opened)
            files = _files(opened, path) if opened.filesystem.isdir(path) else {"": {"name": path}}
            for relative, info in files.items():
                one = target / relative if relative else target
                one.parent.mkdir(parents=True, exist_ok=True)
                opened.filesystem.get_file(info["name"], str(one))

    def _settings(self, url: str) -> RemoteSettings:
        if not url.startswith("remote://"):
            return RemoteSettings(url, url)
        name, _, rest = url.removeprefix("remote://").partition("/")
        base = find(self._config, name)
        below = f"{base.url.rstrip('/')}/{rest}" if rest else base.url
        return resolve(self._config, replace(base, url=below))

    def _state(self, url: str) -> Artifact | None:
        settings = self._settings(url)
        kind = scheme(settings.url)
        if not kind:
            return self._local.hash(Path(settings.url), name=url)
        if kind in WEB:
            from penstock.artifacts import webfiles

            found = webfiles.state(settings)
            return Artifact(url, found[0], found[1], algorithm="checksum") if found else None
        opened = open_filesystem(settings)
        with _Trouble(url):
            opened.filesystem.invalidate_cache()
            path = _path(opened)
            try:
                info = opened.filesystem.info(path)
            except FileNotFoundError:
                return None
            if info["type"] == "directory":
                return _directory(url, opened, path)
            value = _value(opened, info)
            executable = bool(int(info.get("mode") or 0) & 0o100)
            algorithm = "etag" if kind in _ETAGS else "md5"
            return Artifact(url, value, _size(info), isexec=executable, algorithm=algorithm)


class _Trouble:
    """Turns what the libraries of the clouds raise into an error; they raise whatever they like."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, PenstockError):
            raise UnavailableError(
                f"{self._url} cannot be reached: {str(error) or type(error).__name__}",
                code="artifacts.remote-failed",
                hint="check the address, and the credentials in .dvc/config or the environment",
            ) from error


def _path(opened: Opened) -> str:
    return opened.path.rstrip("/") or opened.path


def _files(opened: Opened, path: str) -> dict[str, dict[str, Any]]:
    """Return what is known of the files of a directory, by relative path."""
    found: dict[str, dict[str, Any]] = opened.filesystem.find(path, detail=True)
    top = path.rstrip("/") + "/"
    files = {}
    for name, info in found.items():
        start = name.find(top.lstrip("/"))
        relative = name[start + len(top.lstrip("/")) :] if start in (0, 1) else name
        # An object whose name ends with a slash stands for an empty directory.
        if relative and not relative.endswith("/") and info["type"] == "file":
            files[relative] = {**info, "name": name}
    return files


def _directory(url: str, opened: Opened, path: str) -> Artifact:
    """Return the state of a directory."""
    files = _files(opened, path)
    word = "etag" if opened.kind in _ETAGS else "md5"
    entries = [{word: _value(opened, files[name]), "relpath": name} for name in sorted(files)]
    content = json.dumps(entries, sort_keys=True).encode()
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Artifact(url, f"{digest}.dir", sum(map(_size, files.values())), len(files))


def _size(info: dict[str, Any]) -> int:
    size = info.get("size")
    return int(size) if size is not None else -1


def _value(opened: Opened, info: dict[str, Any]) -> str:
    """Return what identifies a file, as DVC writes it for this kind of storage."""
    if opened.kind == "s3":
        return str(info["ETag"]).strip('"')
    if opened.kind in ("gs", "gcs"):
        import base64

        return base64.b64decode(info["etag"]).hex()
    if opened.kind == "azure":
        return '"' + str(info["etag"]).strip('"') + '"'
    digest = hashlib.md5(usedforsecurity=False)
    with opened.filesystem.open(info["name"], "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
