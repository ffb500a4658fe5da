"""Reads exported saved objects: what each panel asks, of which records, by which fields.

The reader of queries knows the part of KQL that the export uses, and refuses the rest.
"""

import json
import re
from dataclasses import dataclass, field

TOKEN = re.compile(r'\s*(?:(\()|(\))|"([^"]*)"|([\w.@*-]+)|(:))')


@dataclass
class Asked:
    """One saved search, or one column of a chart with what narrows it."""

    name: str
    view: str
    queries: list = field(default_factory=list)
    fields: list = field(default_factory=list)

    def found(self, documents):
        """Return the records, given by data stream, that it shows."""
        tests = [matching(one) for one in self.queries if one]
        return [one for one in documents.get(self.view, ()) if all(test(one) for test in tests)]


def read(text):
    """Return saved objects by type and id, with the JSON in their attributes read."""
    found = {}
    for line in text.splitlines():
        one = json.loads(line)
        key = one["type"], one["id"]
        assert key not in found, key
        one["attributes"] = {name: parsed(value) for name, value in one["attributes"].items()}
        found[key] = one
    return found


def parsed(value):
    if isinstance(value, dict):
        return {name: parsed(one) for name, one in value.items()}
    return json.loads(value) if isinstance(value, str) and value.startswith(("[", "{")) else value


def dashboard(objects):
    (found,) = (one for (kind, _), one in objects.items() if kind == "dashboard")
    return found


def asked(objects):
    """Yield all that searches and panels ask."""
    titles = {
        id: one["attributes"]["title"]
        for (kind, id), one in objects.items()
        if kind == "index-pattern"
    }
    for (kind, id), one in objects.items():
        if kind == "search":
            source = one["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"]
            (view,) = (ref["id"] for ref in one["references"])
            query = source["query"]["query"]
            columns = [*one["attributes"]["columns"], *fields_of(query)]
            yield Asked(id, titles[view], [query], columns)
    for panel in dashboard(objects)["attributes"]["panelsJSON"]:
        if panel["type"] == "lens":
            yield from _of_chart(panel, titles)


def _of_chart(panel, titles):
    attributes = panel["embeddableConfig"]["attributes"]
    views = {one["name"]: titles[one["id"]] for one in attributes["references"]}
    query = attributes["state"]["query"]["query"]
    for id, layer in attributes["state"]["datasourceStates"]["formBased"]["layers"].items():
        view = views[f"indexpattern-datasource-layer-{id}"]
        for name, column in layer["columns"].items():
            queries = [query, column.get("filter", {}).get("query", "")]
            source = column.get("sourceField", "___records___")
            fields = [] if source == "___records___" else [source]
            fields += [one for text in queries for one in fields_of(text)]
            yield Asked(f"{panel['panelIndex']}.{name}", view, queries, fields)
    for layer in attributes["state"]["visualization"].get("layers", ()):
        for mark in layer.get("annotations", ()):
            view = views[f"xy-visualization-layer-{layer['layerId']}"]
            text = mark["filter"]["query"]
            fields = [mark["timeField"], *mark["extraFields"], *fields_of(text)]
            yield Asked(f"{panel['panelIndex']}.{mark['label']}", view, [text], fields)


def fields_of(query):
    return re.findall(r"([\w.@]+)\s*:", query)


def matching(query):
    """Return a test of a record, with dotted names, from a query in KQL."""
    tokens, at = [], 0
    while at < len(query.rstrip()):
        match = TOKEN.match(query, at)
        assert match, (query, at)
        at = match.end()
        kind = match.lastindex
        tokens.append((kind, match[kind]))
    test, rest = _any(tokens)
    assert not rest, (query, rest)
    return test


def _any(tokens):
    return _joined(tokens, "or", _all, any)


def _all(tokens):
    return _joined(tokens, "and", _one, all)


def _joined(tokens, word, part, join):
    test, tokens = part(tokens)
    tests = [test]
    while tokens and tokens[0] == (4, word):
        test, tokens = part(tokens[1:])
        tests.append(test)
    return (lambda one: join(test(one) for test in tests)), tokens


def _one(tokens):
    if tokens[0] == (4, "not"):
        test, rest = _one(tokens[1:])
        return (lambda one: not test(one)), rest
    if tokens[0][0] == 1:
        test, rest = _any(tokens[1:])
        assert rest[0][0] == 2
        return test, rest[1:]
    (kind, name), (colon, _), *rest = tokens
    assert (kind, colon) == (4, 5), tokens
    if rest[0] == (4, "*"):
        return (lambda one: one.get(name) is not None), rest[1:]
    values = [rest[0][1]]
    if rest[0][0] == 1:
        end = rest.index((2, ")"))
        values = [one for kind, one in rest[1:end] if kind == 3]
        rest = rest[end:]
    return (lambda one: str(one.get(name)) in values), rest[1:]
