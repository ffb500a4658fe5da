"""From a name in `.dvc/config` to a remote that fetches and pushes."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from penstock.artifacts.dvcconfig import DvcConfig, RemoteSettings
from penstock.artifacts.dvcremote import DvcRemote
from penstock.artifacts.filesystems import is_known, open_filesystem, scheme
from penstock.artifacts.fsremote import FileSystemRemote, default_jobs
from penstock.artifacts.remote import Remote
from penstock.errors import ConfigError, StateError


def open_remote(config: DvcConfig, name: str | None = None) -> Remote:
    """Return a remote; the libraries of its kind are loaded now.

    Args:
        config: with the remotes.
        name: None takes `core.remote`.

    Raises:
        StateError: ``artifacts.no-remote``.
        UnavailableError: ``artifacts.extra-missing``.
        ConfigError: ``artifacts.config-value``.
    """
    settings = resolve(config, find(config, name))
    aware = {settings.options.get(key, "").lower() for key in ("version_aware", "worktree")}
    if "true" in aware or not is_known(settings.url):
        return DvcRemote(settings.name, scheme(settings.url) or "local")
    opened = open_filesystem(settings)
    return FileSystemRemote(
        settings.name,
        opened.filesystem,
        opened.path,
        jobs=opened.jobs or (default_jobs() if opened.kind else os.cpu_count() or 1),
        renames=opened.kind in ("", "ssh"),
    )


def find(config: DvcConfig, name: str | None) -> RemoteSettings:
    """Find a remote by name.

    Raises:
        StateError: ``artifacts.no-remote``.
    """
    wanted = (name or config.default_remote or "").lower()
    if not wanted:
        raise StateError(
            "no remote is set",
            code="artifacts.no-remote",
            hint="add one: dvc remote add -d storage s3://bucket/path",
        )
    if wanted not in config.remotes:
        import difflib

        near = difflib.get_close_matches(wanted, config.remotes, 1)
        raise StateError(
            f"there is no remote {wanted!r} in .dvc/config",
            code="artifacts.no-remote",
            hint=f"did you mean {near[0]!r}?"
            if near
            else "`dvc remote list` shows those there are",
        )
    return config.remotes[wanted]


def resolve(config: DvcConfig, settings: RemoteSettings) -> RemoteSettings:
    """Follow `remote://other/path`, which takes the settings of another remote.

    Raises:
        StateError: ``artifacts.no-remote``.
        ConfigError: ``artifacts.config-value`` for one that refers to itself.
    """
    seen = {settings.name}
    while settings.url.startswith("remote://"):
        parts = urlsplit(settings.url)
        below = find(config, parts.netloc)
        if below.name in seen:
            raise ConfigError(
                f"the remote {settings.name!r} refers to itself", code="artifacts.config-value"
            )
        seen.add(below.name)
        url = f"{below.url.rstrip('/')}/{parts.path.lstrip('/')}"
        settings = RemoteSettings(settings.name, url, {**below.options, **settings.options})
    return settings
