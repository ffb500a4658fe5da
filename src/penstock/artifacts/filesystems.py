"""From the settings of a remote to a file system of fsspec."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from penstock.artifacts.dvcconfig import RemoteSettings
from penstock.errors import ConfigError, UnavailableError

Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file system, and where in it a URL points.

    Attributes:
        filesystem: of fsspec.
        path: within it.
        kind: scheme of the URL, "" for a path of this machine.
        jobs: as the remote's settings say, None where they do not.
    """

    filesystem: Any
    path: str
    kind: str
    jobs: int | None


def scheme(url: str) -> str:
    """Return the kind of a URL, "" for a path.

    >>> scheme("s3://bucket/path"), scheme("/srv/data")
    ('s3', '')
    """
    return urlsplit(url).scheme.lower() if re.match(r"\w+://", url) else ""


def is_known(url: str) -> bool:
    """Whether fsspec reaches a URL, or a path."""
    return scheme(url) in _KINDS


def open_filesystem(settings: RemoteSettings) -> Opened:
    """Open what a remote points to; the libraries of its kind are loaded now.

    Raises:
        UnavailableError: ``artifacts.extra-missing``, ``artifacts.remote-failed``.
        ConfigError: ``artifacts.config-value``.
    """
    kind = scheme(settings.url)
    protocol, extra, translate = _KINDS[kind]
    jobs = number(settings, "jobs")
    filesystem = _filesystem(protocol, extra, translate(settings), settings)
    path = settings.url
    if kind:
        # DVC's word for the kind need not be one that the library knows: `azure://`, `gcs://`.
        path = filesystem._strip_protocol(f"{protocol}{path[path.index('://') :]}")
    return Opened(filesystem, path, kind, jobs)


def _filesystem(protocol: str, extra: str, options: Options, settings: RemoteSettings) -> Any:
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
            f"the remote {settings.name!r} cannot be opened: {str(error) or type(error).__name__}",
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
    timeouts = {key: number(settings, key) for key in ("read_timeout", "connect_timeout")}
    extra = {
        "ServerSideEncryption": given.get("sse"),
        "SSEKMSKeyId": given.get("sse_kms_key_id"),
        **_customer_key(settings),
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
        cache_regions=_truth(given.get("cache_regions")),
        client_kwargs=_given(**client) or None,
        config_kwargs=_given(**timeouts) or None,
        s3_additional_kwargs=_given(**extra) or None,
    )


def _customer_key(settings: RemoteSettings) -> Options:
    """Return the options for encryption with the user's own key, which stands there in base64."""
    import base64
    import binascii

    text = settings.options.get("sse_customer_key")
    algorithm = settings.options.get("sse_customer_algorithm")
    if text is None:
        return {"SSECustomerAlgorithm": algorithm}
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ConfigError(
            f"sse_customer_key of the remote {settings.name!r} is not base64",
            code="artifacts.config-value",
        ) from error
    return {"SSECustomerAlgorithm": algorithm or "AES256", "SSECustomerKey": key}


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
    times = ("timeout", "read_timeout", "connection_timeout")
    return _given(
        anon=_truth(given.get("allow_anonymous_login")),
        **{key: given.get(key) for key in keys},
        **{key: number(settings, key) for key in times},
    )


def _ssh(settings: RemoteSettings) -> Options:
    """Translate DVC's options to those of sshfs."""
    given = settings.options
    parts = urlsplit(settings.url)
    for secret in ("password", "passphrase"):
        if _truth(given.get(f"ask_{secret}")) and secret not in given:
            raise ConfigError(
                f"the remote {settings.name!r} says ask_{secret}, but nobody can be asked here",
                code="artifacts.config-value",
                hint=f"dvc remote modify --local {settings.name} {secret} ...; or use a key",
            )
    agent = {"agent_path": None} if _truth(given.get("allow_agent")) is False else {}
    options = _given(
        host=parts.hostname or "",
        port=number(settings, "port") or parts.port,
        username=given.get("user") or parts.username,
        password=given.get("password") or parts.password,
        passphrase=given.get("passphrase"),
        client_keys=[os.path.expanduser(given["keyfile"])] if "keyfile" in given else None,  # noqa: PTH111
        login_timeout=number(settings, "timeout"),
        connect_timeout=number(settings, "timeout"),
        max_sessions=number(settings, "max_sessions"),
    )
    # A key of the user's `ssh-agent`, or Kerberos, only where it is wanted; data that is packed
    # already is not compressed again.
    gss = {} if _truth(given.get("gss_auth")) else {"gss_host": None}
    return {**options, **gss, **agent, "compression_algs": None}


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
    return None if text is None else text.lower() in ("true", "yes", "on", "1")


def _truth_or_text(text: str | None) -> bool | str | None:
    return text.lower() == "true" if text and text.lower() in ("true", "false") else text


def number(settings: RemoteSettings, key: str) -> int | None:
    """Read a positive whole number of a remote's settings, None where it is not set.

    Raises:
        ConfigError: ``artifacts.config-value``.
    """
    text = settings.options.get(key)
    if text is None:
        return None
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(
            f"{key} of the remote {settings.name!r} is {text!r}, not a whole number above 0",
            code="artifacts.config-value",
        )
    return int(text)
