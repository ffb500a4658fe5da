"""Configuration for other people's monitoring: Prometheus and Grafana, or the Elastic Stack.

Every name in it is one that penstock really uses. Which of it was proven against what is said in
docs/reference/monitoring.md.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from penstock.config.settings import Settings

_HOMES = {
    "prometheus": "prometheus",
    "alertmanager": "alertmanager",
    "grafana": "grafana",
    "filebeat": "shippers",
    "logstash": "shippers",
    "kibana": "kibana",
    "elasticsearch": "elasticsearch",
}
KINDS = tuple(_HOMES)


def files(kind: str, root: Path, settings: Settings, *, url: str | None = None) -> dict[str, str]:
    """Return the files of one kind: name -> text.

    Args:
        kind: of `KINDS`.
        root: of the project.
        settings: of the project.
        url: where penstock's webhooks are reached; by default this machine.
    """
    module = import_module(f"{__name__}.{_HOMES[kind]}")
    made: dict[str, str] = getattr(module, kind)(root, settings, url)
    return made
