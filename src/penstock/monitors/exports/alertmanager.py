"""Where Alertmanager sends penstock's alerts: to people, and back to penstock to act."""

from __future__ import annotations

from pathlib import Path

from penstock.config.settings import Settings
from penstock.monitors.exports.prometheus import dump

WEBHOOK = "/hooks/alertmanager"
"""Path at which penstock takes Alertmanager's webhook."""


def alertmanager(root: Path, settings: Settings, url: str | None) -> dict[str, str]:
    """Return alertmanager.yml."""
    del root
    base = (url or "http://127.0.0.1:8790").rstrip("/")
    grouped = ["model", "version", "alertname"]
    webhook = {
        "url": f"{base}{WEBHOOK}",
        "send_resolved": True,
        "http_config": {"authorization": {"type": "Bearer", "credentials_file": "penstock-token"}},
    }
    config = {
        "route": {
            "receiver": "people",
            "group_by": grouped,
            "group_wait": "30s",
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [
                {
                    "receiver": "penstock",
                    "matchers": ['penstock_action=~"retrain|rollback"'],
                    "continue": True,
                    "group_wait": "10s",
                }
            ],
        },
        "inhibit_rules": [
            {
                # No traffic, no worker: what the model does is not to blame.
                "source_matchers": ['alertname=~"PenstockGatewayDown|PenstockNoWorkers"'],
                "target_matchers": ['alertname=~"PenstockErrors|PenstockSlow"'],
                "equal": ["model"],
            }
        ],
        "receivers": [
            {"name": "people"},
            {"name": "penstock", "webhook_configs": [webhook]},
        ],
    }
    note = (
        f"# Alerts of {settings.model.name}. Give `people` a receiver of yours (e-mail, Slack,\n"
        "# PagerDuty), and put penstock's token into the file penstock-token beside this one.\n"
    )
    return {"alertmanager.yml": note + dump(config)}
