"""How a worker answers beside what the model itself says: checks of the input, batching.

Whoever packs a bundle writes it down as JSON; the worker reads it, and tells the gateway the
limits, for the OpenAPI document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

SHOWN = 8
"""Most values of a category that are shown in words."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What one field of a request may hold.

    Attributes:
        name: of the field.
        low, high: of a number, None for no limit.
        values: that a text may have, None for any.
        nulls: whether it may be missing.
    """

    name: str
    low: float | None = None
    high: float | None = None
    values: tuple[str, ...] | None = None
    nulls: bool = True

    def words(self) -> str:
        """Return what is allowed, in words.

        Example:
            >>> Limit("age", 18.0, 99.5).words(), Limit("town", values=("Ulm", "Bonn")).words()
            ('18 to 99.5', "one of 'Ulm', 'Bonn'")
        """
        if self.values is not None:
            shown = ", ".join(map(repr, self.values[:SHOWN]))
            more = len(self.values) - SHOWN
            return f"one of {shown}" + (f" and {more} more" if more > 0 else "")
        if self.low is not None and self.high is not None:
            return f"{self.low:.6g} to {self.high:.6g}"
        if self.low is not None:
            return f"at least {self.low:.6g}"
        return f"at most {self.high:.6g}" if self.high is not None else "a value"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["values"] = None if self.values is None else list(self.values)
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Limit:
        """Read what `to_dict` wrote."""
        values = item["values"]
        return cls(**{**item, "values": None if values is None else tuple(values)})


@dataclass(frozen=True, slots=True)
class Manner:
    """How a worker answers.

    Attributes:
        mode: ``off``, ``warn`` (tell, and answer all the same) or ``reject``: what to do about
            a request with a value outside its limits.
        limits: by field, in the order of the training data's columns.
        batch: ``auto``: rows of several requests are put together where the runtime knows that
            each is answered by itself; ``all``: in any model that proves it with its example;
            ``off``: never.
    """

    mode: str = "off"
    limits: tuple[Limit, ...] = ()
    batch: str = "auto"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        limits = [one.to_dict() for one in self.limits]
        return {"mode": self.mode, "limits": limits, "batch": self.batch}

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Manner:
        """Read what `to_dict` wrote."""
        limits = tuple(Limit.from_dict(one) for one in item["limits"])
        return cls(item["mode"], limits, item["batch"])
