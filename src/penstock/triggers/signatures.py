"""Is a webhook from whom it says? Checked on the raw body, in constant time, before it is read.

| sender | what is checked |
|---|---|
| GitHub | ``X-Hub-Signature-256: sha256=<hex HMAC-SHA256(secret, body)>`` |
| Gitea, Forgejo | ``X-Gitea-Signature``, ``X-Forgejo-Signature``: the same hex, no prefix |
| GitLab | Standard Webhooks (``webhook-id``, ``-timestamp``, ``-signature``), |
| | or ``X-Gitlab-Token``: the secret itself |
| MLflow | ``X-MLflow-Signature: v1,<base64 HMAC-SHA256(secret, "id.timestamp.body")>`` |
| Bitbucket | ``X-Hub-Signature: sha256=<hex>`` |
| CircleCI | ``circleci-signature: v1=<hex>``, a list |
| Alertmanager, others | ``Authorization: Bearer <token>``, or basic with the token as password |
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
from collections.abc import Callable, Mapping

TOLERANCE = 300.0
"""Seconds by which a signed time may differ from now."""


def equal(one: str, other: str) -> bool:
    """Compare two texts in a time that does not depend on where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())


def _hex(secret: bytes, body: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def _base64(secret: bytes, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest()).decode()


def _recent(stamp: str, now: float) -> bool:
    try:
        return abs(now - float(stamp)) <= TOLERANCE
    except ValueError:
        return False


def github(secret: str, body: bytes, headers: Mapping[str, str], _now: float) -> bool:
    """Check GitHub's signature.

    >>> known = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    >>> headers = {"x-hub-signature-256": f"sha256={known}"}
    >>> github("It's a Secret to Everybody", b"Hello, World!", headers, 0.0)
    True
    """
    given = headers.get("x-hub-signature-256", "")
    return equal(given, f"sha256={_hex(secret.encode(), body)}")


def gitea(secret: str, body: bytes, headers: Mapping[str, str], now: float) -> bool:
    """Check the signature of Gitea or Forgejo."""
    names = ("x-gitea-signature", "x-forgejo-signature")
    given = next((headers[name] for name in names if headers.get(name)), "")
    if given:
        return equal(given.lower(), _hex(secret.encode(), body))
    return github(secret, body, headers, now)


def gitlab(secret: str, body: bytes, headers: Mapping[str, str], now: float) -> bool:
    """Check GitLab's signing token (Standard Webhooks), or its secret token of old."""
    signatures = headers.get("webhook-signature")
    if signatures is None:
        return bool(headers.get("x-gitlab-token")) and equal(headers["x-gitlab-token"], secret)
    stamp, name = headers.get("webhook-timestamp", ""), headers.get("webhook-id", "")
    if not _recent(stamp, now) or not name:
        return False
    signed = f"{name}.{stamp}.".encode() + body
    good = [f"v1,{_base64(key, signed)}" for key in _keys(secret)]
    return any(equal(given, one) for given in signatures.split() for one in good)


def _keys(secret: str) -> list[bytes]:
    """Return the keys that a signing token may mean: as it is, and decoded (``whsec_``)."""
    keys = [secret.encode()]
    with contextlib.suppress(binascii.Error, ValueError):
        keys.append(base64.b64decode(secret.removeprefix("whsec_"), validate=True))
    return [key for key in keys if key]


def mlflow(secret: str, body: bytes, headers: Mapping[str, str], now: float) -> bool:
    """Check MLflow's signature and its time."""
    stamp, name = headers.get("x-mlflow-timestamp", ""), headers.get("x-mlflow-delivery-id", "")
    if not _recent(stamp, now) or not name:
        return False
    signed = f"{name}.{stamp}.".encode() + body
    good = f"v1,{_base64(secret.encode(), signed)}"
    return equal(headers.get("x-mlflow-signature", ""), good)


def bitbucket(secret: str, body: bytes, headers: Mapping[str, str], _now: float) -> bool:
    """Check Bitbucket's signature; it sends none where no secret is set, which is refused."""
    return equal(headers.get("x-hub-signature", ""), f"sha256={_hex(secret.encode(), body)}")


def circleci(secret: str, body: bytes, headers: Mapping[str, str], _now: float) -> bool:
    """Check CircleCI's signature, one of a list."""
    good = f"v1={_hex(secret.encode(), body)}"
    given = headers.get("circleci-signature", "").split(",")
    return any(equal(one.strip(), good) for one in given)


def bearer(secret: str, _body: bytes, headers: Mapping[str, str], _now: float) -> bool:
    """Check a token; the password of basic authentication will do."""
    scheme, _, given = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).decode().partition(":")[2]
        except (binascii.Error, ValueError):
            return False
    elif scheme.lower() != "bearer":
        return False
    return bool(given.strip()) and equal(given.strip(), secret)


CHECKS: dict[str, Callable[[str, bytes, Mapping[str, str], float], bool]] = {
    "github": github,
    "gitea": gitea,
    "gitlab": gitlab,
    "mlflow": mlflow,
    "bitbucket": bitbucket,
    "circleci": circleci,
    "alertmanager": bearer,
    "retrain": bearer,
}
"""By sender, which is the last part of the path: ``/hooks/github``."""
