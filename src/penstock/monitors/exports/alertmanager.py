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
                },
                {
                    "receiver": "people",
                    "matchers": ['severity="severe"'],
                    "repeat_interval": "1h",
                },
                # What `continue` passes on reaches the routes below, never the one above.
                {"receiver": "people"},
            ],
        },
        "inhibit_rules": [
            {
                # No worker: what the model does is not to blame.
                "source_matchers": ['alertname="PenstockNoWorkers"'],
                "target_matchers": ['alertname=~"PenstockErrors|PenstockSlow"'],
                "equal": ["model"],
            },
            {
                # Whom nobody watches is not asked why it is silent.
                "source_matchers": ['alertname="PenstockUnwatched"'],
                "target_matchers": ['alertname="PenstockMonitorSilent"'],
                "equal": ["model", "version"],
            },
        ],
        "receivers": [
            {"name": "people"},
            {"name": "penstock", "webhook_configs": [webhook]},
        ],
    }
    note = _NOTE.format(model=settings.model.name)
    return {"alertmanager.yml": note + dump(config) + _PEOPLE}


_NOTE = """# Alerts of {model}: to people, and those that ask for it back to penstock, which acts.
# 1. Give `people` a receiver of yours, see the end; as it stands, nobody is told.
# 2. penstock-token, beside this file, holds what `penstock watch` takes: a copy of
#    .penstock/watch.token, readable by Alertmanager alone.
"""
_PEOPLE = """# In the place of `- name: people`, one of:
# - name: people
#   slack_configs:
#   - api_url_file: slack-webhook
#     channel: '#models'
#     title: '{{ .CommonAnnotations.summary }}'
#     text: '{{ range .Alerts }}{{ .Annotations.summary }}: `{{ .Annotations.command }}`{{ end }}'
# - name: people
#   pagerduty_configs:
#   - routing_key_file: pagerduty-key
# - name: people
#   email_configs:          # needs global: smtp_smarthost and smtp_from
#   - to: models@example.org
"""
