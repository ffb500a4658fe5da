"""A Grafana dashboard: traffic, model and alerts on one page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.config.settings import Settings

_WHO = 'model="$model"'
Query = tuple[str, str]
"""A PromQL expression and the legend of its series."""
_PREDICTED = f'rate(penstock_predictions_total{{{_WHO},role="champion"}}[5m])'
_SHARES = (
    f"sum by (prediction) ({_PREDICTED}) / ignoring (prediction) group_left sum ({_PREDICTED})"
)
_MEDIAN = (
    "histogram_quantile(0.5, sum by (version, le) "
    f"(rate(penstock_request_seconds_bucket{{{_WHO}}}[5m])))"
)

PANELS: tuple[tuple[str, str, str, int, tuple[Query, ...]], ...] = (
    ("Champion", "stat", "none", 4, (
        (f"max by (version) (penstock_champion_since_timestamp_seconds{{{_WHO}}}) * 0 + 1",
         "version {{version}}"),)),
    ("Alerts open", "stat", "none", 4, (
        (f"sum by (severity) (penstock_alerts_open{{{_WHO}}})", "{{severity}}"),)),
    ("Features drifted", "stat", "none", 4, (
        (f"penstock_drift_features_drifted{{{_WHO}}}", "version {{version}}"),)),
    ("Share of errors", "stat", "percentunit", 4, (
        (f'penstock:errors:ratio5m{{{_WHO},role="champion"}}', "version {{version}}"),)),
    ("99th percentile of latency", "stat", "s", 4, (
        (f'penstock:latency_seconds:p99_5m{{{_WHO},role="champion"}}', "version {{version}}"),)),
    ("Workers ready", "stat", "none", 4, (
        (f"penstock_workers_ready{{{_WHO}}}", "version {{version}}"),)),
    ("Requests", "timeseries", "reqps", 12, (
        (f"penstock:requests:rate5m{{{_WHO}}}", "version {{version}}, {{role}}"),)),
    ("Latency", "timeseries", "s", 12, (
        (_MEDIAN, "median, version {{version}}"),
        (f"penstock:latency_seconds:p99_5m{{{_WHO}}}", "99 %, version {{version}}, {{role}}"))),
    ("Drift: exceedance by feature (above 1 is an alarm)", "timeseries", "none", 12, (
        (f"topk(10, penstock_drift_exceedance_ratio{{{_WHO}}})", "{{feature}}"),)),
    ("Predictions by class or bin", "timeseries", "percentunit", 12, (
        (_SHARES, "{{prediction}}"),)),
    ("Loss: realised beside estimated without labels", "timeseries", "none", 12, (
        (f"penstock_realized_loss{{{_WHO}}}", "realised {{metric}}, version {{version}}"),
        (f"penstock_estimated_loss{{{_WHO}}}", "estimated {{metric}}, version {{version}}"))),
    ("Traffic of the challenger", "timeseries", "percent", 12, (
        ("penstock_split_wanted_percent", "wanted"),
        ("penstock_split_observed_percent", "observed"))),
    ("Checks of live data that failed", "timeseries", "none", 12, (
        (f"penstock_validation_failed{{{_WHO}}}", "{{check}}"),)),
    ("Prediction log: written and lost", "timeseries", "reqps", 12, (
        ("rate(penstock_log_written_total[5m])", "written"),
        ("rate(penstock_log_dropped_total[5m])", "lost"))),
)  # fmt: skip
"""Title, kind, unit, width of 24, queries."""


def grafana(root: Path, settings: Settings, url: str | None) -> dict[str, str]:
    """Return the dashboard, and the files that make Grafana find it and its data source."""
    del root, url
    return {"penstock.json": json.dumps(dashboard(settings.model.name), indent=2) + "\n"}


def dashboard(model: str) -> dict[str, Any]:
    """Return the dashboard's model, as `POST /api/dashboards/db` and provisioning take it."""
    panels: list[dict[str, Any]] = []
    x = y = height = 0
    for number, (title, kind, unit, width, queries) in enumerate(PANELS, 1):
        if x + width > 24:
            x, y = 0, y + height
        height = 4 if kind == "stat" else 8
        panels.append(_panel(number, title, kind, unit, (x, y, width, height), queries))
        x += width
    return {
        "uid": "penstock",
        "title": f"Penstock: {model}",
        "tags": ["penstock", "machine learning"],
        "timezone": "browser",
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": [_source(), _models(model)]},
        "annotations": {"list": [_changes()]},
        "panels": panels,
    }


def expressions(model: str) -> list[str]:
    """Return every PromQL expression of the dashboard, with the model filled in."""
    changes = str(_changes()["expr"])
    found = [expr for *_, queries in PANELS for expr, _ in queries]
    return [one.replace("$model", model) for one in [*found, changes]]


def _panel(
    number: int,
    title: str,
    kind: str,
    unit: str,
    place: tuple[int, int, int, int],
    queries: tuple[Query, ...],
) -> dict[str, Any]:
    x, y, width, height = place
    source = {"type": "prometheus", "uid": "${source}"}
    panel: dict[str, Any] = {
        "id": number,
        "type": kind,
        "title": title,
        "datasource": source,
        "gridPos": {"x": x, "y": y, "w": width, "h": height},
        "targets": [
            {"refId": chr(ord("A") + k), "datasource": source, "expr": expr, "legendFormat": legend}
            for k, (expr, legend) in enumerate(queries)
        ],
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {},
    }
    if kind == "stat":
        panel["options"] = {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "textMode": "value_and_name",
            "colorMode": "value",
            "graphMode": "none",
        }
    else:
        panel["options"] = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return panel


def _source() -> dict[str, Any]:
    return {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _models(model: str) -> dict[str, Any]:
    return {
        "name": "model",
        "label": "Model",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": {"query": "label_values(penstock_model_info, model)", "refId": "models"},
        "refresh": 2,
        "current": {"text": model, "value": model},
    }


def _changes() -> dict[str, Any]:
    """Return what marks a change of champion on every panel."""
    return {
        "name": "New champion",
        "enable": True,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "expr": f"changes(penstock_champion_since_timestamp_seconds{{{_WHO}}}[5m]) > 0",
        "titleFormat": "version {{version}} is champion",
        "iconColor": "blue",
    }
