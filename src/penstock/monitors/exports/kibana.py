"""Saved objects for Kibana: data views and searches over penstock's data streams.

They are imported with ``POST /api/saved_objects/_import`` (header ``kbn-xsrf: true``).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.config.settings import Settings

_VIEWS = {
    "penstock-predictions": ("logs-penstock.predictions-*", "Penstock predictions"),
    "penstock-events": ("logs-penstock.events-*", "Penstock events"),
    "penstock-log": ("logs-penstock.log-*", "Penstock's own processes"),
}


def kibana(root: Path, settings: Settings, url: str | None) -> dict[str, str]:
    """Return one NDJSON file of saved objects."""
    del root, url
    objects = [*(_view(id, *what) for id, what in _VIEWS.items()), *_searches(settings.model.name)]
    return {"penstock.ndjson": "".join(json.dumps(one) + "\n" for one in objects)}


def _view(id: str, pattern: str, title: str) -> dict[str, Any]:
    return {
        "type": "index-pattern",
        "id": id,
        "attributes": {"title": pattern, "name": title, "timeFieldName": "@timestamp"},
        "references": [],
    }


def _searches(model: str) -> list[dict[str, Any]]:
    who = f'penstock.model : "{model}"'
    predictions = ["penstock.version", "penstock.role", "penstock.prediction.value",
                   "penstock.label.value", "event.duration", "http.request.id"]  # fmt: skip
    return [
        _search("penstock-all-predictions", f"Predictions of {model}", "penstock-predictions",
                who, predictions),
        _search("penstock-failed-predictions", f"Failed predictions of {model}",
                "penstock-predictions", f'{who} and event.outcome : "failure"',
                ["penstock.version", "http.response.status_code", "http.request.id"]),
        _search("penstock-alerts", f"Alerts of {model}", "penstock-events",
                f'{who} and event.kind : "alert"',
                ["log.level", "rule.name", "message", "event.reason", "penstock.alert.command"]),
        _search("penstock-story", f"What happened to {model}", "penstock-events",
                'event.dataset : "penstock.events"',
                ["event.action", "message", "penstock.run", "penstock.version", "user.name"]),
        _search("penstock-troubles", "Troubles of penstock's processes", "penstock-log",
                'log.level : ("warn" or "error")',
                ["log.level", "log.logger", "message", "penstock.version", "error.message"]),
    ]  # fmt: skip


def _search(id: str, title: str, view: str, query: str, columns: list[str]) -> dict[str, Any]:
    source = {
        "query": {"query": query, "language": "kuery"},
        "filter": [],
        "indexRefName": "kibanaSavedObjectMeta.searchSourceJSON.index",
    }
    return {
        "type": "search",
        "id": id,
        "attributes": {
            "title": title,
            "columns": columns,
            "sort": [["@timestamp", "desc"]],
            "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
        },
        "references": [
            {
                "type": "index-pattern",
                "id": view,
                "name": "kibanaSavedObjectMeta.searchSourceJSON.index",
            }
        ],
    }
