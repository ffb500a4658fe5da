"""The saved objects for Kibana, as far as they can be judged without Kibana.

Shapes are those of dashboards that Kibana itself exported; what is asked here is that they hold
together: references, fields, columns, places. `test_alertmanager.py` asks it of real records.
"""

import itertools
import json
import re
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from kibana_objects import asked, dashboard, fields_of, matching, read

from penstock.domain.event import EventType
from penstock.monitors.alerts import SEVERITIES
from penstock.monitors.ecs import LEVELS
from penstock.monitors.exports.elasticsearch import FIELDS, OWN
from penstock.monitors.exports.kibana import objects
from penstock.monitors.exports.streams import DATASETS, namespace, stream

NUMBERS = {"long", "integer", "double"}
GROUPED = {"terms", "unique_count", "last_value"}
COUNTED = {"average", "sum", "percentile", "range"}
WRITTEN_BY_GATEWAY = {"inputs-violated"}


def exported(model="flights"):
    return "".join(json.dumps(one) + "\n" for one in objects(model, 30))


@pytest.fixture(scope="module")
def found():
    return read(exported())


def panels(found):
    return dashboard(found)["attributes"]["panelsJSON"]


def charts(found):
    for panel in panels(found):
        if panel["type"] == "lens":
            yield panel, panel["embeddableConfig"]["attributes"]


def test_every_reference_leads_to_an_object_of_the_file(found):
    for one in found.values():
        names = [ref["name"] for ref in one["references"]]
        assert len(names) == len(set(names)), one["id"]
        for ref in one["references"]:
            assert (ref["type"], ref["id"]) in found, ref


def test_the_dashboard_names_all_that_its_panels_refer_to(found):
    known = {ref["name"]: ref["id"] for ref in dashboard(found)["references"]}
    wanted = {}
    for panel in panels(found):
        id = panel["panelIndex"]
        assert panel["gridData"]["i"] == id
        if panel["type"] == "search":
            wanted[f"{id}:{panel['panelRefName']}"] = known.get(f"{id}:{panel['panelRefName']}")
    for panel, attributes in charts(found):
        wanted |= {f"{panel['panelIndex']}:{r['name']}": r["id"] for r in attributes["references"]}
        state = attributes["state"]
        layers = [*state["datasourceStates"]["formBased"]["layers"]]
        names = [f"indexpattern-datasource-layer-{one}" for one in layers]
        drawn = state["visualization"].get("layers", ())
        marks = [one["layerId"] for one in drawn if one["layerType"] == "annotations"]
        names += [f"xy-visualization-layer-{one}" for one in marks]
        assert names == [ref["name"] for ref in attributes["references"]]
    controls = dashboard(found)["attributes"]["controlGroupInput"]["panelsJSON"]
    for id in controls:
        name = f"controlGroup_{id}:optionsListDataView"
        wanted[name] = known.get(name)
    assert wanted == known
    assert None not in known.values()


def test_every_field_is_one_of_the_index_template(found):
    mapped = FIELDS | OWN
    seen = set()
    for one in asked(found):
        assert set(one.fields) <= set(mapped), one
        seen |= set(one.fields)
    for (kind, _), one in found.items():
        if kind == "index-pattern":
            assert set(one["attributes"]["fieldFormatMap"]) <= set(mapped)
            assert one["attributes"]["timeFieldName"] in mapped
    controls = dashboard(found)["attributes"]["controlGroupInput"]["panelsJSON"].values()
    assert {one["explicitInput"]["fieldName"] for one in controls} <= set(mapped)
    assert {"penstock.run", "penstock.version", "http.request.id", "event.duration"} <= seen


def test_columns_ask_of_fields_what_their_types_can_answer(found):
    types = {name: mapping["type"] for name, mapping in (FIELDS | OWN).items()}
    for panel, attributes in charts(found):
        (layer,) = attributes["state"]["datasourceStates"]["formBased"]["layers"].values()
        columns = layer["columns"]
        assert layer["columnOrder"] == list(columns)
        buckets = [one["isBucketed"] for one in columns.values()]
        assert buckets == sorted(buckets, reverse=True), panel["title"]  # groupings come first
        for id, column in columns.items():
            kind, source = column["operationType"], column.get("sourceField")
            if kind in COUNTED:
                assert types[source] in NUMBERS, (panel["title"], id)
            elif kind in GROUPED:
                assert types[source] in NUMBERS | {"keyword"}, (panel["title"], id)
                number = types[source] in NUMBERS
                assert column["dataType"] == ("number" if number or kind == "unique_count"
                                              else "string")  # fmt: skip
            elif kind == "date_histogram":
                assert types[source] == "date"
            elif kind == "count":
                assert source == "___records___"
            else:
                assert kind in {"formula", "math"}, kind
                assert set(column["references"]) <= set(columns)
            if kind == "terms" and column["params"]["orderBy"] != {"type": "alphabetical"}:
                by = columns[column["params"]["orderBy"]["columnId"]]
                assert by["operationType"] in {"count", "unique_count", "sum"}
            if kind == "math":
                assert column["params"]["tinymathAst"]["args"] == column["references"]


def test_charts_draw_columns_that_they_have(found):
    for panel, attributes in charts(found):
        state = attributes["state"]["visualization"]
        (layer,) = attributes["state"]["datasourceStates"]["formBased"]["layers"].values()
        columns = layer["columns"]
        kind = attributes["visualizationType"]
        if kind == "lnsMetric":
            drawn = [state["metricAccessor"]]
        elif kind == "lnsDatatable":
            drawn = [one["columnId"] for one in state["columns"]]
        else:
            data = state["layers"][0]
            drawn = [data["xAccessor"], *data["accessors"]]
            drawn += [data["splitAccessor"]] if "splitAccessor" in data else []
            assert {one["forAccessor"] for one in data.get("yConfig", ())} <= set(drawn)
        parts = {ref for one in columns.values() for ref in one.get("references", ())}
        assert set(drawn) == set(columns) - parts, panel["title"]


def test_panels_lie_beside_each_other(found):
    taken = set()
    for panel in panels(found):
        place = panel["gridData"]
        assert place["x"] + place["w"] <= 48
        cells = set(itertools.product(range(place["x"], place["x"] + place["w"]),
                                      range(place["y"], place["y"] + place["h"])))  # fmt: skip
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len(taken) == 48 * (max(y for _, y in taken) + 1)  # and leave no hole


def test_every_panel_of_a_chart_says_what_it_shows(found):
    for panel, attributes in charts(found):
        assert panel["title"]
        if attributes["visualizationType"] != "lnsMetric":
            assert len(panel["embeddableConfig"]["description"]) > 10, panel["title"]


def test_queries_name_what_can_happen(found):
    actions = {one.value.replace(".", "-") for one in EventType} | WRITTEN_BY_GATEWAY
    words = {
        "event.action": actions,
        "event.outcome": {"success", "failure"},
        "event.kind": {"alert", "event"},
        "penstock.alert.severity": set(SEVERITIES),
        "log.level": set(LEVELS.values()),
        "penstock.role": {"champion", "challenger", "shadow"},
    }
    seen = set()
    for one in asked(found):
        for query in filter(None, one.queries):
            matching(query)
            for name in fields_of(query):
                (part,) = re.findall(rf"{re.escape(name)}\s*:\s*(\([^)]*\)|\"[^\"]*\"|\*)", query)
                values = set(re.findall(r'"([^"]*)"', part))
                assert values <= words.get(name, set()), query
                seen.add(name)
    assert seen == {*words, "penstock.prediction.text"}


def test_links_open_a_search_of_the_file_with_a_query_of_its_own_records(found):
    (view,) = (one for (_, id), one in found.items() if id == "penstock-flights-predictions")
    formats = view["attributes"]["fieldFormatMap"]
    for name in ("penstock.run", "penstock.version", "http.request.id"):
        template = formats[name]["params"]["urlTemplate"].replace("{{value}}", "a1")
        match = re.fullmatch(
            r"\.\./app/discover#/view/([\w.-]+)"
            r"\?_g=\(time:\(from:now-30d,to:now\)\)&_a=\(query:\(language:kuery,query:'(.*)'\)\)",
            unquote(template),
        )
        assert ("search", match[1]) in found
        assert matching(match[2])({name: "a1"})
        assert not matching(match[2])({name: "a2"})


def test_two_models_share_nothing_and_one_keeps_its_ids():
    first, again, other = (read(exported(one)) for one in ("flights", "flights", "flights-2"))
    assert first == again
    assert not set(first) & set(other)
    titles = {one["attributes"]["title"] for one in (*first.values(), *other.values())}
    assert len(titles) == len(first) + len(other)


def test_no_two_models_have_one_namespace():
    names = ["".join(one) for n in (1, 2, 3, 4) for one in itertools.product("aA-_/", repeat=n)]
    spaces = [namespace(one) for one in names]
    assert len(set(spaces)) == len(names)
    for one in spaces:  # what Elasticsearch allows in the name of a data stream
        assert re.fullmatch(r"[a-z0-9_.]+", one), one


def test_there_is_a_data_view_for_each_data_stream(found):
    titles = {
        one["attributes"]["title"] for (kind, _), one in found.items() if kind == "index-pattern"
    }
    assert titles == {stream(one, "flights") for one in DATASETS}


def test_the_reader_of_queries_can_say_no():
    test = matching('not a : "x" and (b : ("y" or "z") or c : *)')
    assert all(test(one) for one in ({"b": "y"}, {"c": 0}, {"a": "q", "b": "z"}))
    assert not test({"a": "x", "b": "y"})
    assert not test({"b": "q"})
    with pytest.raises(AssertionError):
        matching("a > 3")
