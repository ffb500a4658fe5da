"""Webhooks: the senders' own test vectors, forgeries, and what each delivery asks for."""

import base64
import hashlib
import hmac
import json

import pytest

from penstock.domain.trigger import TriggerKind
from penstock.triggers import signatures, webhooks

NOW = 1_764_000_000.0
SECRET = "s3cret"
KEY = SECRET.encode()
SHA = "c0ffee" + "0" * 34


def hexed(body, secret=SECRET):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def based(text, secret=KEY):
    return base64.b64encode(hmac.new(secret, text, hashlib.sha256).digest()).decode()


def signed(sender, body, now=NOW):
    """Return the headers that a sender would send."""
    stamp = str(int(now))
    return {
        "github": {"X-Hub-Signature-256": f"sha256={hexed(body)}"},
        "gitea": {"X-Gitea-Signature": hexed(body)},
        "bitbucket": {"X-Hub-Signature": f"sha256={hexed(body)}"},
        "circleci": {"circleci-signature": f"v0=old,v1={hexed(body)}"},
        "gitlab": {
            "webhook-id": "msg_1",
            "webhook-timestamp": stamp,
            "webhook-signature": f"v1,AAAA v1,{based(f'msg_1.{stamp}.'.encode() + body)}",
        },
        "mlflow": {
            "X-MLflow-Delivery-Id": "d-1",
            "X-MLflow-Timestamp": stamp,
            "X-MLflow-Signature": f"v1,{based(f'd-1.{stamp}.'.encode() + body)}",
        },
        "alertmanager": {"Authorization": f"Bearer {SECRET}"},
        "retrain": {
            "Authorization": f"Basic {base64.b64encode(b'me:' + SECRET.encode()).decode()}"
        },
    }[sender]


PUSH = {"ref": "refs/heads/main", "after": SHA, "head_commit": {"message": "Fix it\n\nMore"}}
ALERT = {
    "status": "firing",
    "labels": {"alertname": "Drift", "penstock_action": "retrain"},
    "annotations": {"summary": "wind drifts"},
    "startsAt": "2026-11-24T20:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
    "fingerprint": "f1",
}
BODIES = {
    "github": PUSH,
    "gitea": PUSH,
    "gitlab": {**PUSH, "object_kind": "push", "head_commit": None,
               "commits": [{"id": SHA, "message": "Fix it"}]},
    "bitbucket": {"push": {"changes": [{"new": {"type": "branch", "name": "main",
                  "target": {"hash": SHA, "message": "Fix it"}}}]}},
    "circleci": {"type": "workflow-completed", "workflow": {"status": "success"},
                 "pipeline": {"vcs": {"branch": "main", "revision": SHA,
                                      "commit": {"subject": "Fix it"}}}},
    "mlflow": {"entity": "model_version_tag", "action": "set",
               "data": {"name": "m", "version": "3", "key": "penstock_action", "value": "retrain"}},
    "alertmanager": {"version": "4", "status": "firing", "alerts": [ALERT]},
    "retrain": {"reason": "new season", "key": "season-7", "since": 5},
}  # fmt: skip
KEYS = {
    **dict.fromkeys(("github", "gitea", "gitlab", "bitbucket", "circleci"), f"commit:{SHA}"),
    "mlflow": "mlflow:d-1",
    "alertmanager": "alert:f1@2026-11-24T20:00:00Z",
    "retrain": "webhook:season-7",
}
SECRETS = dict.fromkeys(signatures.CHECKS, SECRET)


def deliver(sender, item, headers=None, **how):
    body = json.dumps(item).encode()
    given = signed(sender, body) if headers is None else headers
    return webhooks.receive(sender, given, body, SECRETS, NOW, branch="main", **how)


@pytest.mark.parametrize("sender", sorted(signatures.CHECKS))
def test_a_signed_delivery_asks_with_its_key(sender):
    answer = deliver(sender, BODIES[sender])
    assert answer.status == 202
    (asked,) = answer.requests
    assert asked.key == KEYS[sender]
    commits = asked.key.startswith("commit:")
    assert asked.kind is (TriggerKind.COMMIT if commits else TriggerKind.WEBHOOK)
    if commits:
        assert asked.reason == f"commit {SHA[:10]} on main: Fix it"


@pytest.mark.parametrize("sender", sorted(signatures.CHECKS))
def test_forged_unsigned_and_stale_deliveries_are_refused(sender):
    body = json.dumps(BODIES[sender]).encode()
    good = signed(sender, body)
    assert deliver(sender, BODIES[sender], {}).status == 401
    for name, value in good.items():
        if name.lower() == "webhook-id":
            continue
        broken = {**good, name: value[:-2] + ("AA" if not value.endswith("AA") else "BB")}
        assert deliver(sender, BODIES[sender], broken).status == 401, name
    if signatures.CHECKS[sender] is not signatures.bearer:
        assert webhooks.receive(sender, good, body + b" ", SECRETS, NOW).status == 401
    if sender in ("gitlab", "mlflow"):
        assert webhooks.receive(sender, good, body, SECRETS, NOW + 301).status == 401
    assert webhooks.receive(sender, good, body, {}, NOW).status == 403
    assert webhooks.receive("unknown", good, body, SECRETS, NOW).status == 404


def test_the_vector_of_githubs_documentation():
    known = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    secret, body = "It's a Secret to Everybody", b"Hello, World!"
    for check, name, prefix in (
        (signatures.github, "x-hub-signature-256", "sha256="),
        (signatures.bitbucket, "x-hub-signature", "sha256="),
        (signatures.gitea, "x-gitea-signature", ""),
        (signatures.gitea, "x-forgejo-signature", ""),
        (signatures.gitea, "x-hub-signature-256", "sha256="),
        (signatures.circleci, "circleci-signature", "v1="),
    ):
        assert check(secret, body, {name: prefix + known}, NOW)
        assert not check(secret + "x", body, {name: prefix + known}, NOW)
        assert not check(secret, body, {name: ""}, NOW)


def test_gitlabs_token_may_be_raw_or_decoded_or_the_old_one():
    key = b"a key of some bytes, 32 or so..."
    token = f"whsec_{base64.b64encode(key).decode()}"
    text = f"m.{int(NOW)}.".encode() + b"{}"
    headers = {"webhook-id": "m", "webhook-timestamp": str(int(NOW))}
    for used in (key, token.encode()):
        given = {**headers, "webhook-signature": f"v1,{based(text, used)}"}
        assert signatures.gitlab(token, b"{}", given, NOW)
    assert signatures.gitlab("old", b"{}", {"x-gitlab-token": "old"}, NOW)
    assert not signatures.gitlab("old", b"{}", {"x-gitlab-token": "new"}, NOW)


@pytest.mark.parametrize(
    ("sender", "item"),
    [
        ("github", {**PUSH, "ref": "refs/heads/other"}),
        ("github", {**PUSH, "ref": "refs/tags/v1"}),
        ("github", {**PUSH, "after": "0" * 40}),
        ("github", {"zen": "Keep it logically awesome."}),
        ("gitlab", {**PUSH, "object_kind": "tag_push"}),
        ("circleci", {"type": "job-completed"}),
        ("mlflow", {"entity": "model_version", "action": "created", "data": {}}),
        ("alertmanager", {"version": "4", "alerts": [{**ALERT, "status": "resolved"}]}),
        ("alertmanager", {"version": "4", "alerts": [{**ALERT, "labels": {"alertname": "x"}}]}),
    ],
)
def test_deliveries_that_ask_for_nothing_are_taken_and_let_pass(sender, item):
    answer = deliver(sender, item)
    assert answer.status == 202
    assert answer.requests == answer.demands == ()


def test_alerts_may_ask_for_a_rollback_and_bad_bodies_are_told():
    labels = {"alertname": "Errors", "penstock_action": "rollback"}
    answer = deliver("alertmanager", {"version": "4", "alerts": [{**ALERT, "labels": labels}]})
    assert answer.requests == ()
    assert answer.demands[0].reason == "alert Errors: wind drifts"
    assert deliver("alertmanager", {"version": "3", "alerts": []}).status == 400
    assert deliver("alertmanager", [1]).status == 400
    bad = b"{not json"
    assert webhooks.receive("github", signed("github", bad), bad, SECRETS, NOW).status == 400
    ignored = deliver("retrain", BODIES["retrain"], wanted=("data",))
    assert ignored.requests == ()
    assert "does not list webhook" in ignored.words
