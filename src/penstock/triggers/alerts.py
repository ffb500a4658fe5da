"""Alertmanager's webhook, version 4: alerts that ask for something.

An alert asks by its label ``penstock_action``: ``retrain``, ``rollback`` or ``page`` (which asks
for nothing). Firing again and again, as Alertmanager repeats itself, is one alert: it is known by
its fingerprint and when it started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from penstock.domain.trigger import Request, TriggerKind
from penstock.errors import UsageError

ACTION = "penstock_action"
RETRAIN, ROLLBACK, PAGE = "retrain", "rollback", "page"


@dataclass(frozen=True, slots=True)
class Demand:
    """A wish for a rollback.

    Attributes:
        key: what makes two of them the same one.
        reason: in words.
    """

    key: str
    reason: str


def read(body: Any, now: float) -> tuple[list[Request], list[Demand]]:
    """Return what the alerts of a notification ask for.

    Args:
        body: the notification, parsed.
        now: seconds since the epoch.

    Raises:
        UsageError: ``webhook.body`` when it is no notification of version 4.
    """
    alerts = body.get("alerts") if isinstance(body, Mapping) else None
    if not isinstance(alerts, list) or body.get("version") != "4":
        raise UsageError(
            "this is not a notification of Alertmanager, version 4",
            code="webhook.body",
            hint="point a webhook_configs receiver of Alertmanager here",
        )
    requests: list[Request] = []
    demands: list[Demand] = []
    for alert in alerts:
        if not isinstance(alert, Mapping) or alert.get("status") != "firing":
            continue
        labels = _texts(alert.get("labels"))
        key = f"alert:{alert.get('fingerprint') or labels}@{alert.get('startsAt')}"
        reason = _reason(labels, _texts(alert.get("annotations")))
        action = labels.get(ACTION)
        if action == ROLLBACK:
            demands.append(Demand(key, reason))
        elif action == RETRAIN:
            since = _epoch(alert.get("startsAt"))
            data = {"since": since, "labels": labels} if since else {"labels": labels}
            requests.append(Request(key, TriggerKind.WEBHOOK, reason, now, data=data))
    return requests, demands


def _reason(labels: Mapping[str, str], annotations: Mapping[str, str]) -> str:
    said = annotations.get("summary") or annotations.get("description")
    name = labels.get("alertname", "an alert")
    return f"alert {name}: {said}" if said else f"alert {name}"


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        return {}
    return {str(key): str(one) for key, one in value.items()}


def _epoch(text: Any) -> float | None:
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None
