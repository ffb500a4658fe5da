"""Files on web servers: their state by one question, and their bytes.

The state of such a file is what the server says (its `ETag`, else `Content-MD5`), which costs no
download. Where it says neither, DVC takes a digest of everything that fsspec knows of the file, so
that is worked out here too, from the same facts in the same order. `urllib` does it; aiohttp, which
fsspec would need, takes half a second to load.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from penstock.artifacts.dvcconfig import RemoteSettings
from penstock.errors import ConfigError, UnavailableError

_PATIENCE = 60.0
_GONE = (404, 410)
_TELLING = ("ETag", "Content-MD5", "Digest", "Last-Modified")


def state(settings: RemoteSettings) -> tuple[str, int] | None:
    """Return what identifies the content at a URL, and its size (-1 when it is not said).

    Returns:
        None when nothing is there.

    Raises:
        UnavailableError: ``artifacts.remote-failed``.
        ConfigError: ``artifacts.config-value``.
    """
    facts: dict[str, Any] = {}
    for method in ("HEAD", "GET"):
        with _answer(settings, method) as answer:
            if answer is None:
                return None
            if answer.status < 400:
                facts.update(_facts(answer))
        if "size" in facts:
            break
    known = facts.get("ETag") or facts.get("Content-MD5")
    size = int(facts.get("size", -1))
    if known:
        return str(known), size
    from fsspec.utils import tokenize

    whole = {"name": settings.url, "size": None, **facts, "type": "file"}
    return str(int(tokenize(whole), 16)), size


def download(settings: RemoteSettings, target: Path) -> None:
    """Write the bytes at a URL into a file.

    Raises:
        UnavailableError: ``artifacts.remote-failed``.
        OSError: the file cannot be written.
    """
    with _answer(settings, "GET") as answer:
        if answer is None or answer.status >= 400:
            raise _failed(settings.url, "nothing is there")
        with target.open("wb") as file:
            shutil.copyfileobj(answer, file, 1 << 20)


def _facts(answer: Any) -> dict[str, Any]:
    """Return what fsspec notes of an answer, in its order."""
    headers = answer.headers
    facts: dict[str, Any] = {}
    if headers.get("Content-Length"):
        if headers.get("Content-Encoding", "") in ("identity", ""):
            facts["size"] = int(headers["Content-Length"])
    elif headers.get("Content-Range"):
        facts["size"] = int(headers["Content-Range"].rpartition("/")[2])
    if headers.get("Content-Type"):
        facts["mimetype"] = headers["Content-Type"].partition(";")[0]
    if headers.get("Accept-Ranges") == "none":
        facts["partial"] = False
    facts["url"] = answer.url
    facts.update({name: headers[name] for name in _TELLING if headers.get(name)})
    return facts


@contextmanager
def _answer(settings: RemoteSettings, method: str) -> Iterator[Any]:
    """Ask a server; yields None where it has nothing."""
    import http.client
    import urllib.error
    import urllib.request

    url = quote(settings.url, safe="/:?#[]@!$&'()*+,;=%~")
    request = urllib.request.Request(url, method=method, headers=_headers(settings))  # noqa: S310
    handlers = [_Redirects(), urllib.request.HTTPSHandler(context=_context(settings))]
    timeout = float(settings.options.get("read_timeout") or _PATIENCE)
    try:
        answer = urllib.request.build_opener(*handlers).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        with error:
            if error.code in _GONE:
                yield None
                return
            if method == "HEAD" and error.code in (400, 403, 405, 501):
                yield error  # some servers answer GET alone
                return
            raise _failed(settings.url, f"{error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _failed(settings.url, getattr(error, "reason", None) or error) from error
    with answer:
        yield answer


def _headers(settings: RemoteSettings) -> dict[str, str]:
    """Return the headers of a request, with what proves who asks."""
    import base64

    given = settings.options
    headers = {"Accept-Encoding": "identity", "User-Agent": "penstock"}
    method = given.get("auth", "").lower()
    if not method:
        return headers
    password, user = given.get("password"), given.get("user")
    if method == "basic" and user is not None and password is not None:
        secret = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {**headers, "Authorization": f"Basic {secret}"}
    if method == "custom" and given.get("custom_auth_header") and password is not None:
        return {**headers, given["custom_auth_header"]: password}
    raise ConfigError(
        f"the remote {settings.name!r} says auth = {method}, without all that it needs",
        code="artifacts.config-value",
        hint="basic needs user and password, custom needs custom_auth_header and password",
    )


def _context(settings: RemoteSettings) -> Any:
    """Return how certificates are checked: as the remote's `ssl_verify` says."""
    import ssl

    wanted = settings.options.get("ssl_verify", "")
    if wanted.lower() in ("", "true"):
        return ssl.create_default_context()
    if wanted.lower() != "false":
        return ssl.create_default_context(cafile=wanted)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _Redirects() -> Any:  # noqa: N802 - a class that is made when urllib is loaded
    """Return a handler that stays with HEAD when it is sent elsewhere."""
    import urllib.request

    class Redirects(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, req: Any, *args: Any) -> Any:
            """See the base class."""
            made = super().redirect_request(req, *args)
            if made is not None and req.get_method() == "HEAD":
                made.method = "HEAD"
            return made

    return Redirects()


def _failed(url: str, why: object) -> UnavailableError:
    return UnavailableError(
        f"{url} cannot be read: {why}",
        code="artifacts.remote-failed",
        hint="is the address right, and may you read it?",
    )
