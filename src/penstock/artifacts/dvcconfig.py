# Paths are plain strings here: there may be 100,000 of them.
# ruff: noqa: PTH100, PTH111, PTH118
"""DVC's configuration: where the cache is, how it is linked, and the remotes."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from penstock.artifacts.configfile import Sections, Value, parse_config
from penstock.artifacts.home import dvc_root
from penstock.errors import ConfigError, Problem, Span

LINK_TYPES = ("reflink", "hardlink", "symlink", "copy")
_DEFAULT_LINKS = ("reflink", "copy")
_NAMED = re.compile(r'^\s*remote\s*"(.*)"\s*$')
_PATHS = ("url", "credentialpath", "configpath", "keyfile", "cert_path", "key_path")


@dataclass(frozen=True, slots=True)
class RemoteSettings:
    """One remote of `.dvc/config`.

    Attributes:
        name: as in ``['remote "name"']``.
        url: a URL, or an absolute path of this machine.
        options: everything else, as text.
    """

    name: str
    url: str
    options: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        # Options may hold passwords and keys.
        return f"RemoteSettings(name={self.name!r}, url={self.url!r})"


@dataclass(frozen=True, slots=True)
class DvcConfig:
    """What penstock needs to know of DVC's configuration.

    Attributes:
        root: directory that holds `.dvc`.
        cache_dir: absolute; objects are in ``files/md5`` below it.
        cache_types: link types, the first that works is used.
        shared: whether the cache is for a group (mode 0664 and 2775).
        default_remote: ``core.remote``.
        remotes: by name.
    """

    root: Path
    cache_dir: Path
    cache_types: tuple[str, ...] = _DEFAULT_LINKS
    shared: bool = False
    default_remote: str | None = None
    remotes: dict[str, RemoteSettings] = field(default_factory=dict)

    @classmethod
    def load(cls, root: Path) -> Self:
        """Read system, global, project and local configuration, the later ones winning.

        Raises:
            ConfigError: ``artifacts.config-syntax``, ``artifacts.config-value``.
        """
        root = Path(os.path.abspath(root))
        merged: Sections = {}
        for path in config_files(root):
            try:
                text = path.read_text(encoding="utf-8")
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(
                    f"{path} cannot be read: {error}",
                    code="artifacts.config-syntax",
                    span=Span(str(path), 1, 1),
                ) from error
            for name, options in parse_config(text, str(path)).items():
                _absolute(options, name, path.parent)
                merged.setdefault(name, {}).update(options)
        return cls._of(root, merged)

    def with_cache(self, cache_dir: Path) -> Self:
        """Return the same configuration with another cache directory."""
        return replace(self, cache_dir=Path(os.path.abspath(cache_dir)))

    @classmethod
    def _of(cls, root: Path, merged: Sections) -> Self:
        """Make the settings of merged sections; all problems at once."""
        problems: list[Problem] = []
        cache = merged.get("cache", {})
        links = _links(cache.get("type"), problems)
        remotes = {}
        for section, options in merged.items():
            if named := _NAMED.match(section):
                name = named[1].lower()
                texts = {key: _text(value) for key, value in options.items()}
                url = texts.pop("url", "")
                if not url:
                    problems.append(
                        Problem("artifacts.config-value", f"the remote {name!r} has no url")
                    )
                remotes[name] = RemoteSettings(name, url, texts)
        if problems:
            raise ConfigError.of(problems)
        default = _text(merged.get("core", {}).get("remote", "")).lower()
        return cls(
            root=root,
            cache_dir=Path(_text(cache.get("dir", "")) or dvc_root(root) / ".dvc" / "cache"),
            cache_types=links,
            shared=_text(cache.get("shared", "")).lower() == "group",
            default_remote=default or None,
            remotes=remotes,
        )


def config_files(root: Path) -> list[Path]:
    """Return the files of all levels, weakest first."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "darwin":
        system = Path("/Library/Application Support/dvc")
        user = home / "Library" / "Application Support" / "dvc"
    else:
        shared = os.environ.get("XDG_CONFIG_DIRS", "").split(os.pathsep)[0]
        system = Path(shared or "/etc/xdg") / "dvc"
        user = Path(os.environ.get("XDG_CONFIG_HOME", "").strip() or home / ".config") / "dvc"
    system = Path(os.environ.get("DVC_SYSTEM_CONFIG_DIR") or system)
    user = Path(os.environ.get("DVC_GLOBAL_CONFIG_DIR") or user)
    own = dvc_root(root) / ".dvc"
    return [system / "config", user / "config", own / "config", own / "config.local"]


def _links(value: Value | None, problems: list[Problem]) -> tuple[str, ...]:
    """Return the link types of `cache.type`."""
    if value is None:
        return _DEFAULT_LINKS
    items = value if isinstance(value, list) else value.split(",")
    links = tuple(item.strip() for item in items if item.strip())
    wrong = [link for link in links if link not in LINK_TYPES]
    if wrong or not links:
        problems.append(
            Problem(
                "artifacts.config-value",
                f"cache.type has {', '.join(wrong) or 'nothing'}, which is no type of link",
                hint=f"known are {', '.join(LINK_TYPES)}",
            )
        )
    return links


def _absolute(options: dict[str, Value], section: str, directory: Path) -> None:
    """Make the paths of a file's options absolute: they are relative to that file."""
    keys = ("dir",) if section == "cache" else _PATHS if _NAMED.match(section) else ()
    for key in keys:
        value = options.get(key)
        if isinstance(value, str) and value and not re.match(r"\w+://", value):
            options[key] = os.path.abspath(os.path.join(directory, os.path.expanduser(value)))


def _text(value: Value) -> str:
    return ", ".join(value) if isinstance(value, list) else value
