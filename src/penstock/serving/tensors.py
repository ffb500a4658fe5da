"""The Open Inference Protocol V2, turned into MLflow's words and back."""

from __future__ import annotations

import json
import math
import uuid
from typing import Any, NamedTuple

from penstock.inference.description import Field
from penstock.inference.labels import label_of
from penstock.serving.answers import Reply

INTEGERS = frozenset(f"{sign}INT{bits}" for sign in ("", "U") for bits in (8, 16, 32, 64))
FLOATS = frozenset(("FP16", "FP32", "FP64"))
OTHERS = frozenset(("BOOL", "BYTES"))
DATATYPES = INTEGERS | FLOATS | OTHERS


class Infer(NamedTuple):
    """A request of the protocol.

    Attributes:
        id: as the client gave it, or made up.
        item: the same request as MLflow's scoring protocol would say it.
        outputs: names of the outputs that are wanted, empty for all.
    """

    id: str
    item: dict[str, Any]
    outputs: tuple[str, ...]


class NoInferError(ValueError):
    """The request is not one of the protocol, or does not fit the model; the text says why."""


def parse(item: Any, inputs: tuple[Field, ...]) -> Infer:
    """Read a request.

    Args:
        item: the parsed body.
        inputs: of the model's signature.

    Raises:
        NoInferError: what is wrong, naming the input.
    """
    if not isinstance(item, dict) or not isinstance(item.get("inputs"), list):
        raise NoInferError("the request must be an object with a list `inputs`")
    if not item["inputs"]:
        raise NoInferError("`inputs` is empty")
    tensors = {}
    for one in item["inputs"]:
        name, shape, data = _tensor(one)
        if name in tensors:
            raise NoInferError(f"input {name!r} is there twice")
        tensors[name] = (shape, data)
    wanted = item.get("outputs") or []
    if not isinstance(wanted, list) or not all(isinstance(o, dict) and "name" in o for o in wanted):
        raise NoInferError("`outputs` must be a list of objects with a `name`")
    id = item.get("id")
    if id is not None and not isinstance(id, str):
        raise NoInferError("`id` must be a text")
    names = tuple(str(one["name"]) for one in wanted)
    return Infer(id or uuid.uuid4().hex, _as_mlflow(tensors, inputs), names)


def _tensor(one: Any) -> tuple[str, list[int], list[Any]]:
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        raise NoInferError("each input must be an object with a `name`")
    name = one["name"]
    shape, kind, data = one.get("shape"), one.get("datatype"), one.get("data")
    if not isinstance(shape, list) or not shape or any(type(n) is not int or n < 0 for n in shape):
        raise NoInferError(f"input {name!r}: `shape` must be a list of sizes")
    if not isinstance(kind, str) or kind not in DATATYPES:
        raise NoInferError(f"input {name!r}: `datatype` {kind!r} is not one of the protocol's")
    if not isinstance(data, list):
        raise NoInferError(f"input {name!r}: `data` must be a list")
    while data and isinstance(data[0], list):
        if not all(isinstance(part, list) for part in data):
            raise NoInferError(f"input {name!r}: `data` is ragged")
        data = [value for part in data for value in part]
    if len(data) != math.prod(shape):
        raise NoInferError(
            f"input {name!r}: `shape` {shape} asks for {math.prod(shape)} values,"
            f" `data` has {len(data)}"
        )
    for value in data:
        if not _fits(value, kind):
            raise NoInferError(f"input {name!r}: {value!r} is no {kind}")
    return name, shape, data


def _fits(value: Any, kind: str) -> bool:
    if kind in FLOATS:
        return value is None or type(value) in (int, float)
    if kind in INTEGERS:
        if type(value) is not int:
            return False
        bits = int(kind.lstrip("UINT"))
        half = 1 << (bits - 1)
        return 0 <= value < 2 * half if kind[0] == "U" else -half <= value < half
    return isinstance(value, bool if kind == "BOOL" else str)


def _as_mlflow(tensors: dict[str, Any], inputs: tuple[Field, ...]) -> dict[str, Any]:
    columns = [one.name for one in inputs if one.shape is None and one.name]
    if len(tensors) == 1:
        ((name, (shape, data)),) = tensors.items()
        if len(shape) == 2 and shape[1] == len(columns) and [name] != columns:
            return _split(columns, _nested(shape, data))
        if not columns:
            nested = _nested(shape, data)
            if inputs and inputs[0].name:
                return {"inputs": {inputs[0].name: nested}}
            return {"inputs": nested}
    if inputs and not columns:
        return {"inputs": {name: _nested(shape, data) for name, (shape, data) in tensors.items()}}
    sizes = {len(data) for _, data in tensors.values()}
    if len(sizes) > 1:
        raise NoInferError("the inputs have different numbers of rows")
    missing = [one.name for one in inputs if one.required and one.name not in tensors]
    if missing:
        raise NoInferError(f"the model needs the inputs {', '.join(map(repr, missing))}")
    names = [name for name in columns if name in tensors] or list(tensors)
    return _split(names, [list(row) for row in zip(*(tensors[n][1] for n in names), strict=True)])


def _split(columns: list[str], rows: list[Any]) -> dict[str, Any]:
    return {"dataframe_split": {"columns": columns, "data": rows}}


def _nested(shape: list[int], data: list[Any]) -> list[Any]:
    for size in reversed(shape[1:]):
        data = [data[at : at + size] for at in range(0, len(data), size)] if size else []
    return data


def written(
    request: Infer, values: Any, *, model: str, version: str, outputs: tuple[Field, ...]
) -> Reply:
    """Return predictions as the protocol's answer.

    Args:
        request: that is answered.
        values: predictions as plain values, row by row.
        model, version: that answered.
        outputs: of the signature, for their names.
    """
    made = _outputs(values, [one.name for one in outputs])
    if request.outputs:
        known = {one["name"]: one for one in made}
        unknown = [name for name in request.outputs if name not in known]
        if unknown:
            names = ", ".join(known)
            return refused(f"the model has no output {unknown[0]!r}; its outputs: {names}")
        made = [known[name] for name in request.outputs]
    item = {"model_name": model, "model_version": version, "id": request.id, "outputs": made}
    label = label_of(values[0]) if isinstance(values, list) and values else ""
    return Reply(200, json.dumps(item).encode(), label)


def refused(message: str, status: int = 400) -> Reply:
    """Return an error as the protocol writes it."""
    return Reply(status, json.dumps({"error": message}).encode())


def _outputs(values: Any, names: list[str]) -> list[dict[str, Any]]:
    if not isinstance(values, (list, dict)):
        values = [values]
    if isinstance(values, dict):
        return [_output(str(k), v if isinstance(v, list) else [v]) for k, v in values.items()]
    if values and all(isinstance(one, dict) for one in values):
        return [_output(str(k), [one.get(k) for one in values]) for k in values[0]]
    return [_output(names[0] if names and names[0] else "predict", values)]


def _output(name: str, values: list[Any]) -> dict[str, Any]:
    shape = [len(values)]
    while values and all(isinstance(one, list) for one in values):
        widths = {len(one) for one in values}
        if len(widths) != 1:
            break
        shape.append(widths.pop())
        values = [value for one in values for value in one]
    kinds = set(map(type, values))
    if kinds <= {bool}:
        kind = "BOOL"
    elif kinds <= {int}:
        kind = "INT64"
    elif kinds <= {int, float, type(None)}:
        kind = "FP64"
    else:
        kind = "BYTES"
        values = [one if isinstance(one, str) else json.dumps(one) for one in values]
    return {"name": name, "shape": shape, "datatype": kind, "data": values}
