"""From a remote of `.dvc/config` to an object that fetches and pushes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from penstock.artifacts.dvcconfig import DvcConfig, RemoteSettings
from penstock.artifacts.dvcremote import DvcRemote
from penstock.artifacts.fsremote import FileSystemRemote, default_jobs
from penstock.artifacts.remote import Remote
from penstock.errors import ConfigError, StateError, UnavailableError

Options = dict[str, Any]


def open_remote(config: DvcConfig, name: str | None = None) -> Remote:
    """Return a remote; the libraries of its kind are loaded now.

    Args:
        name: None takes `core.remote`.

    Raises:
        StateError: ``artifacts.no-remote``.
        UnavailableError: ``artifacts.extra-missing``.
        ConfigError: ``artifacts.config-value``.
    """
    settings = _resolve(config, _settings(config, name))
    url = settings.url
    scheme = urlsplit(url).scheme if re.match(r"\w+://", url) else ""
    aware = {settings.options.get(key, "").lower() for key in ("version_aware", "worktree")}
    if "true" in aware or scheme not in _KINDS:
        return DvcRemote(settings.name, scheme or "local")
    protocol, extra, options = _KINDS[scheme]
    filesystem = _filesystem(protocol, extra, options(settings), settings)
    base = url if not scheme else filesystem._strip_protocol(url)
    jobs = _number(settings, "jobs") or (os.cpu_count() or 1 if not scheme else default_jobs())
    return FileSystemRemote(
        settings.name, filesystem, base, jobs=jobs, renames=protocol in ("file", "ssh")
    )


def _settings(config: DvcConfig, name: str | None) -> RemoteSettings:
    """Find a remote by name."""
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


def _resolve(config: DvcConfig, settings: RemoteSettings) -> RemoteSettings:
    """Follow `remote://other/path`, which takes the settings of another remote."""
    seen = {settings.name}
    while settings.url.startswith("remote://"):
        parts = urlsplit(settings.url)
        below = _settings(config, parts.netloc)
        if below.name in seen:
            raise ConfigError(
                f"the remote {settings.name!r} refers to itself", code="artifacts.config-value"
            )
        seen.add(below.name)
        url = f"{below.url.rstrip('/')}/{parts.path.lstrip('/')}"
        settings = RemoteSettings(settings.name, url, {**below.options, **settings.options})
    return settings


def _filesystem(protocol: str, extra: str, options: Options, settings: RemoteSettings) -> Any:
    """Make the file system of fsspec."""
    import fsspec

    try:
        return fsspec.filesystem(protocol, **options)
    except ImportError as error:
        raise UnavailableError(
            f"the remote {settings.name!r} ({settings.url}) needs a library that is not installed",
            code="artifacts.extra-missing",
            hint=f"install it: pip install 'penstock[{extra}]'",
        ) from error
    except Exception as error:
        # The libraries of the clouds raise whatever they like.
        raise UnavailableError(
            f"the remote {settings.name!r} cannot be opened: {error}",
            code="artifacts.remote-failed",
            hint="check its url and credentials in .dvc/config",
        ) from error


def _local(settings: RemoteSettings) -> Options:  # noqa: ARG001
    return {}


def _s3(settings: RemoteSettings) -> Options:
    """Translate DVC's options to those of s3fs."""
    given = settings.options
    client = {
        "region_name": given.get("region"),
        "endpoint_url": given.get("endpointurl"),
        "verify": _truth_or_text(given.get("ssl_verify")),
    }
    if "configpath" in given:
        os.environ.setdefault("AWS_CONFIG_FILE", given["configpath"])
    if "credentialpath" in given:
        os.environ.setdefault("AWS_SHARED_CREDENTIALS_FILE", given["credentialpath"])
    timeouts = {key: _number(settings, key) for key in ("read_timeout", "connect_timeout")}
    extra = {
        "ServerSideEncryption": given.get("sse"),
        "SSEKMSKeyId": given.get("sse_kms_key_id"),
        "SSECustomerAlgorithm": given.get("sse_customer_algorithm"),
        "SSECustomerKey": given.get("sse_customer_key"),
        "ACL": given.get("acl"),
        "GrantRead": given.get("grant_read"),
        "GrantReadACP": given.get("grant_read_acp"),
        "GrantWriteACP": given.get("grant_write_acp"),
        "GrantFullControl": given.get("grant_full_control"),
    }
    return _given(
        key=given.get("access_key_id"),
        secret=given.get("secret_access_key"),
        token=given.get("session_token"),
        profile=given.get("profile"),
        use_ssl=_truth(given.get("use_ssl")),
        anon=_truth(given.get("allow_anonymous_login")),
        client_kwargs=_given(**client) or None,
        config_kwargs=_given(**timeouts) or None,
        s3_additional_kwargs=_given(**extra) or None,
    )


def _gs(settings: RemoteSettings) -> Options:
    """Translate DVC's options to those of gcsfs."""
    given = settings.options
    anonymous = "anon" if _truth(given.get("allow_anonymous_login")) else None
    return _given(
        project=given.get("projectname"),
        token=anonymous or given.get("credentialpath"),
        endpoint_url=given.get("endpointurl"),
    )


def _azure(settings: RemoteSettings) -> Options:
    """Translate DVC's options to those of adlfs."""
    names = "connection_string sas_token account_name account_key tenant_id"
    keys = [*names.split(), "client_id", "client_secret"]
    given = settings.options
    anonymous = _truth(given.get("allow_anonymous_login"))
    return _given(anon=anonymous, **{key: given.get(key) for key in keys})


def _ssh(settings: RemoteSettings) -> Options:
    """Translate DVC's options to those of sshfs."""
    given = settings.options
    parts = urlsplit(settings.url)
    return _given(
        host=parts.hostname or "",
        port=_number(settings, "port") or parts.port,
        username=given.get("user") or parts.username,
        password=given.get("password") or parts.password,
        passphrase=given.get("passphrase"),
        client_keys=[given["keyfile"]] if "keyfile" in given else None,
        login_timeout=_number(settings, "timeout"),
    )


_KINDS: dict[str, tuple[str, str, Callable[[RemoteSettings], Options]]] = {
    "": ("file", "", _local),
    "s3": ("s3", "s3", _s3),
    "gs": ("gcs", "gcs", _gs),
    "gcs": ("gcs", "gcs", _gs),
    "azure": ("abfs", "azure", _azure),
    "ssh": ("ssh", "ssh", _ssh),
}


def _given(**options: Any) -> Options:
    """Keep what was set."""
    return {key: value for key, value in options.items() if value is not None}


def _truth(text: str | None) -> bool | None:
    return None if text is None else text.lower() == "true"


def _truth_or_text(text: str | None) -> bool | str | None:
    return text.lower() == "true" if text and text.lower() in ("true", "false") else text


def _number(settings: RemoteSettings, key: str) -> int | None:
    """Read a positive whole number."""
    text = settings.options.get(key)
    if text is None:
        return None
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(
            f"{key} of the remote {settings.name!r} is {text!r}, not a whole number above 0",
            code="artifacts.config-value",
        )
    return int(text)
