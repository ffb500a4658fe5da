"""Templates for a model's data streams: fields mapped, features kept flat, old indices deleted.

The mappings are the same for all models and one component of each one's template; what differs,
how long records are kept, is the model's own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from penstock.config.settings import Settings
from penstock.monitors.exports.streams import namespace

PRIORITY = 200
"""Above the 100 of Elasticsearch's built-in template for ``logs-*-*``."""
KEYWORD: dict[str, Any] = {"type": "keyword", "ignore_above": 1024}


def elasticsearch(root: Path, settings: Settings, url: str | None) -> dict[str, str]:
    """Return the lifecycle policy, the component and index templates, and how to install them."""
    del root, url
    days = max(round(settings.monitor.retention / 86_400.0), 1)
    model = settings.model.name
    return {
        "ilm-policy.json": _text(lifecycle(days)),
        "component-template.json": _text(component()),
        "index-template.json": _text(index(model)),
        "install.sh": _INSTALL.replace("MODEL", namespace(model)),
    }


def lifecycle(days: int) -> dict[str, Any]:
    """Return the policy that rolls indices over, and deletes them after some days."""
    hot = {"rollover": {"max_primary_shard_size": "50gb", "max_age": "1d"}}
    return {
        "policy": {
            "phases": {
                "hot": {"min_age": "0ms", "actions": hot},
                "delete": {"min_age": f"{days}d", "actions": {"delete": {}}},
            }
        }
    }


def component() -> dict[str, Any]:
    """Return mappings of all fields that penstock writes."""
    return {
        "template": {"mappings": {"dynamic": False, "properties": mappings()}},
        "_meta": {"description": "Fields that penstock writes, in the Elastic Common Schema"},
    }


def index(model: str) -> dict[str, Any]:
    """Return the template of a model's data streams."""
    name = namespace(model)
    return {
        "index_patterns": [f"logs-penstock.*-{name}"],
        "data_stream": {},
        "priority": PRIORITY,
        "composed_of": ["penstock-fields"],
        "template": {"settings": {"index.lifecycle.name": f"penstock-{name}"}},
        "_meta": {"description": f"Predictions, events and logs of {model}, by penstock"},
    }


FIELDS: dict[str, dict[str, Any]] = {
    "@timestamp": {"type": "date"},
    "data_stream.dataset": {"type": "constant_keyword"},
    "data_stream.namespace": {"type": "constant_keyword"},
    "data_stream.type": {"type": "constant_keyword"},
    "message": {"type": "match_only_text"},
    "ecs.version": KEYWORD,
    "error.code": KEYWORD,
    "error.message": {"type": "match_only_text"},
    "error.stack_trace": {"type": "wildcard"},
    "error.type": KEYWORD,
    "event.action": KEYWORD,
    "event.category": KEYWORD,
    "event.dataset": KEYWORD,
    "event.duration": {"type": "long"},
    "event.id": KEYWORD,
    "event.kind": KEYWORD,
    "event.outcome": KEYWORD,
    "event.reason": KEYWORD,
    "event.severity": {"type": "long"},
    "event.start": {"type": "date"},
    "event.type": KEYWORD,
    "host.name": KEYWORD,
    "http.request.id": KEYWORD,
    "http.response.status_code": {"type": "long"},
    "log.file.path": KEYWORD,
    "log.level": KEYWORD,
    "log.logger": KEYWORD,
    "log.origin.file.line": {"type": "long"},
    "log.origin.file.name": KEYWORD,
    "log.origin.function": KEYWORD,
    "process.exit_code": {"type": "long"},
    "process.pid": {"type": "long"},
    "process.thread.name": KEYWORD,
    "rule.name": KEYWORD,
    "service.environment": KEYWORD,
    "service.name": KEYWORD,
    "service.type": KEYWORD,
    "service.version": KEYWORD,
    "user.name": KEYWORD,
}
"""Fields of the Elastic Common Schema with the types that it gives them: those that penstock
writes, and those that Filebeat and Logstash add (`host.name`, `log.file.path`, `data_stream`)."""

OWN: dict[str, dict[str, Any]] = {
    "penstock.model": KEYWORD,
    "penstock.version": KEYWORD,
    "penstock.role": KEYWORD,
    "penstock.row": {"type": "integer"},
    "penstock.run": KEYWORD,
    "penstock.rollout": KEYWORD,
    "penstock.retraining": KEYWORD,
    "penstock.subject": KEYWORD,
    "penstock.cause": KEYWORD,
    "penstock.generation": {"type": "long"},
    "penstock.data": {"type": "flattened", "ignore_above": 1024},
    "penstock.features": {"type": "flattened", "ignore_above": 1024},
    "penstock.input.field": KEYWORD,
    "penstock.input.kind": KEYWORD,
    "penstock.input.values": {"type": "long"},
    "penstock.prediction.value": {"type": "double"},
    "penstock.prediction.text": KEYWORD,
    "penstock.label.value": {"type": "double"},
    "penstock.label.text": KEYWORD,
    "penstock.alert.severity": KEYWORD,
    "penstock.alert.value": {"type": "double"},
    "penstock.alert.threshold": {"type": "double"},
    "penstock.alert.command": KEYWORD,
}
"""Fields of penstock's own."""


def mappings() -> dict[str, Any]:
    """Return the fields as Elasticsearch nests them."""
    found: dict[str, Any] = {}
    for name, kind in {**FIELDS, **OWN, "labels": {"type": "object", "dynamic": True}}.items():
        *parents, last = name.split(".")
        place = found
        for one in parents:
            place = place.setdefault(one, {"properties": {}})["properties"]
        place[last] = kind
    return found


def _text(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2) + "\n"


_INSTALL = """#!/bin/sh
# Installs penstock's templates. ES is the address of Elasticsearch, ES_API_KEY a key for it.
set -eu
cd "$(dirname "$0")"
put() {
  curl --fail-with-body -sS -X PUT "${ES:?}/$1" -H "Authorization: ApiKey ${ES_API_KEY:?}" \\
    -H 'Content-Type: application/json' --data-binary "@$2"
  echo
}
put _ilm/policy/penstock-MODEL ilm-policy.json
put _component_template/penstock-fields component-template.json
put _index_template/penstock-MODEL index-template.json
"""
