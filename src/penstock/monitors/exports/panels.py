"""Kinds of panels, each made by the builders that Grafana generates from its own schema.

Only who builds the dashboard anew needs `grafana-foundation-sdk`; users get it built. Colours mean
one thing everywhere: green is well, yellow asks for a look, red is what an alert says; the champion
is blue, the challenger orange, the shadow purple.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as words
from grafana_foundation_sdk.models import dashboard as nouns
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = nouns.DataSourceRef(type_val="prometheus", uid="${source}")
Panel = TypeVar("Panel", stat.Panel, timeseries.Panel, bargauge.Panel, table.Panel,
                statetimeline.Panel)  # fmt: skip
ROLES = {"champion": "blue", "challenger": "orange", "shadow": "purple", "pinned": "text"}


class Query(NamedTuple):
    """A PromQL expression, and the name of each of its series."""

    expr: str
    legend: str = ""


class Look(NamedTuple):
    """How values are shown.

    Attributes:
        unit: of Grafana's list of units.
        steps: (from this value on, colour), the first from None; none for values without a limit.
        states: text and colour of single values.
        empty: what is said where there is no value.
    """

    unit: str = "none"
    steps: tuple[tuple[float | None, str], ...] = ((None, "text"),)
    states: tuple[tuple[int, str, str], ...] = ()
    empty: str = "no data"


class Marks(dashboard.AnnotationQuery):
    """What marks moments on every panel, with what the Prometheus data source reads besides.

    Those fields are of the data source, not of the dashboard's schema, so the builder that this
    extends does not know them.
    """

    def __init__(self, name: str, color: str, expr: str, text: str, **more: object) -> None:
        super().__init__()
        self.name(name).datasource(SOURCE).enable(True).icon_color(color).expr(expr)
        self._more = {"titleFormat": text, **more}

    def build(self) -> nouns.AnnotationQuery:
        """Return the annotation."""
        return _Marks(self._more, super().build())


class _Marks(nouns.AnnotationQuery):
    def __init__(self, more: dict[str, object], plain: nouns.AnnotationQuery) -> None:
        super().__init__()
        vars(self).update(vars(plain))
        self._more = more

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self._more}


def number(
    title: str, advice: str, look: Look, *queries: Query, graph: bool = False, height: int = 4
) -> stat.Panel:
    """Return what is so now in large letters of the colour of its limit."""
    mode = words.BigValueGraphMode.AREA if graph else words.BigValueGraphMode.NONE
    names = words.BigValueTextMode.VALUE_AND_NAME if any(one.legend for one in queries) else None
    panel = _dressed(stat.Panel(), title, advice, look, (4, height))
    for one in _targets(queries, now=not graph):
        panel.with_target(one)
    return (
        panel.graph_mode(mode)
        .color_mode(words.BigValueColorMode.VALUE)
        .text_mode(names or words.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .color_scheme(dashboard.FieldColor().mode(nouns.FieldColorModeId.THRESHOLDS))
    )


def lines(
    title: str,
    advice: str,
    look: Look,
    *queries: Query,
    width: int = 12,
    stacked: words.StackingMode | None = None,
    beside: bool = False,
) -> timeseries.Panel:
    """Return values over time, with a dashed line at the limit where the look has one.

    Args:
        title: of the panel.
        advice: what it shows, and what to do about it.
        look: unit and limits.
        queries: what is drawn.
        width: of 24.
        stacked: areas upon each other; PERCENT for shares of a whole.
        beside: the legend stands beside the graph, for many series.
    """
    panel = _dressed(timeseries.Panel(), title, advice, look, (width, 8))
    for one in _targets(queries):
        panel.with_target(one)
    place = words.LegendPlacement.RIGHT if beside else words.LegendPlacement.BOTTOM
    legend = common.VizLegendOptions().show_legend(True).placement(place)
    legend.display_mode(words.LegendDisplayMode.TABLE).calcs(["lastNotNull", "max"])
    panel.legend(legend).tooltip(
        common.VizTooltipOptions()
        .mode(words.TooltipDisplayMode.MULTI)
        .sort(words.SortOrder.DESCENDING)
    )
    panel.line_width(1).show_points(words.VisibilityMode.NEVER)
    panel.fill_opacity(60 if stacked else 8)
    by_name = nouns.FieldColorModeId.PALETTE_CLASSIC_BY_NAME
    panel.color_scheme(dashboard.FieldColor().mode(by_name))
    if stacked:
        panel.stacking(common.StackingConfig().mode(stacked).group("A"))
    if len(look.steps) > 1:
        dashed = words.GraphTresholdsStyleMode.DASHED
        panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(dashed))
    return panel


def by_role(panel: timeseries.Panel) -> timeseries.Panel:
    """Give the series of each role shades of its colour; what is not the champion's is dashed."""
    for role, color in ROLES.items():
        shades = nouns.DynamicConfigValue("color", {"mode": "shades", "fixedColor": color})
        dashes = nouns.DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]})
        changed = [shades] if role == "champion" else [shades, dashes]
        panel.override_by_regexp(f"/{role}/", changed)
    return panel


def colored(panel: timeseries.Panel, colors: dict[str, str]) -> timeseries.Panel:
    """Give series whose name fits a regular expression shades of a colour of their own."""
    for name, color in colors.items():
        value = {"mode": "shades", "fixedColor": color}
        panel.override_by_regexp(f"/{name}/", [nouns.DynamicConfigValue("color", value)])
    return panel


def bars(title: str, advice: str, look: Look, *queries: Query, top: float) -> bargauge.Panel:
    """Return what is so now as bars, coloured by their limits; the longest stands for `top`."""
    panel = _dressed(bargauge.Panel(), title, advice, look, (12, 8))
    for one in _targets(queries, now=True):
        panel.with_target(one)
    panel.min(0).max(top).decimals(2)
    return (
        panel.orientation(words.VizOrientation.HORIZONTAL)
        .display_mode(words.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("").values(False))
        .color_scheme(dashboard.FieldColor().mode(nouns.FieldColorModeId.THRESHOLDS))
    )


def states(
    title: str, advice: str, look: Look, *queries: Query, width: int = 12
) -> statetimeline.Panel:
    """Return states over time, as coloured bands."""
    panel = _dressed(statetimeline.Panel(), title, advice, look, (width, 8))
    for one in _targets(queries):
        panel.with_target(one)
    legend = common.VizLegendOptions().show_legend(False)
    legend.display_mode(words.LegendDisplayMode.LIST).placement(words.LegendPlacement.BOTTOM)
    panel.legend(legend).merge_values(True).show_value(words.VisibilityMode.NEVER)
    panel.tooltip(common.VizTooltipOptions().mode(words.TooltipDisplayMode.SINGLE))
    return panel.row_height(0.8).fill_opacity(80)


def rows(
    title: str,
    advice: str,
    look: Look,
    *queries: Query,
    columns: dict[str, tuple[str, str]],
    hidden: Sequence[str] = (),
    width: int = 24,
    height: int = 6,
) -> table.Panel:
    """Return a table of what is so now, joined by the labels.

    Args:
        title: of the panel.
        advice: what it shows, and what to do about it.
        look: of values that `columns` does not say a unit of.
        queries: each is a column.
        columns: name in the data -> (name for people, unit), in their order.
        hidden: names in the data that are not shown.
        width, height: of the panel.
    """
    panel = _dressed(table.Panel(), title, advice, look, (width, height))
    for one in _targets(queries, now=True):
        panel.with_target(one.format(PromQueryFormat.TABLE))
    panel.with_transformation(nouns.DataTransformerConfig(id_val="merge", options={}))
    arranged = {
        "excludeByName": dict.fromkeys(("Time", *hidden), True),
        "renameByName": {name: shown for name, (shown, _) in columns.items()},
        "indexByName": {name: place for place, name in enumerate(columns)},
    }
    panel.with_transformation(nouns.DataTransformerConfig(id_val="organize", options=arranged))
    for shown, unit in columns.values():
        if unit:
            panel.override_by_name(shown, [nouns.DynamicConfigValue("unit", unit)])
    return panel.show_header(True)


def _targets(queries: Sequence[Query], *, now: bool = False) -> list[prometheus.Dataquery]:
    found = []
    for index, one in enumerate(queries):
        query = prometheus.Dataquery().ref_id(chr(ord("A") + index)).datasource(SOURCE)
        query.expr(one.expr).legend_format(one.legend or "__auto")
        # What is asked for now is not shown of a time at which it was last known.
        found.append(query.instant() if now else query.range())
    return found


def _dressed(panel: Panel, title: str, advice: str, look: Look, size: tuple[int, int]) -> Panel:
    steps = [nouns.Threshold(value=value, color=color) for value, color in look.steps]
    limits = dashboard.ThresholdsConfig().mode(nouns.ThresholdsMode.ABSOLUTE).steps(steps)
    panel.title(title).description(advice).datasource(SOURCE).span(size[0]).height(size[1])
    panel.unit(look.unit).no_value(look.empty).thresholds(limits)
    said: list[nouns.ValueMapping] = (
        [
            nouns.ValueMap(
                options={
                    str(value): nouns.ValueMappingResult(text=text, color=color, index=index)
                    for index, (value, text, color) in enumerate(look.states)
                }
            )
        ]
        if look.states
        else []
    )
    nothing = nouns.ValueMappingResult(text=look.empty, color="text")
    options = nouns.DashboardSpecialValueMapOptions(nouns.SpecialValueMatch.NA_N, nothing)
    panel.mappings([*said, nouns.SpecialValueMap(options=options)])
    return panel
