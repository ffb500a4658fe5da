"""A batch: parse what waits, predict all rows at once, give each request its own rows back."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from penstock.inference import frames
from penstock.inference.description import Description
from penstock.inference.manner import Manner
from penstock.serving import answers, tensors
from penstock.serving.answers import Reply
from penstock.serving.checks import Checks
from penstock.serving.interface import Runtime
from penstock.serving.rows import is_plain

try:
    from orjson import loads as _loads

    _fast_loads: Callable[[bytes], Any] = _loads
except ImportError:  # the model's environment need not have it
    _fast_loads = json.loads

_PLAIN_TYPES: dict[str, tuple[type, ...]] = {
    "double": (float, int),
    "float": (float, int),
    "string": (str,),
}
MAX_ROWS = 16_384
"""Most rows given to the model at once."""


class _Waiting(NamedTuple):
    number: int
    kind: int
    body: bytes
    rows: list[Any]
    infer: tensors.Infer | None


class Batcher:
    """Answers requests with a runtime, together where possible.

    Args:
        runtime: the loaded model; called by the thread that calls `answer`.
        name, version: of the model, for answers that repeat them.
    """

    def __init__(self, runtime: Runtime, name: str = "", version: str = "") -> None:
        self._runtime = runtime
        # A runtime whose predictions are no list writes its answers itself.
        self._write = getattr(runtime, "written", answers.predictions)
        self._plainly = self._write is answers.predictions
        self._name = name
        self._version = version
        description = runtime.describe()
        self._description = description
        self._inputs = description.inputs
        self._outputs = description.outputs
        self._example = description.example
        self._most = MAX_ROWS
        self.checks: Checks | None = None

    def behave(self, manner: Manner) -> None:
        """Answer from now on as a bundle's file says; the model has answered its example before."""
        if manner.batch == "off":
            self._most = 0
        checks = Checks(manner, self._inputs) if manner.mode != "off" else None
        if checks is not None and checks.limits:
            self.checks = checks
            if hasattr(self._runtime, "look"):
                self._runtime.look = checks.look

    def describe(self) -> Description:
        """Return what the model is, with the limits that its requests are held against."""
        if self.checks is None:
            return self._description
        rejects = self.checks.rejects
        return replace(self._description, limits=self.checks.limits, rejects=rejects)

    def warm_up(self) -> None:
        """Send the model's own example through it, so that the first caller does not wait.

        Raises:
            RuntimeError: the model cannot answer its own example.
        """
        if not self._example:
            return
        for number in range(3):
            request = (number, frames.INVOCATIONS_JSON, self._example.encode())
            (answer,) = self.answer([request])
            if answer.status >= 400:
                text = answer.body.decode("utf-8", "replace")[:400]
                raise RuntimeError(f"the model cannot answer its own input example: {text}")

    def answer(self, requests: Sequence[tuple[int, int, bytes]]) -> list[frames.Answer]:
        """Return one answer per request, in any order."""
        done: list[frames.Answer] = []
        waiting: list[_Waiting] = []
        total = 0
        for number, kind, body in requests:
            infer = None
            if kind == frames.INVOCATIONS_JSON:
                rows = self._rows(body)
            elif kind == frames.V2_INFER:
                try:
                    infer = tensors.parse(_parsed(body), self._inputs)
                    rows = self._runtime.rows(infer.item)
                except Exception as error:  # no body, however strange, may end the worker
                    done.append(_framed(number, tensors.refused(str(error))))
                    continue
            else:
                rows = None
            one = _Waiting(number, kind, body, rows or [], infer)
            if rows is None:
                done.append(self._alone(one))
                continue
            if self.checks is not None:
                refusal = self.checks.refused(number, kind, rows)
                if refusal is not None:
                    done.append(_framed(number, refusal))
                    continue
            if total + len(rows) > self._most and waiting:
                done += self._together(waiting)
                waiting, total = [], 0
            waiting.append(one)
            total += len(rows)
        if waiting:
            done += self._together(waiting)
        return done

    def _rows(self, body: bytes) -> list[Any] | None:
        try:
            item = _fast_loads(body)
            return self._runtime.rows(item) if is_plain(item) else None
        except Exception:  # a runtime of somebody else's; no body may end the worker
            return None

    def _together(self, waiting: list[_Waiting]) -> list[frames.Answer]:
        rows = waiting[0].rows if len(waiting) == 1 else [r for one in waiting for r in one.rows]
        try:
            values = self._runtime.predict(rows)
        except Exception:  # the model's own code
            if len(waiting) == 1:
                if self._is_what_the_model_takes(rows):
                    return [self._failed(waiting[0])]
                # The long way says what was wrong with the request.
                return [self._alone(waiting[0])]
            # One bad request must not spoil its neighbours'; look for it by halves.
            half = len(waiting) // 2
            return self._together(waiting[:half]) + self._together(waiting[half:])
        done = []
        start = 0
        for one in waiting:
            end = start + len(one.rows)
            done.append(self._written(one, values[start:end]))
            start = end
        return done

    def _written(self, one: _Waiting, values: Any) -> frames.Answer:
        try:
            if one.infer is None:
                if len(values) == 1 and self._plainly:
                    number = answers.number(values[0])
                    if number is not None:
                        return frames.Answer(one.number, 200, *number)
                return _framed(one.number, self._write(values))
            return _framed(one.number, self._as_tensors(one.infer, self._plain(values)))
        except Exception:  # the model answered what no JSON can hold
            return self._failed(one)

    def _alone(self, one: _Waiting) -> frames.Answer:
        if self.checks is not None:
            self.checks.expect(one.number, frames.INVOCATIONS_JSON)
        try:
            if one.infer is None:
                reply = self._runtime.whole(one.kind, one.body)
            else:
                body = json.dumps(one.infer.item).encode()
                reply = self._runtime.whole(frames.INVOCATIONS_JSON, body)
                reply = self._translated(one.infer, reply)
        except Exception:  # whatever the model's own code raises must not end the worker
            return self._failed(one)
        return _framed(one.number, reply)

    def _failed(self, one: _Waiting) -> frames.Answer:
        """Answer that the model's own code raised: not the caller's mistake."""
        reply = answers.mistake(
            "Encountered an unexpected error while evaluating the model.",
            500,
            code="INTERNAL_ERROR",
            trace=traceback.format_exc(),
        )
        if one.infer is not None:
            reply = self._translated(one.infer, reply)
        return _framed(one.number, reply)

    def _is_what_the_model_takes(self, rows: list[Any]) -> bool:
        """Tell whether every value is of its column's type, or missing: no fault of the caller's.

        Only types that need no conversion are looked at; of others False is said.
        """
        kinds = [_PLAIN_TYPES.get(one.type) for one in self._inputs]
        if not kinds or None in kinds:
            return False
        return all(
            len(row) == len(kinds)
            and all(
                value is None or type(value) in kind
                for value, kind in zip(row, kinds, strict=True)
                if kind is not None
            )
            for row in rows
        )

    def _translated(self, infer: tensors.Infer, reply: Reply) -> Reply:
        item = json.loads(reply.body)
        if reply.status != 200:
            return tensors.refused(str(item.get("message", "")), reply.status)
        return self._as_tensors(infer, item["predictions"])

    def _plain(self, values: list[Any]) -> Any:
        """Return what the values of a request are in MLflow's answer."""
        if self._plainly:
            return values
        return json.loads(self._write(values).body)["predictions"]

    def _as_tensors(self, infer: tensors.Infer, values: Any) -> Reply:
        return tensors.written(
            infer, values, model=self._name, version=self._version, outputs=self._outputs
        )


def _parsed(body: bytes) -> Any:
    try:
        return _fast_loads(body)
    except ValueError:
        return json.loads(body)  # it knows NaN and Infinity


def _framed(number: int, reply: Reply) -> frames.Answer:
    return frames.Answer(number, reply.status, reply.body, reply.label.encode(), plain=reply.plain)
