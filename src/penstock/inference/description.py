"""What a worker says about its model when it is ready: names and types, from the signature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.inference.manner import Limit


@dataclass(frozen=True, slots=True)
class Field:
    """One input or output of a model.

    Attributes:
        name: of the column or tensor; "" for a single tensor without a name.
        type: MLflow's name of a column type (``double``, ``long``, ``string``, ...) or numpy's name
            of a tensor's (``float64``, ...).
        shape: of a tensor, -1 for a free dimension; None for a column.
        required: whether a request must have it.
    """

    name: str
    type: str
    shape: tuple[int, ...] | None = None
    required: bool = True


@dataclass(frozen=True, slots=True)
class Description:
    """A model as its worker describes it.

    Attributes:
        inputs, outputs: from the signature, empty without one.
        signed: whether the model has a signature.
        example: a request body in the form that the model prefers, as JSON text; "" if unknown.
        runtime: name of the runtime that loaded it.
        mlflow: version of MLflow in the worker's environment, "" if there is none.
        batches: whether rows of several requests are predicted together.
        limits: that requests are held against, if they are.
        rejects: whether a request outside of them is refused.
    """

    inputs: tuple[Field, ...] = ()
    outputs: tuple[Field, ...] = ()
    signed: bool = False
    example: str = ""
    runtime: str = ""
    mlflow: str = ""
    batches: bool = False
    extra: dict[str, str] = field(default_factory=dict)
    limits: tuple[Limit, ...] = ()
    rejects: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        for side in ("inputs", "outputs"):
            item[side] = [
                {
                    "name": one.name,
                    "type": one.type,
                    "shape": None if one.shape is None else list(one.shape),
                    "required": one.required,
                }
                for one in item[side]
            ]
        item["limits"] = [one.to_dict() for one in self.limits]
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Description:
        """Read what `to_dict` wrote."""
        limits = tuple(Limit.from_dict(one) for one in item["limits"])
        sides = {
            side: tuple(
                Field(
                    one["name"],
                    one["type"],
                    None if one["shape"] is None else tuple(one["shape"]),
                    one["required"],
                )
                for one in item[side]
            )
            for side in ("inputs", "outputs")
        }
        return cls(**{**item, **sides, "limits": limits})
