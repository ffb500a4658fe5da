"""Says what pydantic found, in the words of penstock.yaml, each fault at its place."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from penstock.config.build import place
from penstock.config.grammar import Section
from penstock.config.schema import Written
from penstock.config.source import Document
from penstock.errors import Problem

_WANTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "string_too_short": "text",
}
_BOUNDS = {
    "greater_than": "above {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "below {lt:g}",
    "less_than_equal": "at most {le:g}",
}
_PATTERNS = {
    "name": (
        "a name of two or more letters and digits, with `-` and `_` between them",
        "such as `flight-delay`",
    ),
    "adaptivity": (
        "an adaptivity",
        "write none, firstChange, full or passes(N), such as passes(5)",
    ),
    "sticky": ("a sticky key", "write `header:NAME` or `field:NAME`"),
    "freeze": ("a span of time", "write `Fri 16:00-Mon 08:00` or `22:00-06:00`"),
    "quiet_hours": ("a span of time", "write `22:00-06:00`"),
}


def problems(error: ValidationError, document: Document) -> list[Problem]:
    """Return every fault with its place, in the order of the file."""
    found: dict[tuple[Any, ...], Problem] = {}
    for one in error.errors(include_url=False):
        location = tuple(one["loc"])
        if "at" in one.get("ctx", {}):
            location = (*location, one["ctx"]["at"])
        # A value that fits none of several types is one fault, not one for each.
        path = place(document.value, location)
        found.setdefault(
            (path, one["type"] == "missing", _last(location, path)), _problem(one, document)
        )
    return sorted(found.values(), key=_order)


def _last(location: tuple[Any, ...], path: tuple[Any, ...]) -> Any:
    return location[len(path) :][:1]


def _order(problem: Problem) -> tuple[int, int]:
    return (problem.span.line, problem.span.column) if problem.span else (0, 0)


def _problem(one: Any, document: Document) -> Problem:
    kind, location, context = one["type"], tuple(one["loc"]), one.get("ctx", {})
    if "at" in context:
        location = (*location, context["at"])
    path = place(document.value, location)
    span = document.span(path)
    name = ".".join(str(step) for step in path) or document.file
    if kind == "extra_forbidden":
        return _unknown_key(location, document)
    if kind == "missing":
        return _missing(location, document)
    if kind in ("unit", "step", "rule", "setting"):
        return Problem(f"config.{kind}", f"{name}: {one['msg']}", span, context.get("hint"))
    if kind == "literal_error":
        return _unknown_value(name, one, span)
    if kind in _BOUNDS:
        bound = _BOUNDS[kind].format(**context)
        return Problem("config.out-of-range", f"{name} must be {bound}, not {one['input']!r}", span)
    if kind == "string_pattern_mismatch":
        key = next((str(s) for s in reversed(location) if not isinstance(s, int)), "")
        what, hint = _PATTERNS.get(key, ("well formed", None))
        return Problem("config.malformed", f"{name}: {one['input']!r} is not {what}", span, hint)
    wanted = _WANTED.get(kind)
    if wanted is None:
        return Problem("config.invalid", f"{name}: {one['msg'].lower()}", span)
    return Problem(
        "config.wrong-type", f"{name} must be {wanted}, not {_shown(one['input'])}", span
    )


def _unknown_key(location: tuple[Any, ...], document: Document) -> Problem:
    section = _section(location[:-1])
    known = keys_of(section) if section is not None else []
    word = str(location[-1])
    near = difflib.get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    where = place(document.value, location)
    inside = f" in `{'.'.join(str(step) for step in where[:-1])}`" if len(where) > 1 else ""
    hint = f"did you mean `{near[0]}`?" if near else f"known keys: {', '.join(known)}"
    span = document.span(where, key=True)
    return Problem("config.unknown-key", f"unknown key `{word}`{inside}", span, hint)


def _missing(location: tuple[Any, ...], document: Document) -> Problem:
    where = place(document.value, location[:-1])
    inside = f" in `{'.'.join(str(step) for step in where)}`" if where else ""
    section = _section(location[:-1])
    field = section.model_fields.get(str(location[-1])) if section is not None else None
    said = (field.description or "") if field is not None else ""
    span = document.span(where, key=bool(where))
    message = f"key `{location[-1]}` is missing{inside}"
    return Problem("config.missing-key", message, span, said.rstrip(".") or None)


def _unknown_value(name: str, one: Any, span: Any) -> Problem:
    expected = str(one["ctx"]["expected"])
    known = [word.strip("'\" ") for word in expected.replace(" or ", ", ").split(",")]
    near = difflib.get_close_matches(str(one["input"]), known, n=1, cutoff=0.6)
    said = f"{name}: {_shown(one['input'])} is none of {', '.join(known)}"
    hint = f"did you mean `{near[0]}`?" if near else None
    return Problem("config.unknown-value", said, span, hint)


def keys_of(section: type[Section]) -> list[str]:
    """Return the keys of a section as they are written."""
    return [field.alias or name for name, field in section.model_fields.items()]


def _section(location: Sequence[Any]) -> type[Section] | None:
    """Return the class that describes the mapping at a place."""
    here: Any = Written
    for step in location:
        if isinstance(here, type) and issubclass(here, Section):
            field = here.model_fields.get(str(step))
            here = field.annotation if field is not None else None
        else:
            here = _inside(here)
        here = _bare(here)
    return here if isinstance(here, type) and issubclass(here, Section) else None


def _bare(kind: Any) -> Any:
    """Return a type without `| None` and annotations."""
    arguments = [one for one in typing.get_args(kind) if one is not type(None)]
    if typing.get_origin(kind) in (tuple, dict, list) or not arguments:
        return kind
    return _bare(arguments[0])


def _inside(kind: Any) -> Any:
    arguments = [one for one in typing.get_args(kind) if one is not Ellipsis]
    return arguments[-1] if arguments else None


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
