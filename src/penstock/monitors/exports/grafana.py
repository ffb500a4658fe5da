"""A Grafana dashboard, and the files by which Grafana finds it and its data source.

The dashboard was built by `penstock.monitors.exports.dashboard`; here it is read, and gets the name
of the model.
"""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

from penstock.config.settings import Settings
from penstock.monitors.exports.prometheus import dump

LONGEST_UID = 40
"""Of Grafana."""
VARIABLES = {"$__rate_interval": "1m", "$__range": "1h"}
"""What Grafana fills in, as for a panel of the last hour."""


def grafana(root: Path, settings: Settings, url: str | None) -> dict[str, str]:
    """Return the dashboard, and the files that make Grafana find it and its data source."""
    del root, url
    return {
        "penstock.json": json.dumps(dashboard(settings.model.name), indent=2) + "\n",
        "provisioning/dashboards/penstock.yaml": _PROVIDER + dump(_provider()),
        "provisioning/datasources/penstock.yaml": _SOURCE + dump(_source()),
    }


def dashboard(model: str) -> dict[str, Any]:
    """Return the dashboard of a model, as `POST /api/dashboards/db` and provisioning take it."""
    text = files(__package__).joinpath("dashboard.json").read_text(encoding="utf-8")
    made: dict[str, Any] = json.loads(text)
    # Each model has a dashboard of its own, so that exports of two projects live side by side.
    made["uid"] = re.sub(r"[^A-Za-z0-9_-]", "-", f"penstock-{model}")[:LONGEST_UID]
    made["title"] = f"Penstock: {model}"
    for variable in made["templating"]["list"]:
        if variable["name"] == "model":
            variable["current"] = {"text": model, "value": model}
    return made


def expressions(model: str) -> list[str]:
    """Return every PromQL expression of the dashboard, with its variables filled in."""
    made = dashboard(model)
    found = [one["expr"] for panel in made["panels"] for one in panel.get("targets", ())]
    found += [one["expr"] for one in made["annotations"]["list"]]
    for name, value in {"$model": model, **VARIABLES}.items():
        found = [one.replace(name, value) for one in found]
    return found


def _provider() -> dict[str, Any]:
    return {
        "apiVersion": 1,
        "providers": [
            {
                "name": "penstock",
                "folder": "Penstock",
                "type": "file",
                "allowUiUpdates": False,
                "options": {"path": "/var/lib/grafana/dashboards/penstock"},
            }
        ],
    }


def _source() -> dict[str, Any]:
    return {
        "apiVersion": 1,
        "datasources": [
            {
                "name": "Prometheus",
                "type": "prometheus",
                "access": "proxy",
                "url": "http://127.0.0.1:9090",
                "jsonData": {"timeInterval": "15s", "httpMethod": "POST"},
            }
        ],
    }


_PROVIDER = """# Goes to /etc/grafana/provisioning/dashboards; put penstock.json into `path`.
"""
_SOURCE = """# Goes to /etc/grafana/provisioning/datasources, where Grafana has no Prometheus yet.
# timeInterval is the scrape interval of prometheus.yml.
"""
