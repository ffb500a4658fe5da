"""Webhooks of other systems: checked, read, and turned into requests."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.domain.trigger import Request, TriggerKind
from penstock.errors import UsageError
from penstock.triggers import alerts, signatures
from penstock.triggers.alerts import Demand

MOST_BYTES = 1_000_000
TAG = "penstock_action"
"""Tag of a model version in MLflow which, set to ``retrain``, asks for a retraining."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a webhook is answered.

    Attributes:
        status: of HTTP.
        words: for whoever sent it.
        requests: for a retraining.
        demands: for a rollback.
    """

    status: int
    words: str
    requests: tuple[Request, ...] = ()
    demands: tuple[Demand, ...] = field(default=())


def receive(
    sender: str,
    headers: Mapping[str, str],
    body: bytes,
    secrets: Mapping[str, str],
    now: float,
    *,
    branch: str | None = None,
    wanted: Collection[str] = ("webhook", "commit"),
) -> Answer:
    """Check and read one delivery. Nothing of the body is looked at before the check.

    Args:
        sender: one of `signatures.CHECKS`.
        headers: of the request.
        body: as it came over the wire.
        secrets: by sender; a sender without one is refused.
        now: seconds since the epoch.
        branch: whose commits ask for a retraining, None for all.
        wanted: kinds of triggers that the project wants.
    """
    check = signatures.CHECKS.get(sender)
    if check is None:
        return Answer(404, f"no such hook; known are {', '.join(sorted(signatures.CHECKS))}")
    secret = secrets.get(sender)
    if not secret:
        return Answer(403, f"no secret is set for {sender}")
    lower = {name.lower(): value for name, value in headers.items()}
    if not check(secret, body, lower, now):
        return Answer(401, "the signature or the token is wrong")
    try:
        item = json.loads(body)
    except (ValueError, RecursionError):
        return Answer(400, "the body is not JSON")
    if not isinstance(item, dict):
        return Answer(400, "the body is not a JSON object")
    try:
        return _read(sender, lower, item, body, now, branch, wanted)
    except UsageError as error:
        return Answer(400, error.message)


def _read(
    sender: str,
    headers: Mapping[str, str],
    item: dict[str, Any],
    body: bytes,
    now: float,
    branch: str | None,
    wanted: Collection[str],
) -> Answer:
    demands: list[Demand] = []
    if sender == "alertmanager":
        requests, demands = alerts.read(item, now)
    elif sender == "mlflow":
        requests = _mlflow(headers, item, now)
    elif sender == "retrain":
        requests = [_asked(item, body, now)]
    else:
        requests = _pushed(sender, item, branch, now)
    kept = tuple(one for one in requests if one.kind.value in wanted)
    if requests and not kept:
        kind = requests[0].kind.value
        return Answer(202, f"ignored: `retrain.triggers` does not list {kind}")
    if not kept and not demands:
        return Answer(202, "received; it asks for nothing")
    return Answer(202, "received", kept, tuple(demands))


def _mlflow(headers: Mapping[str, str], item: dict[str, Any], now: float) -> list[Request]:
    data = item.get("data")
    tagged = (item.get("entity"), item.get("action")) == ("model_version_tag", "set")
    if not isinstance(data, dict) or not tagged:
        return []
    if (data.get("key"), data.get("value")) != (TAG, alerts.RETRAIN):
        return []
    delivery = headers.get("x-mlflow-delivery-id", "")
    reason = f"MLflow: version {data.get('version')} of {data.get('name')} is tagged {TAG}=retrain"
    return [Request(f"mlflow:{delivery}", TriggerKind.WEBHOOK, reason, now)]


def _asked(item: dict[str, Any], body: bytes, now: float) -> Request:
    """Read penstock's own hook: ``{"reason": ..., "key": ...}``."""
    key = str(item.get("key") or hashlib.sha256(body).hexdigest()[:16])
    reason = str(item.get("reason") or "asked for by webhook")
    since = item.get("since")
    data = {"since": float(since)} if isinstance(since, int | float) else {}
    return Request(f"webhook:{key}", TriggerKind.WEBHOOK, reason, now, data=data)


def _pushed(sender: str, item: dict[str, Any], branch: str | None, now: float) -> list[Request]:
    found = _PUSHES[sender](item)
    if found is None:
        return []
    name, commit, subject = found
    if set(commit) <= {"0"} or (branch is not None and name != branch):
        return []
    reason = f"commit {commit[:10]} on {name}: {subject}"
    return [Request(f"commit:{commit}", TriggerKind.COMMIT, reason, now, data={"commit": commit})]


_Push = tuple[str, str, str]
"""Branch, commit, first line of its message."""


def _github(item: dict[str, Any]) -> _Push | None:
    ref, commit = item.get("ref"), item.get("after")
    if not isinstance(ref, str) or not isinstance(commit, str):
        return None
    if not ref.startswith("refs/heads/"):
        return None
    head = item.get("head_commit")
    said = head.get("message") if isinstance(head, dict) else None
    if said is None:
        said = next(
            (one.get("message") for one in item.get("commits") or () if one.get("id") == commit), ""
        )
    return ref.removeprefix("refs/heads/"), commit, _title(said)


def _gitlab(item: dict[str, Any]) -> _Push | None:
    return _github(item) if item.get("object_kind") == "push" else None


def _bitbucket(item: dict[str, Any]) -> _Push | None:
    push = item.get("push")
    for change in (push.get("changes") or ()) if isinstance(push, dict) else ():
        new = change.get("new")
        if isinstance(new, dict) and new.get("type") == "branch":
            target = new.get("target") or {}
            return str(new.get("name")), str(target.get("hash")), _title(target.get("message"))
    return None


def _circleci(item: dict[str, Any]) -> _Push | None:
    workflow, line = item.get("workflow"), item.get("pipeline")
    vcs = line.get("vcs") if isinstance(line, dict) else None
    good = isinstance(workflow, dict) and workflow.get("status") == "success"
    if item.get("type") != "workflow-completed" or not good or not isinstance(vcs, dict):
        return None
    commit = vcs.get("commit")
    said = commit.get("subject") if isinstance(commit, dict) else ""
    return str(vcs.get("branch")), str(vcs.get("revision")), _title(said)


_PUSHES: dict[str, Callable[[dict[str, Any]], _Push | None]] = {
    "github": _github,
    "gitea": _github,
    "gitlab": _gitlab,
    "bitbucket": _bitbucket,
    "circleci": _circleci,
}


def _title(message: Any) -> str:
    return str(message or "").strip().partition("\n")[0][:100]
