"""Saved objects for Kibana: data views, searches, and a dashboard over a model's data streams.

They are imported with ``POST /api/saved_objects/_import`` (header ``kbn-xsrf: true``), by Kibana
8.8 and later. Ids are made of the model's name: an import replaces what an earlier one of the same
model brought, and nothing of another model.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.config.settings import Settings
from penstock.monitors.exports.kibana_panels import ABOUT, Panel, rows
from penstock.monitors.exports.streams import namespace, stream

CORE = "8.8.0"
"""Version of Kibana that the objects are written for; later ones migrate them."""
TYPES = {"index-pattern": "8.0.0", "search": "7.9.3", "dashboard": "8.7.0"}
"""Last migration of each type that the objects need not go through."""
WIDTH = 48
"""Columns of a dashboard's grid."""
_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index"


@dataclass(frozen=True, slots=True)
class _Search:
    """A saved search: its data set, title, query and columns."""

    data: str
    title: str
    query: str
    columns: tuple[str, ...]


_SEARCHES = {
    "all-predictions": _Search(
        "predictions", "every prediction", "",
        ("penstock.version", "penstock.role", "penstock.prediction.value",
         "penstock.prediction.text", "event.duration", "http.request.id", "penstock.run"),
    ),
    "failed-predictions": _Search(
        "predictions", "requests that failed", 'event.outcome : "failure"',
        ("penstock.version", "penstock.role", "http.response.status_code", "event.duration",
         "http.request.id", "penstock.run"),
    ),
    "alerts": _Search(
        "events", "alerts", 'event.kind : "alert"',
        ("penstock.alert.severity", "event.action", "rule.name", "message", "event.reason",
         "penstock.alert.command", "penstock.version"),
    ),
    "story": _Search(
        "events", "what happened", "",
        ("event.action", "event.outcome", "message", "penstock.run", "penstock.version",
         "penstock.rollout", "penstock.retraining", "user.name"),
    ),
    "troubles": _Search(
        "log", "troubles of penstock's processes", 'log.level : ("warn" or "error")',
        ("log.level", "log.logger", "event.action", "message", "error.code", "error.message",
         "penstock.version"),
    ),
}  # fmt: skip


def kibana(root: Path, settings: Settings, url: str | None) -> dict[str, str]:
    """Return one NDJSON file of saved objects."""
    del root, url
    days = max(round(settings.monitor.retention / 86_400.0), 1)
    made = objects(settings.model.name, days)
    return {"penstock.ndjson": "".join(json.dumps(one) + "\n" for one in made)}


def objects(model: str, days: int) -> list[dict[str, Any]]:
    """Return the saved objects of a model.

    Args:
        model: its name.
        days: that links look back, as long as records are kept.
    """
    prefix = f"penstock-{namespace(model)}"
    links = _links(prefix, days)
    views = [
        _view(prefix, "predictions", model, links | _LATENCY),
        _view(prefix, "events", model, links | _LATENCY),
        _view(prefix, "log", model, links | _LATENCY),
    ]
    searches = [_search(prefix, name, model, one) for name, one in _SEARCHES.items()]
    return [*views, *searches, _dashboard(prefix, model)]


_LATENCY: dict[str, Any] = {
    "event.duration": {
        "id": "duration",
        "params": {
            "inputFormat": "nanoseconds",
            "outputFormat": "asMilliseconds",
            "outputPrecision": 2,
            "showSuffix": True,
            "useShortSuffix": True,
            "includeSpaceWithSuffix": True,
        },
    }
}


def _links(prefix: str, days: int) -> dict[str, Any]:
    """Return formats that make a run, a version and a request into links to all of their records.

    The address begins with ``..`` because Kibana puts the path of its apps, with that of the space,
    before what begins otherwise.
    """

    def link(field: str, search: str) -> dict[str, Any]:
        span = f"(time:(from:now-{days}d,to:now))"
        found = f"(query:(language:kuery,query:'{field}:%22{{{{value}}}}%22'))"
        address = f"../app/discover#/view/{prefix}-{search}?_g={span}&_a={found}"
        params = {"urlTemplate": address, "labelTemplate": "{{value}}", "type": "a"}
        return {"id": "url", "params": params}

    return {
        "penstock.run": link("penstock.run", "story"),
        "penstock.version": link("penstock.version", "story"),
        "http.request.id": link("http.request.id", "all-predictions"),
    }


def _object(kind: str, id: str, attributes: dict[str, Any], references: list[Any]) -> Any:
    return {
        "type": kind,
        "id": id,
        "attributes": attributes,
        "references": references,
        "coreMigrationVersion": CORE,
        "typeMigrationVersion": TYPES[kind],
    }


def _view(prefix: str, data: str, model: str, formats: dict[str, Any]) -> dict[str, Any]:
    attributes = {
        "title": stream(f"penstock.{data}", model),
        "name": f"{model}: {data}",
        "timeFieldName": "@timestamp",
        "allowNoIndex": True,  # the dashboard may be there before the first record
        "fieldFormatMap": json.dumps(formats),
        "fieldAttrs": "{}",
        "fields": "[]",
        "runtimeFieldMap": "{}",
        "sourceFilters": "[]",
        "typeMeta": "{}",
    }
    return dict(_object("index-pattern", f"{prefix}-{data}", attributes, []))


def _source(query: str, **more: Any) -> dict[str, str]:
    source = {"query": {"query": query, "language": "kuery"}, "filter": [], **more}
    return {"searchSourceJSON": json.dumps(source)}


def _search(prefix: str, name: str, model: str, one: _Search) -> dict[str, Any]:
    attributes = {
        "title": f"{model}: {one.title}",
        "description": "",
        "columns": list(one.columns),
        "sort": [["@timestamp", "desc"]],
        "kibanaSavedObjectMeta": _source(one.query, indexRefName=_SOURCE),
    }
    view = {"type": "index-pattern", "id": f"{prefix}-{one.data}", "name": _SOURCE}
    return dict(_object("search", f"{prefix}-{name}", attributes, [view]))


def _dashboard(prefix: str, model: str) -> dict[str, Any]:
    panels, references = [_about(model)], []
    top = ABOUT.height
    for row in rows(prefix):
        left = 0
        for panel in row:
            place = {"x": left, "y": top, "w": panel.width, "h": panel.height, "i": panel.id}
            panels.append(_panel(panel, place))
            references += _panel_references(panel)
            left += panel.width
        top += max(one.height for one in row)
    controls, known = _controls(prefix)
    options = {
        "useMargins": True,
        "syncColors": True,  # a version has one colour everywhere
        "syncCursor": True,
        "syncTooltips": False,
        "hidePanelTitles": False,
    }
    attributes = {
        "title": f"{model} in production",
        "description": f"What penstock knows of {model}: traffic, answers, inputs, alerts, changes",
        "panelsJSON": json.dumps(panels),
        "optionsJSON": json.dumps(options),
        "controlGroupInput": controls,
        "kibanaSavedObjectMeta": _source(""),
        "timeRestore": True,
        "timeFrom": "now-24h",
        "timeTo": "now",
        "refreshInterval": {"pause": False, "value": 60_000},
        "version": 1,
    }
    return dict(_object("dashboard", f"{prefix}-dashboard", attributes, references + known))


def _about(model: str) -> dict[str, Any]:
    shown = {
        "title": "",
        "description": "",
        "type": "markdown",
        "params": {
            "fontSize": 12,
            "openLinksInNewTab": True,
            "markdown": f"## {model} in production\n{ABOUT.description}",
        },
        "uiState": {},
        "data": {"aggs": [], "searchSource": json.loads(_source("")["searchSourceJSON"])},
    }
    place = {"x": 0, "y": 0, "w": ABOUT.width, "h": ABOUT.height, "i": ABOUT.id}
    config = {"savedVis": shown, "enhancements": {}, "hidePanelTitles": True}
    return _placed("visualization", place, config)


def _placed(kind: str, place: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    return {
        "version": CORE,
        "type": kind,
        "gridData": place,
        "panelIndex": place["i"],
        "embeddableConfig": config,
    }


def _panel(panel: Panel, place: dict[str, Any]) -> dict[str, Any]:
    said = {"enhancements": {}, "hidePanelTitles": False, "description": panel.description}
    if panel.chart is None:
        placed = _placed("search", place, said) | {"panelRefName": f"panel_{panel.id}"}
    else:
        attributes = panel.chart.attributes(panel.title, panel.description)
        placed = _placed("lens", place, said | {"attributes": attributes})
    return placed | {"title": panel.title}


def _panel_references(panel: Panel) -> list[dict[str, str]]:
    if panel.chart is None:
        return [{"type": "search", "id": panel.search, "name": f"{panel.id}:panel_{panel.id}"}]
    return [{**one, "name": f"{panel.id}:{one['name']}"} for one in panel.chart.references()]


def _controls(prefix: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Return what narrows the whole dashboard to a version or a run, and its data views."""
    controls, references = {}, []
    for order, (name, title) in enumerate((("version", "Version"), ("run", "Run"))):
        given = {
            "id": name,
            "fieldName": f"penstock.{name}",
            "title": title,
            "selectedOptions": [],
            "enhancements": {},
        }
        controls[name] = {
            "order": order,
            "width": "medium",
            "grow": True,
            "type": "optionsListControl",
            "explicitInput": given,
        }
        place = f"controlGroup_{name}:optionsListDataView"
        references.append({"type": "index-pattern", "id": f"{prefix}-events", "name": place})
    ignored = ("ignoreFilters", "ignoreQuery", "ignoreTimerange", "ignoreValidations")
    group = {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "panelsJSON": json.dumps(controls),
        "ignoreParentSettingsJSON": json.dumps(dict.fromkeys(ignored, False)),
    }
    return group, references
