"""The OpenAPI document of what is served, made from the champion's signature."""

from __future__ import annotations

import json
from typing import Any

from penstock.gateway.metadata import DATATYPES, record_schema, tensor_schema
from penstock.inference.description import Description

_ERROR = {
    "type": "object",
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
    "required": ["message"],
}
_VIOLATIONS = {
    "X-Penstock-Violations": {
        "description": "fields with values that the training data does not have",
        "schema": {"type": "string"},
    }
}
_V2_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}


def document(model: str, version: str, description: Description) -> dict[str, Any]:
    """Return an OpenAPI 3.1 document.

    Args:
        model, version: of the champion.
        description: what its worker says of it.
    """
    name = model or "model"
    infer = f"/v2/models/{name}/infer"
    return {
        "openapi": "3.1.0",
        "info": {
            "title": name,
            "version": version or "0",
            "description": "A model version served by penstock: MLflow's scoring protocol and the"
            " Open Inference Protocol V2.",
        },
        "paths": {
            "/invocations": {"post": _invocations(description)},
            infer: {"post": _infer(rejects=description.rejects)},
            "/feedback": {"post": _feedback()},
            "/ping": {"get": _get("Whether a model can answer", {"404": "no model can answer"})},
            "/version": {"get": _get("Version of MLflow, as plain text", {})},
            "/metrics": {"get": _get("Metrics for Prometheus", {}, "text")},
            "/v2": {"get": _get("The server", {})},
            "/v2/health/live": {"get": _get("Whether the server lives", {})},
            "/v2/health/ready": {
                "get": _get("Whether a model can answer", {"503": "no model can answer"})
            },
            f"/v2/models/{name}": {"get": _get("The model's inputs and outputs", {})},
            f"/v2/models/{name}/ready": {
                "get": _get("Whether the model can answer", {"503": "it cannot"})
            },
        },
    }


def _invocations(description: Description) -> dict[str, Any]:
    forms = _forms(description)
    content: dict[str, Any] = {
        "application/json": {"schema": {"oneOf": forms}},
        "text/csv": {"schema": {"type": "string"}},
        "application/vnd.apache.parquet": {"schema": {"type": "string", "format": "binary"}},
    }
    if description.example:
        content["application/json"]["example"] = json.loads(description.example)
    answer = {
        "type": "object",
        "properties": {"predictions": {}},
        "required": ["predictions"],
    }
    return {
        "summary": "Predict, by MLflow's scoring protocol",
        "parameters": [
            _header("X-Request-Id", "name of the request, echoed and logged"),
            _header("X-Penstock-Version", "model version to ask instead of the split's choice"),
        ],
        "requestBody": {"required": True, "content": content},
        "responses": {
            "200": {
                "description": "predictions, in the order of the rows",
                "headers": {
                    "X-Penstock-Version": {"schema": {"type": "string"}},
                    "X-Request-Id": {"schema": {"type": "string"}},
                    **(_VIOLATIONS if description.limits else {}),
                },
                "content": {"application/json": {"schema": answer}},
            },
            **_refusals(_ERROR, plain=("415",), rejects=description.rejects),
        },
    }


def _forms(description: Description) -> list[dict[str, Any]]:
    rows: dict[str, Any] = {"type": "array", "items": {"type": "array"}, "minItems": 1}
    record = record_schema(description)
    split: dict[str, Any] = {
        "type": "object",
        "properties": {
            "columns": {"type": "array", "items": {"type": "string"}},
            "data": rows,
            "index": {"type": "array"},
        },
        "required": ["data"],
    }
    inputs: dict[str, Any] = {}
    if len(description.inputs) == 1 and description.inputs[0].shape is not None:
        inputs = tensor_schema(description.inputs[0])
    return [
        _form("dataframe_split", split),
        _form("dataframe_records", {"type": "array", "items": record, "minItems": 1}),
        _form("instances", {"type": "array", "minItems": 1}),
        _form("inputs", inputs),
    ]


def _form(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    properties = {name: schema, "params": {"type": "object"}}
    return {"type": "object", "properties": properties, "required": [name]}


def _infer(*, rejects: bool) -> dict[str, Any]:
    tensor = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "shape": {
                "type": "array",
                "items": {"type": "integer", "minimum": 0},
                "minItems": 1,
            },
            "datatype": {"enum": [*sorted(set(DATATYPES.values())), "BYTES"]},
            "parameters": {"type": "object"},
            "data": {"type": "array"},
        },
        "required": ["name", "shape", "datatype", "data"],
    }
    request = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "parameters": {"type": "object"},
            "inputs": {"type": "array", "items": tensor, "minItems": 1},
            "outputs": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"name": {"type": "string"}},
                    "required": ["name"],
                },
            },
        },
        "required": ["inputs"],
    }
    answer = {
        "type": "object",
        "properties": {"outputs": {"type": "array", "items": tensor}},
        "required": ["model_name", "outputs"],
    }
    return {
        "summary": "Predict, by the Open Inference Protocol V2",
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {
            "200": {
                "description": "predictions as tensors",
                "content": {"application/json": {"schema": answer}},
            },
            **_refusals(_V2_ERROR, rejects=rejects),
        },
    }


def _feedback() -> dict[str, Any]:
    item = {
        "type": "object",
        "properties": {
            "request_id": {"type": "string", "minLength": 1},
            "row": {"type": "integer", "minimum": 0},
            "label": {"type": ["number", "string", "boolean", "null"]},
            "metrics": {
                "type": ["object", "null"],
                "additionalProperties": {"type": "number"},
            },
        },
        "required": ["request_id"],
        "anyOf": [
            {
                "properties": {"label": {"type": ["number", "string", "boolean"]}},
                "required": ["label"],
            },
            {"properties": {"metrics": {"minProperties": 1}}, "required": ["metrics"]},
        ],
    }
    schema = {"oneOf": [item, {"type": "array", "items": item}]}
    return {
        "summary": "Tell the truth about earlier requests",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"202": {"description": "taken"}, **_refusals(_ERROR)},
    }


def _get(summary: str, others: dict[str, str], kind: str = "json") -> dict[str, Any]:
    mime = "application/json" if kind == "json" else "text/plain"
    responses: dict[str, Any] = {"200": {"description": "yes", "content": {mime: {}}}}
    responses |= {code: {"description": text} for code, text in others.items()}
    return {"summary": summary, "responses": responses}


def _header(name: str, text: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}


def _refusals(
    schema: dict[str, Any], *, plain: tuple[str, ...] = (), rejects: bool = False
) -> dict[str, Any]:
    words = {
        "400": "the request does not fit the model's signature",
        "404": "no such model version",
        "413": "the body is too long",
        "415": "a content type that is not understood",
        "429": "too many requests wait; try again after `Retry-After` seconds",
        "500": "the model raised an error",
        "503": "no worker can answer; try again after `Retry-After` seconds",
        "504": "the model took too long",
    }
    if rejects:
        words["422"] = "a value that the training data does not have; the message names the field"
    content = {"application/json": {"schema": schema}}
    return {
        code: {"description": text, "content": {"text/plain": {}} if code in plain else content}
        for code, text in words.items()
    }
