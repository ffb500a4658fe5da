"""The grammar's small words: sections with known keys, amounts with units, lists or one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from penstock.config import units


def _unit(
    parse: Callable[[object], float], description: str, pattern: str, *, bare: bool = True
) -> tuple[BeforeValidator, WithJsonSchema]:
    def check(value: object) -> float:
        try:
            return parse(value)
        except ValueError as error:
            raise PydanticCustomError(
                "unit",
                "{said} is no {what}",
                {"said": repr(value), "what": description, "hint": str(error)},
            ) from None

    forms: list[dict[str, Any]] = [{"type": "string", "pattern": pattern}]
    if bare:
        forms.append({"type": "number", "minimum": 0})
    written = {"$comment": description, "anyOf": forms}
    return BeforeValidator(check), WithJsonSchema(written)


_D, _DJ = _unit(units.seconds, "duration", r"^\s*([0-9.]+\s*(ms|s|m|h|d|w)?\s*)+$")
_S, _SJ = _unit(units.size, "size", r"^\s*[0-9.]+\s*([bB]|[kKmMgGtT]([iI]?[bB])?)\s*$", bare=False)
_P, _PJ = _unit(units.percent, "percentage", r"^\s*[0-9.]+\s*%?\s*$")
_H, _HJ = _unit(units.share, "share", r"^\s*[0-9.]+\s*%?\s*$")
Duration = Annotated[float, _D, _DJ]
Size = Annotated[int, _S, _SJ]
Percent = Annotated[float, _P, _PJ]
Share = Annotated[float, _H, _HJ]
Whole = Annotated[int, Field(strict=True)]
Number = Annotated[float, Field(strict=True)]
Text = Annotated[str, Field(min_length=1)]


def listed(value: object) -> object:
    """Return a text as a list of one."""
    return [value] if isinstance(value, str) else value


def _one_or_many(words: str, one: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"$comment": words, "anyOf": [one, {"type": "array", "items": one}]})


Texts = Annotated[
    tuple[Text, ...],
    BeforeValidator(listed),
    _one_or_many("one or several texts", {"type": "string", "minLength": 1}),
]
Policy = Literal["block", "warn", "off"]
Sticky = Annotated[Text, Field(pattern=r"^(header|field):\S+$")]
_CLOCK = "([01]?[0-9]|2[0-4]):[0-5][0-9]"
_DAY = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_SPAN = f"^({_DAY} {_CLOCK}-{_DAY} {_CLOCK}|{_CLOCK}-{_CLOCK})$"
Spans = Annotated[
    tuple[Annotated[Text, Field(pattern=_SPAN)], ...],
    BeforeValidator(listed),
    _one_or_many("one or several spans of time", {"type": "string", "pattern": _SPAN}),
]


class Section(BaseModel):
    """A mapping with known keys; an empty one may be left empty."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
    short: ClassVar[str] = ""
    """Key that a value stands for when it is written without a mapping."""

    @model_validator(mode="before")
    @classmethod
    def _lengthen(cls, value: Any) -> Any:
        return cls.lengthen(value)

    @classmethod
    def lengthen(cls, value: Any) -> Any:
        """Return the long form of whatever is written."""
        if value is None and not cls.short:
            return {}
        if cls.short and not isinstance(value, dict):
            return {cls.short: value}
        return value
