"""A model's signature in the words of the Open Inference Protocol and of OpenAPI."""

from __future__ import annotations

from typing import Any

from penstock.inference.description import Description, Field
from penstock.inference.manner import Limit

DATATYPES = {
    "double": "FP64", "float64": "FP64", "float": "FP32", "float32": "FP32", "float16": "FP16",
    "long": "INT64", "int64": "INT64", "integer": "INT32", "int32": "INT32", "int16": "INT16",
    "int8": "INT8", "uint8": "UINT8", "uint16": "UINT16", "uint32": "UINT32", "uint64": "UINT64",
    "boolean": "BOOL", "bool": "BOOL",
}  # fmt: skip
"""MLflow's and numpy's names of types -> the protocol's; everything else travels as BYTES."""

_SCHEMAS: dict[str, dict[str, Any]] = {
    "FP64": {"type": "number"},
    "FP32": {"type": "number"},
    "FP16": {"type": "number"},
    "BOOL": {"type": "boolean"},
}


def tensors(fields: tuple[Field, ...], prefix: str) -> list[dict[str, Any]]:
    """Return fields as the protocol's tensors.

    Example:
        >>> tensors((Field("age", "long"),), "input")
        [{'name': 'age', 'datatype': 'INT64', 'shape': [-1]}]
    """
    return [
        {
            "name": one.name or f"{prefix}-{k}",
            "datatype": DATATYPES.get(one.type, "BYTES"),
            "shape": [-1] if one.shape is None else list(one.shape),
        }
        for k, one in enumerate(fields)
    ]


def schema_of(field: Field) -> dict[str, Any]:
    """Return a JSON schema of one value of a column."""
    datatype = DATATYPES.get(field.type)
    if datatype is None:
        if field.type == "datetime":
            return {"type": "string", "format": "date-time"}
        return {"type": "string"} if field.type in ("string", "str", "binary") else {}
    return dict(_SCHEMAS.get(datatype, {"type": "integer"}))


def record_schema(description: Description) -> dict[str, Any]:
    """Return a JSON schema of one row as an object."""
    named = [one for one in description.inputs if one.name and one.shape is None]
    limits = {one.name: one for one in description.limits}
    schema: dict[str, Any] = {"type": "object"}
    if named:
        schema["properties"] = {
            one.name: _limited(
                schema_of(one) if one.required else {"anyOf": [schema_of(one), {"type": "null"}]},
                limits.get(one.name),
                strict=description.rejects,
            )
            for one in named
        }
        required = [one.name for one in named if one.required]
        if required:
            schema["required"] = required
    return schema


def _limited(schema: dict[str, Any], limit: Limit | None, *, strict: bool) -> dict[str, Any]:
    """Return the schema of a value with its limits: as constraints where requests are refused."""
    if limit is None:
        return schema
    schema = {**schema, "description": f"the training data has {limit.words()}"}
    if not strict:
        return schema
    if limit.values is not None:
        return {**schema, "enum": [*limit.values, *([None] if limit.nulls else [])]}
    if limit.low is not None:
        schema["minimum"] = limit.low
    if limit.high is not None:
        schema["maximum"] = limit.high
    return schema


def tensor_schema(field: Field) -> dict[str, Any]:
    """Return a JSON schema of a tensor as nested lists."""
    schema = schema_of(field)
    for size in reversed(field.shape or ()):
        schema = {"type": "array", "items": schema}
        if size >= 0:
            schema |= {"minItems": size, "maxItems": size}
    return schema
