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
    return {"$schema": ADDRESS, **schema, "title": "penstock.yaml"}


def _with_short_forms(kind: type[Section], definition: dict[str, Any]) -> dict[str, Any]:
    forms: list[dict[str, Any]] = [definition]
    if kind.__name__ == "Step":
        weight = definition["properties"]["weight"]["anyOf"][0]
        forms += [{"enum": ["shadow", "pause"]}, weight]
    elif kind.short:
        forms.append(definition["properties"][kind.short])
    else:
        forms.append({"type": "null"})
    return {"title": definition.get("title"), "anyOf": forms}
