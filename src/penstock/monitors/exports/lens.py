"""Kibana's Lens, as far as our panels need it: columns, and charts made of them.

The shapes are those of Kibana 8.8 (``formBased`` data source); later versions migrate them. A
column is what Lens calls one dimension of a chart; its id is its name in the chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Column = dict[str, Any]
Columns = dict[str, Column]

DATA, NOTES = "data", "notes"
"""Ids of a chart's layers."""
RECORDS = "___records___"
TIME = "x"
"""Id of the column with the time."""


@dataclass(frozen=True, slots=True)
class Note:
    """Marks on a chart's axis of time, one per record that is found.

    Attributes:
        label: of the marks.
        query: finds the records, in KQL.
        icon: of Lens: ``flag``, ``alert`` and so on.
        colour: as ``#RRGGBB``.
    """

    label: str
    query: str
    icon: str
    colour: str


@dataclass(frozen=True, slots=True)
class Notes:
    """Marks of a chart, and the id of the data view that they are found in."""

    view: str
    marks: tuple[Note, ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart.

    Attributes:
        kind: ``lnsXY``, ``lnsMetric`` or ``lnsDatatable``.
        view: id of the data view.
        columns: by id, groupings first.
        state: of the kind's own.
        query: which records, in KQL.
        notes: marks on the axis of time.
    """

    kind: str
    view: str
    columns: Columns
    state: dict[str, Any]
    query: str = ""
    notes: Notes | None = None

    def references(self) -> list[dict[str, str]]:
        """Return the data views that it reads, as Lens names them."""
        names = {f"indexpattern-datasource-layer-{DATA}": self.view}
        if self.notes:
            names[f"xy-visualization-layer-{NOTES}"] = self.notes.view
        return [{"type": "index-pattern", "id": id, "name": name} for name, id in names.items()]

    def attributes(self, title: str, description: str) -> dict[str, Any]:
        """Return the attributes of a panel that holds the chart itself."""
        layer = {
            "columns": self.columns,
            "columnOrder": list(self.columns),
            "incompleteColumns": {},
            "sampling": 1,
        }
        return {
            "title": title,
            "description": description,
            "type": "lens",
            "visualizationType": self.kind,
            "references": self.references(),
            "state": {
                "datasourceStates": {"formBased": {"layers": {DATA: layer}}},
                "visualization": self.state,
                "query": {"query": self.query, "language": "kuery"},
                "filters": [],
                "internalReferences": [],
                "adHocDataViews": {},
            },
        }


def _column(label: str, operation: str, params: dict[str, Any], **more: Any) -> Column:
    return {
        "label": label,
        "customLabel": True,
        "operationType": operation,
        "dataType": "number",
        "isBucketed": False,
        "scale": "ratio",
        "params": params,
        **more,
    }


def _where(query: str) -> dict[str, Any]:
    return {"filter": {"query": query, "language": "kuery"}} if query else {}


def count(label: str, where: str = "") -> Column:
    """Return the number of records."""
    return _column(label, "count", {"emptyAsNull": True}, sourceField=RECORDS, **_where(where))


def of(operation: str, field: str, label: str, **params: Any) -> Column:
    """Return ``average``, ``sum``, ``unique_count`` or ``percentile`` of a field."""
    given = {"emptyAsNull": True} if operation in {"sum", "unique_count"} else {}
    return _column(label, operation, given | params, sourceField=field)


def last(field: str, label: str, where: str) -> Column:
    """Return the newest value of a field of words."""
    params = {"sortField": "@timestamp", "showArrayValues": False}
    more = {"dataType": "string", "scale": "ordinal", **_where(where)}
    return _column(label, "last_value", params, sourceField=field, **more)


def time() -> Column:
    """Return the axis of time."""
    params = {"interval": "auto", "includeEmptyRows": True, "dropPartials": False}
    more = {"dataType": "date", "isBucketed": True, "scale": "interval"}
    return _column("Time", "date_histogram", params, sourceField="@timestamp", **more)


def steps(field: str, label: str) -> Column:
    """Return a field of numbers cut into even steps."""
    params = {
        "type": "histogram",
        "ranges": [{"from": 0, "to": 1000, "label": ""}],
        "maxBars": "auto",
        "includeEmptyRows": False,
    }
    more = {"isBucketed": True, "scale": "interval"}
    return _column(label, "range", params, sourceField=field, **more)


def terms(field: str, label: str, *, by: str = "", size: int = 10, number: bool = False) -> Column:
    """Return a grouping by the greatest values of a field: by a column, or by their names."""
    order = {"type": "column", "columnId": by} if by else {"type": "alphabetical"}
    params = {
        "size": size,
        "orderBy": order,
        "orderDirection": "desc",
        "otherBucket": True,
        "missingBucket": False,
        "parentFormat": {"id": "terms"},
    }
    kind = "number" if number else "string"
    more = {"dataType": kind, "isBucketed": True, "scale": "ordinal"}
    return _column(label, "terms", params, sourceField=field, **more)


def share(id: str, label: str, where: str) -> Columns:
    """Return the share of records for which something holds, and the columns behind it."""
    quoted = where.replace("'", r"\'")
    formula = f"count(kql='{quoted}') / count()"
    part = f"Part of {label}"
    some, all_, ratio = (f"{id}X{number}" for number in range(3))
    plain = {"emptyAsNull": False}
    tree = {
        "type": "function",
        "name": "divide",
        "args": [some, all_],
        "location": {"min": 0, "max": len(formula)},
        "text": formula,
    }
    shown = {"id": "percent", "params": {"decimals": 2}}
    whole = {"formula": formula, "isFormulaBroken": False, "format": shown}
    return {
        id: _column(label, "formula", whole, references=[ratio]),
        some: count(part, where) | {"params": plain},
        all_: count(part) | {"params": plain},
        ratio: _column(part, "math", {"tinymathAst": tree}, references=[some, all_]),
    }


def tile(view: str, columns: Columns, *, subtitle: str, colour: str = "", query: str = "") -> Chart:
    """Return one big number: the first column."""
    first = next(iter(columns))
    state = {
        "layerId": DATA, "layerType": "data", "metricAccessor": first, "subtitle": subtitle,
    }  # fmt: skip
    return Chart("lnsMetric", view, columns, state | ({"color": colour} if colour else {}), query)


def table(view: str, columns: Columns, *, query: str = "") -> Chart:
    """Return a table; what stands behind a formula is no column of it."""
    hidden = {one for column in columns.values() for one in column.get("references", ())}
    hidden |= {one for name in hidden for one in columns[name].get("references", ())}
    shown = [{"columnId": one, "isTransposed": False} for one in columns if one not in hidden]
    paging = {"size": 10, "enabled": True}
    state = {"layerId": DATA, "layerType": "data", "columns": shown, "paging": paging}
    return Chart("lnsDatatable", view, columns, state, query)


def plot(
    view: str,
    series: str,
    columns: Columns,
    *,
    split: str = "",
    query: str = "",
    colours: dict[str, str] | None = None,
    notes: Notes | None = None,
) -> Chart:
    """Return bars, lines or areas over the column `TIME`.

    Args:
        view: id of the data view.
        series: ``bar_stacked``, ``line`` and so on.
        columns: by id; all but `TIME` and `split` are drawn.
        split: id of the column with one series per value.
        query: which records.
        colours: of columns.
        notes: marks on the axis of time.
    """
    drawn = [one for one in columns if one not in {TIME, split}]
    data: dict[str, Any] = {
        "layerId": DATA,
        "layerType": "data",
        "seriesType": series,
        "xAccessor": TIME,
        "accessors": drawn,
        "position": "top",
        "showGridlines": False,
    }
    if split:
        data["splitAccessor"] = split
    if colours:
        data["yConfig"] = [
            {"forAccessor": one, "color": colour, "axisMode": "left"}
            for one, colour in colours.items()
        ]
    layers = [data, _annotations(notes.marks)] if notes else [data]
    all_sides = dict.fromkeys(("x", "yLeft", "yRight"), True)
    state = {
        "preferredSeriesType": series,
        "legend": {"isVisible": True, "position": "right", "showSingleSeries": True},
        "valueLabels": "hide",
        "fittingFunction": "Linear" if series == "line" else "None",
        "axisTitlesVisibilitySettings": all_sides | {"x": columns[TIME]["label"] != "Time"},
        "tickLabelsVisibilitySettings": all_sides,
        "gridlinesVisibilitySettings": all_sides,
        "labelsOrientation": {"x": 0, "yLeft": 0, "yRight": 0},
        "layers": layers,
    }
    return Chart("lnsXY", view, columns, state, query, notes)


def _annotations(notes: tuple[Note, ...]) -> dict[str, Any]:
    marks = [
        {
            "type": "query",
            "id": f"{NOTES}-{number}",
            "label": note.label,
            "key": {"type": "point_in_time"},
            "timeField": "@timestamp",
            "filter": {"type": "kibana_query", "query": note.query, "language": "kuery"},
            "icon": note.icon,
            "color": note.colour,
            "extraFields": ["message"],
        }
        for number, note in enumerate(notes)
    ]
    return {
        "layerId": NOTES,
        "layerType": "annotations",
        "ignoreGlobalFilters": True,
        "annotations": marks,
    }
