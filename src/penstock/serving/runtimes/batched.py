"""Models of which nothing says that they answer each row by itself, once they have proven it.

A pyfunc may look at all rows of a request: rank them, or scale them by their own mean. Whoever
knows that his does not may have it asked about rows of several requests at once; before it is,
the rows of its example must get the same answers alone, together, and in another order.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

from penstock.inference import frames
from penstock.inference.description import Description, Field
from penstock.serving.answers import Reply
from penstock.serving.interface import Runtime
from penstock.serving.rows import RowReader
from penstock.serving.runtimes import mlmodel as files
from penstock.serving.runtimes.pyfunc import Look, Pyfunc
from penstock.serving.runtimes.tabular import Table, table_of


class Batched:
    """A pyfunc that is asked about rows of several requests together.

    Args:
        whole: the model behind MLflow.
        table: how to build its DataFrame or array.
    """

    def __init__(self, whole: Pyfunc, table: Table) -> None:
        self._whole = whole
        self._build = table.build
        self.look: Look | None = None
        self.rows = RowReader(table.columns, table.width).read

    def describe(self) -> Description:
        """Return what the model is."""
        return replace(self._whole.describe(), batches=True)

    def predict(self, rows: list[Any]) -> list[Any]:
        """Return one plain value per row."""
        from mlflow.utils.proto_json_utils import NumpyEncoder, _get_jsonable_obj

        found = self._whole.model.predict(self._build(rows))
        plain = _get_jsonable_obj(found, pandas_orient="records")
        if not isinstance(plain, list) or len(plain) != len(rows):
            raise ValueError("the model does not answer row by row")
        if any(type(one) not in (int, float, str, bool, type(None)) for one in plain):
            values: list[Any] = json.loads(json.dumps(plain, cls=NumpyEncoder))
            return values
        return plain

    def settle(self) -> None:
        """Do nothing: everything is loaded."""

    def whole(self, kind: int, body: bytes) -> Reply:
        """Answer one request as MLflow's scoring server would."""
        self._whole.look = self.look
        return self._whole.whole(kind, body)


def together(runtime: Runtime, mlmodel: dict[str, Any]) -> Runtime:
    """Return a runtime that puts rows of several requests together, if the model allows it.

    A model that does not prove that it does is left as it is, and the worker's log says why.
    """
    if not isinstance(runtime, Pyfunc):
        return runtime
    inputs = files.fields(mlmodel, "inputs")
    table = _table(inputs, signed=bool(mlmodel.get("signature")))
    why = "its signature has other inputs than a plain table"
    if table is not None:
        made = Batched(runtime, table)
        why = _differs(made, runtime)
        if not why:
            return made
    sys.stderr.write(f"requests to this model are answered one by one: {why}\n")
    return runtime


def _table(inputs: tuple[Field, ...], *, signed: bool) -> Table | None:
    tensor = bool(inputs) and inputs[0].shape is not None
    names = None if tensor else tuple(one.name for one in inputs)
    return table_of(inputs, signed=signed, fitted_names=names, fitted_width=None)


def _differs(made: Batched, whole: Pyfunc) -> str:
    """Return why a model must not be batched, "" if its example gets the same answers."""
    text = whole.describe().example
    item = json.loads(text) if text else None
    example = (made.rows(item) if isinstance(item, dict) else None) or []
    rows = [*example, *_varied(example)][:64]
    if not rows:
        return "it has no example of plain rows to prove with that each is answered by itself"
    try:
        alone = [made.predict([row])[0] for row in rows]
        shuffled = list(reversed(range(len(rows))))
        turned = made.predict([rows[at] for at in shuffled])
        if made.predict(rows) != alone or turned != [alone[at] for at in shuffled]:
            return "the rows of its example get other answers together than alone"
        reply = whole.whole(frames.INVOCATIONS_JSON, text.encode())
        if json.loads(reply.body)["predictions"][:64] != alone[: len(example)]:
            return "its rows get other answers than the whole request"
    except Exception as error:  # the model's own code may raise anything
        return f"its example cannot be answered row by row: {type(error).__name__}: {error}"[:400]
    return ""


def _varied(rows: list[Any]) -> list[list[Any]]:
    """Return rows with other numbers: an example of one row, or of equal rows, proves nothing."""
    return [
        [value * 2 + at if type(value) in (int, float) else value for value in row]
        for at, row in enumerate(rows[:8], 1)
    ]
