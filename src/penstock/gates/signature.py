"""The signature gate: whether those who call the champion can call the candidate unchanged.

Safe conversions are those of MLflow's schema enforcement (`mlflow.pyfunc`): integer to long and
double, float to double; and long to double, which JSON and CSV callers cannot tell apart.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.domain.verdict import Evidence, Outcome, Verdict

NAME = "signature fits the champion's callers"
_ACCEPTS = {
    "long": {"integer"},
    "double": {"integer", "long", "float"},
    "float": set(),
    "integer": set(),
}
"""A candidate's input type to the types which MLflow converts to it without a loss."""
_SAME_IN_JSON = ({"integer", "long"}, {"float", "double"})
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Column:
    """One input, output or parameter of a signature.

    Attributes:
        name: "" for a column known by its position, or an unnamed tensor.
        type: MLflow's type name, a tensor's ``dtype[shape]``, or JSON text of a nested type.
        required: whether a caller must give it.
    """

    name: str
    type: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model wants and gives."""

    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...] = ()
    params: tuple[Column, ...] = ()


def read_signature(model_path: Path) -> Signature | None:
    """Return the signature in an MLflow model's `MLmodel` file, None when it has none."""
    import yaml

    try:
        text = (model_path / "MLmodel").read_bytes()
        meta = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe
        item = meta.get("signature")
        if not item or not item.get("inputs"):
            return None
        return Signature(*(_columns(item.get(key)) for key in ("inputs", "outputs", "params")))
    except (OSError, yaml.YAMLError, ValueError, AttributeError, TypeError, KeyError):
        return None


def signature_gate(candidate: Path, champion: Path | None) -> Verdict:
    """Judge whether callers of the champion can call the candidate unchanged.

    Args:
        candidate: directory of the candidate's MLflow model.
        champion: directory of the champion's, None before the first deployment.

    Returns:
        Failed for a new required input, an input that is required now and was not, an input,
        output or parameter of another type, and an output that is gone. Passed, with words, for
        inputs that are not wanted any more and for new outputs. Inconclusive when a signature
        is missing: blocking only when the candidate lost what the champion has.
    """
    wanted = read_signature(candidate)
    if champion is None:
        words = "there is no champion yet, so nobody calls it"
        return _verdict(Outcome.PASSED, words, [], [], wanted)
    known = read_signature(champion)
    if known is None or wanted is None:
        lost = known is not None
        words = (
            "the candidate has no signature, the champion has one: nobody can tell whether its "
            "callers still fit"
            if lost
            else "the champion has no signature to hold the candidate against"
        )
        return Verdict(
            NAME,
            Outcome.INCONCLUSIVE,
            words,
            kind="signature",
            blocking=lost,
            hint="log the model with signature=mlflow.models.infer_signature(inputs, predictions)",
        )
    breaks = [*_inputs(known.inputs, wanted.inputs), *_outputs(known.outputs, wanted.outputs)]
    breaks += _params(known.params, wanted.params)
    notes = _notes(known, wanted)
    if breaks:
        more = f" and {len(breaks) - _SHOWN} more" if len(breaks) > _SHOWN else ""
        words = f"callers of the champion would break: {'; '.join(breaks[:_SHOWN])}{more}"
        return _verdict(Outcome.FAILED, words, breaks, notes, wanted)
    words = f"all {len(known.inputs)} inputs of the champion's callers fit"
    words += f"; {'; '.join(notes[:_SHOWN])}" if notes else ""
    return _verdict(Outcome.PASSED, words, [], notes, wanted)


def _verdict(
    outcome: Outcome, words: str, breaks: list[str], notes: list[str], wanted: Signature | None
) -> Verdict:
    evidence = Evidence(
        "breaking changes",
        float(len(breaks)),
        threshold=1.0,
        comparison="<",
        n=len(wanted.inputs) if wanted else 0,
        method="signature",
        details={"breaks": breaks, "notes": notes},
    )
    hint = "give new inputs a default, or serve the new signature under a new model name"
    return Verdict(
        NAME,
        outcome,
        words,
        kind="signature",
        evidence=(evidence,),
        hint=hint if breaks else None,
    )


def _inputs(old: Sequence[Column], new: Sequence[Column]) -> Iterator[str]:
    if not all(one.name for one in (*old, *new)):
        yield from _positions(old, new)
        return
    known = {one.name: one for one in old}
    for one in new:
        before = known.get(one.name)
        if before is None:
            if one.required:
                yield f"new required input {one.name} ({one.type})"
        elif not accepts(one.type, before.type):
            yield f"input {one.name} is {one.type}, was {before.type}"
        elif one.required and not before.required:
            yield f"input {one.name} is required, was optional"


def _positions(old: Sequence[Column], new: Sequence[Column]) -> Iterator[str]:
    if len(new) > len(old):
        yield f"it wants {len(new)} inputs, was {len(old)}"
    for number, (before, one) in enumerate(zip(old, new, strict=False), 1):
        if before.name != one.name:
            yield f"input {number} is called {one.name or '-'}, was {before.name or '-'}"
        elif not accepts(one.type, before.type):
            yield f"input {number} is {one.type}, was {before.type}"


def _outputs(old: Sequence[Column], new: Sequence[Column]) -> Iterator[str]:
    if not old or not new:
        return
    if len(old) == 1 and len(new) == 1:
        if not same_output(new[0].type, old[0].type):
            yield f"the output is {new[0].type}, was {old[0].type}"
        return
    known = {one.name: one for one in new}
    for before in old:
        one = known.get(before.name)
        if one is None:
            yield f"output {before.name or '(unnamed)'} is gone"
        elif not same_output(one.type, before.type):
            yield f"output {before.name} is {one.type}, was {before.type}"


def _params(old: Sequence[Column], new: Sequence[Column]) -> Iterator[str]:
    known = {one.name: one for one in new}
    for before in old:
        one = known.get(before.name)
        if one is not None and not accepts(one.type, before.type):
            yield f"parameter {before.name} is {one.type}, was {before.type}"


def _notes(old: Signature, new: Signature) -> list[str]:
    def names(columns: Sequence[Column]) -> set[str]:
        return {one.name for one in columns if one.name}

    notes = [
        f"input {one} is not wanted any more and will be ignored"
        for one in sorted(names(old.inputs) - names(new.inputs))
    ]
    optional = {one.name for one in new.inputs if not one.required}
    notes += [f"new optional input {one}" for one in sorted(optional - names(old.inputs) - {""})]
    if len(new.outputs) > len(old.outputs) > 0:
        notes += [f"new output {one}" for one in sorted(names(new.outputs) - names(old.outputs))]
    notes += [
        f"parameter {one} is gone and will be ignored"
        for one in sorted(names(old.params) - names(new.params))
    ]
    return notes


def accepts(wanted: str, given: str) -> bool:
    """Tell whether values of the type `given` may be sent where `wanted` is declared.

    >>> accepts("double", "integer"), accepts("integer", "double")
    (True, False)
    >>> accepts("float64[-1,784]", "float64[-1,784]")
    True
    >>> accepts("float64[-1,10]", "float64[-1,784]")
    False
    """
    if wanted == given or given in _ACCEPTS.get(wanted, set()):
        return True
    kind, _, shape = wanted.partition("[")
    other, _, other_shape = given.partition("[")
    if not shape or not other_shape or kind != other:
        return False
    sizes, others = shape.rstrip("]").split(","), other_shape.rstrip("]").split(",")
    return len(sizes) == len(others) and all(
        one in {"-1", two} for one, two in zip(sizes, others, strict=True)
    )


def same_output(now: str, before: str) -> bool:
    """Tell whether an answer reads the same in JSON: all whole, or all with a fraction.

    >>> same_output("integer", "long"), same_output("double", "long")
    (True, False)
    """
    return now == before or any({now, before} <= kind for kind in _SAME_IN_JSON)


def _columns(text: Any) -> tuple[Column, ...]:
    items = json.loads(text) if isinstance(text, str) else (text or [])
    if isinstance(items, dict):
        items = [items]
    return tuple(_column(one) for one in items)


def _column(item: dict[str, Any]) -> Column:
    required = bool(item.get("required", not item.get("optional", False)))
    name = str(item.get("name") or "")
    if item.get("type") == "tensor":
        spec = item["tensor-spec"]
        shape = ",".join(str(one) for one in spec["shape"])
        return Column(name, f"{spec['dtype']}[{shape}]", required)
    nested = {key: item[key] for key in ("properties", "items", "values") if key in item}
    kind = str(item.get("type", item.get("dtype", "")))
    if nested:
        kind += " " + json.dumps(nested, sort_keys=True)
    return Column(name, kind, required and "default" not in item)
