"""The JSON Schema of penstock.yaml as editors get it: short forms included."""

from __future__ import annotations

from typing import Any

from penstock.config.grammar import Section
from penstock.config.schema import Written

ADDRESS = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of penstock.yaml."""
    schema = Written.model_json_schema(by_alias=True)
    kinds = {kind.__name__: kind for kind in Section.__subclasses__()}
    for name, definition in schema["$defs"].items():
        schema["$defs"][name] = _with_short_forms(kinds[name], definition)
    for name in ("tests", "environments"):
        schema["properties"][name]["type"] = ["object", "null"]
    return {"$schema": ADDRESS, **schema, "title": "penstock.yaml"}


def _with_short_forms(kind: type[Section], definition: dict[str, Any]) -> dict[str, Any]:
    forms: list[dict[str, Any]] = [definition]
    if kind.__name__ == "Step":
        keys = definition["properties"]
        held = {name: keys[name] for name in ("hold", "min_requests")}
        shadow = {"type": "object", "properties": held, "additionalProperties": False}
        keys["shadow"] = {**keys["shadow"], "type": ["boolean", "object"], **_only_objects(shadow)}
        forms += [{"enum": ["shadow", "pause"]}, keys["weight"]["anyOf"][0]]
    elif kind.short:
        forms.append(definition["properties"][kind.short])
    if kind.lengthen(None) == {}:
        forms.append({"type": "null"})
    return {"title": definition.get("title"), "anyOf": forms}


def _only_objects(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the keywords of a schema of objects, which leave other types alone."""
    return {name: value for name, value in schema.items() if name != "type"}
