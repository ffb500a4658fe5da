"""Telling people: the log, a webhook (CloudEvents), Slack's format, or e-mail.

What is told at least once may be told twice after a crash; the id of an alert stays the same, so
receivers can drop repetitions. Addresses and secrets are taken from the environment when they are
used and are never written down.
"""

from __future__ import annotations

import json
import os
import smtplib
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from penstock.config.settings import NotifierSettings
from penstock.errors import ConfigError, UnavailableError
from penstock.logs import FULL, append, timestamp
from penstock.monitors.alerts import SEVERITIES, Alert
from penstock.monitors.ecs import alert_line
from penstock.monitors.interface import NotifierFactory

TIMEOUT = 10.0
SMTP = "PENSTOCK_SMTP_URL"
"""Variable with the mail server: ``smtp[s]://[user:password@]host[:port][?from=address]``."""
FIRING = "firing"
RESOLVED = "resolved"


def wanted(one: NotifierSettings, alert: Alert) -> bool:
    """Tell whether somebody is to be told of alerts of this severity."""
    return SEVERITIES.index(alert.severity) >= SEVERITIES.index(one.level)


def tell(one: NotifierSettings, alert: Alert, status: str, *, root: Path) -> None:
    """Tell one receiver of one alert.

    Args:
        one: whom and how.
        alert: what.
        status: ``firing`` or ``resolved``.
        root: of the project, for the log.

    Raises:
        UnavailableError: ``monitor.cannot-tell``: it was not received; try again later.
        ConfigError: ``monitor.unknown-variable``.
        PluginError: nobody provides this kind.
    """
    from penstock import plugins

    made: NotifierFactory = plugins.load("penstock.notifiers", one.kind)
    try:
        made(one.to, root=root).tell(alert, status)
    except (OSError, smtplib.SMTPException, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise UnavailableError(
            f"an alert could not be told by {one.kind}: {reason}",
            code="monitor.cannot-tell",
            hint=f"it is kept and told at the next look; is {one.to or 'the disk'} right?",
        ) from error


@dataclass(frozen=True, slots=True)
class LogNotifier:
    """Appends a line of ECS to ``.penstock/logs/alerts.ndjson``."""

    to: str
    root: Path

    def tell(self, alert: Alert, status: str) -> None:
        """Append one line."""
        path = self.root / ".penstock" / "logs" / "alerts.ndjson"
        append(path, [alert_line(alert, status)], full=FULL)


@dataclass(frozen=True, slots=True)
class WebhookNotifier:
    """Posts a CloudEvent."""

    to: str
    root: Path

    def tell(self, alert: Alert, status: str) -> None:
        """Post one event."""
        kind = "application/cloudevents+json"
        _post(address(self.to), cloud_event(alert, status), kind)


@dataclass(frozen=True, slots=True)
class SlackNotifier:
    """Posts a message as Slack's incoming webhooks take it."""

    to: str
    root: Path

    def tell(self, alert: Alert, status: str) -> None:
        """Post one message."""
        _post(address(self.to), slack(alert, status), "application/json")


@dataclass(frozen=True, slots=True)
class EmailNotifier:
    """Sends a letter."""

    to: str
    root: Path

    def tell(self, alert: Alert, status: str) -> None:
        """Send one letter."""
        _mail(address(self.to), alert, status)


def address(to: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return an address with ``$NAME`` filled in from the environment.

    Raises:
        ConfigError: ``monitor.unknown-variable`` when there is none of this name.

    >>> address("https://example.org/$TOKEN", {"TOKEN": "x1"})
    'https://example.org/x1'
    """
    import re

    def value(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in environment:
            raise ConfigError(
                f"${name} is not set in the environment",
                code="monitor.unknown-variable",
                hint=f"export {name}=... where penstock runs; monitor.notify names it",
            )
        return environment[name]

    return re.sub(r"\$(?:(\w+)|\{(\w+)\})", value, to)


def cloud_event(alert: Alert, status: str) -> dict[str, Any]:
    """Return an alert as a CloudEvent 1.0 in structured form."""
    happened = "raised" if status == FIRING else "resolved"
    return {
        "specversion": "1.0",
        "id": f"{alert.id}/{status}",
        "source": f"/penstock/{alert.model}",
        "type": f"dev.penstock.alert.{happened}.v1",
        "subject": f"{alert.model}/{alert.version}",
        "time": timestamp(alert.resolved or alert.raised or time.time()),
        "datacontenttype": "application/json",
        "data": {**alert.to_dict(), "status": status},
    }


def slack(alert: Alert, status: str) -> dict[str, Any]:
    """Return an alert in the form of Slack's incoming webhooks."""
    return {"text": f"*{title(alert, status)}*\n{body(alert)}"}


def title(alert: Alert, status: str) -> str:
    """Return one line: who, what, how bad.

    >>> title(Alert("drift", "severe", "age drifted", 0.0, model="mini", version="3"), "firing")
    '[severe] mini version 3: age drifted'
    """
    sign = "over" if status == RESOLVED else alert.severity
    return f"[{sign}] {alert.model} version {alert.version}: {alert.what}"


def body(alert: Alert) -> str:
    """Return the rest: since when, how much, why, what to do."""
    lines = [f"Since: {timestamp(alert.since)}"]
    if alert.told > 1 and alert.fresh:
        lines.append(f"New: {', '.join(alert.fresh)}")
    if alert.amount:
        lines.append(f"How much: {alert.amount}")
    if alert.cause:
        lines.append(f"Likely cause: {alert.cause}")
    if alert.command:
        lines.append(f"What to do: {alert.command}")
    return "\n".join(lines)


def _post(url: str, item: dict[str, Any], kind: str) -> None:
    parsed = urlparse(url)
    if parsed.scheme not in {"http", "https"}:
        raise ConfigError(
            f"{parsed.scheme or 'nothing'} is no way to reach a webhook",
            code="monitor.wrong-address",
            hint="monitor.notify wants an address that begins with https:// or http://",
        )
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        url, json.dumps(item).encode(), {"Content-Type": kind, "User-Agent": "penstock"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        answer.read()


def _mail(to: str, alert: Alert, status: str) -> None:
    server = urlparse(os.environ.get(SMTP, "smtp://localhost:25"))
    host = server.hostname or "localhost"
    message = EmailMessage()
    message["Subject"] = title(alert, status)
    message["From"] = unquote(server.query.partition("from=")[2]) or f"penstock@{host}"
    message["To"] = to
    message["Date"] = format_datetime(datetime.fromtimestamp(alert.resolved or alert.raised, UTC))
    message["Message-ID"] = f"<{sha256(alert.id.encode()).hexdigest()[:24]}.{status}@penstock>"
    message.set_content(f"{alert.what}\n\n{body(alert)}\n")
    secure = server.scheme == "smtps"
    kind = smtplib.SMTP_SSL if secure else smtplib.SMTP
    with kind(host, server.port or (465 if secure else 25), timeout=TIMEOUT) as connection:
        if not secure and connection.has_extn("starttls"):
            connection.starttls()
        if server.username:
            connection.login(unquote(server.username), unquote(server.password or ""))
        connection.send_message(message)
