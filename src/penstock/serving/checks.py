"""Checks of what requests hold, against the limits that the training data gave.

Plain rows are looked at before the model sees them: a row without a fault costs some 60 ns per
limited field. Only where something is wrong is it worked out what, and how often.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from penstock.inference import frames
from penstock.inference.description import Field
from penstock.inference.manner import Limit, Manner
from penstock.serving import tensors
from penstock.serving.answers import Reply

REJECTED = 422
"""Status of a request that fits the signature but not the limits (RFC 9110, 15.5.21)."""
TOLD = 20
"""Most violations that one answer tells."""
_NUMBERS = frozenset(
    [
        *("double", "float", "long", "integer", "float64", "float32", "float16"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    ]
)
_TEXTS = frozenset(("string", "str", "object"))
BELOW, ABOVE, UNSEEN, MISSING = "below", "above", "unseen", "missing"


class Violation(NamedTuple):
    """One value that is not as the training data was.

    Attributes:
        field: name of the column.
        row: of the request, from 0.
        kind: ``below``, ``above``, ``unseen`` or ``missing``.
        value: that was sent.
    """

    field: str
    row: int
    kind: str
    value: Any


class Checks:
    """Looks at requests; called by the one thread of a worker.

    Args:
        manner: with the limits and what to do.
        inputs: of the model's signature; limits of other fields, or of other types, are dropped.

    Attributes:
        limits: that hold.
        rejects: whether a request outside of them is refused.
        notes: number of a request -> its violations, until they are taken.
    """

    def __init__(self, manner: Manner, inputs: tuple[Field, ...]) -> None:
        self.limits = _fitting(manner.limits, inputs)
        self.notes: dict[int, list[Violation]] = {}
        self.rejects = manner.mode == "reject"
        self._by_name = {one.name: one for one in self.limits}
        self._known = {
            one.name: frozenset(one.values) for one in self.limits if one.values is not None
        }
        names = [one.name for one in inputs if one.shape is None] or [
            one.name for one in manner.limits
        ]
        self._columns = [
            (at, self._by_name[name]) for at, name in enumerate(names) if name in self._by_name
        ]
        self._numbers = [
            (
                at,
                float("-inf") if one.low is None else one.low,
                float("inf") if one.high is None else one.high,
                one.nulls,
            )
            for at, one in self._columns
            if one.values is None
        ]
        self._texts = [
            (at, self._known[one.name] | ({None} if one.nulls else set()))
            for at, one in self._columns
            if one.values is not None
        ]
        self._number = 0
        self._kind = 0

    def refused(self, number: int, kind: int, rows: Sequence[Any]) -> Reply | None:
        """Look at the plain rows of a request; return the answer if it is refused.

        Args:
            number, kind: of the request.
            rows: in the order of the model's columns.
        """
        try:
            if all(map(self._is_fine, rows)):
                return None
        except TypeError:  # a list, or a text where a number belongs: the model says so itself
            pass
        self.expect(number, kind)
        return self._told(
            Violation(limit.name, index, fault, row[at])
            for index, row in enumerate(rows)
            for at, limit in self._columns
            if (fault := self._fault(limit, row[at]))
        )

    def expect(self, number: int, kind: int) -> None:
        """Note which request `look` will be asked about."""
        self._number, self._kind = number, kind

    def look(self, data: Any) -> Reply | None:
        """Look at a request that MLflow has parsed; return the answer if it is refused.

        Args:
            data: a DataFrame, or an array of shape (rows, columns); others are not looked at.
        """
        if hasattr(data, "columns"):
            named = [(one, data[one.name]) for one in self.limits if one.name in data.columns]
        elif getattr(data, "ndim", 0) == 2 and data.shape[1] > max(
            (at for at, _ in self._columns), default=0
        ):
            named = [(one, data[:, at]) for at, one in self._columns]
        else:
            return None
        return self._told(
            Violation(one.name, row, fault, value)
            for one, column in named
            for row, value in self._suspects(one, column)
            if (fault := self._fault(one, value))
        )

    def _is_fine(self, row: Any) -> bool:
        for at, low, high, nulls in self._numbers:
            value = row[at]
            if value is None:
                if not nulls:
                    return False
            elif not low <= value <= high:
                return False
        return all(row[at] in known for at, known in self._texts)

    def _suspects(self, limit: Limit, column: Any) -> Iterable[tuple[int, Any]]:
        """Return row and value of whatever in a column may be a fault."""
        import numpy as np

        values = np.asarray(column)
        if values.dtype.kind in "iuf":
            low = -np.inf if limit.low is None else limit.low
            high = np.inf if limit.high is None else limit.high
            places = np.nonzero(~((values >= low) & (values <= high)))[0]
            return [(int(at), values[at].item()) for at in places]
        return list(enumerate(values.tolist()))

    def _fault(self, limit: Limit, value: Any) -> str:
        if value is None or (isinstance(value, float) and math.isnan(value)):
            return "" if limit.nulls else MISSING
        if limit.values is not None:
            text = isinstance(value, str)
            return UNSEEN if text and value not in self._known[limit.name] else ""
        if type(value) not in (int, float):
            return ""
        if limit.low is not None and value < limit.low:
            return BELOW
        return ABOVE if limit.high is not None and value > limit.high else ""

    def _told(self, found: Iterable[Violation]) -> Reply | None:
        every = list(found)
        if not every:
            return None
        self.notes[self._number] = every
        if not self.rejects:
            return None
        message = self.words(every)
        if self._kind == frames.V2_INFER:
            return tensors.refused(message, REJECTED)
        item = {
            "error_code": "INPUT_OUT_OF_RANGE",
            "message": message,
            "violations": [
                {
                    "field": one.field,
                    "row": one.row,
                    "kind": one.kind,
                    "value": one.value,
                    "allowed": self._by_name[one.field].words(),
                }
                for one in every[:TOLD]
            ],
        }
        return Reply(REJECTED, json.dumps(item, default=str).encode())

    def words(self, found: list[Violation]) -> str:
        """Return what is wrong in one sentence, the first fields by name."""
        said = []
        for one in found[:3]:
            allowed = self._by_name[one.field].words()
            value = "is missing" if one.kind == MISSING else f"is {one.value!r}"
            said.append(f"field {one.field!r} of row {one.row} {value}, allowed is {allowed}")
        more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
        return "the model was not trained on such values: " + "; ".join(said) + more

    def taken(self) -> bytes:
        """Return the notes as the payload of a frame, and forget them."""
        item: dict[str, list[list[Any]]] = {}
        for number, found in self.notes.items():
            counts: dict[tuple[str, str], int] = {}
            for one in found:
                counts[one.field, one.kind] = counts.get((one.field, one.kind), 0) + 1
            item[str(number)] = [[*key, count] for key, count in counts.items()]
        self.notes = {}
        return json.dumps(item).encode()


def _fitting(limits: tuple[Limit, ...], inputs: tuple[Field, ...]) -> tuple[Limit, ...]:
    """Return the limits that can hold for a model: a column of that name takes such values."""
    columns = {one.name: one for one in inputs if one.shape is None}
    if not columns:
        shapes = [one.shape for one in inputs if one.shape is not None]
        # A table without names: limits go by place, if there is one for each column.
        fits = len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][1] == len(limits)
        numeric = all(one.type in _NUMBERS for one in inputs)
        return limits if fits and numeric and all(one.values is None for one in limits) else ()
    kept = []
    for one in limits:
        field = columns.get(one.name)
        if field is None:
            continue
        wanted = _NUMBERS if one.values is None else _TEXTS
        only_nulls = one.values is None and one.low is None and one.high is None
        if field.type in wanted or (only_nulls and not one.nulls):
            kept.append(one)
    return tuple(kept)
