"""A batch: parse what waits, predict all rows at once, give each request its own rows back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from penstock.inference import frames
from penstock.serving import answers
from penstock.serving.interface import Runtime
from penstock.serving.rows import is_plain

try:
    from orjson import loads as _loads

    _fast_loads: Callable[[bytes], Any] = _loads
except ImportError:  # the model's environment need not have it
    _fast_loads = json.loads

MAX_ROWS = 16_384
"""Most rows given to the model at once."""


class _Waiting(NamedTuple):
    number: int
    kind: int
    body: bytes
    rows: list[Any]


class Batcher:
    """Answers requests with a runtime, together where possible.

    Args:
        runtime: the loaded model; called by the thread that calls `answer`.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def warm_up(self) -> None:
        """Send the model's own example through it, so that the first caller does not wait.

        Raises:
            RuntimeError: the model cannot answer its own example.
        """
        example = self._runtime.describe().example
        if not example:
            return
        for number in range(3):
            (answer,) = self.answer([(number, frames.INVOCATIONS_JSON, example.encode())])
            if answer.status >= 400:
                text = answer.body.decode("utf-8", "replace")[:400]
                raise RuntimeError(f"the model cannot answer its own input example: {text}")

    def answer(self, requests: Sequence[tuple[int, int, bytes]]) -> list[frames.Answer]:
        """Return one answer per request, in any order."""
        done: list[frames.Answer] = []
        waiting: list[_Waiting] = []
        total = 0
        for number, kind, body in requests:
            rows = self._rows(kind, body)
            if rows is None:
                done.append(self._alone(number, kind, body))
                continue
            if total + len(rows) > MAX_ROWS and waiting:
                done += self._together(waiting)
                waiting, total = [], 0
            waiting.append(_Waiting(number, kind, body, rows))
            total += len(rows)
        if waiting:
            done += self._together(waiting)
        return done

    def _rows(self, kind: int, body: bytes) -> list[Any] | None:
        if kind != frames.INVOCATIONS_JSON:
            return None
        try:
            item = _fast_loads(body)
        except (ValueError, RecursionError):
            return None
        return self._runtime.rows(item) if is_plain(item) else None

    def _together(self, waiting: list[_Waiting]) -> list[frames.Answer]:
        rows = waiting[0].rows if len(waiting) == 1 else [r for one in waiting for r in one.rows]
        try:
            values = self._runtime.predict(rows)
        except Exception:  # the model's own code; the long way says what was wrong, and whose it is
            if len(waiting) == 1:
                return [self._alone(*waiting[0][:3])]
            # One bad request must not spoil its neighbours'; look for it by halves.
            half = len(waiting) // 2
            return self._together(waiting[:half]) + self._together(waiting[half:])
        done = []
        start = 0
        for number, _, _, own in waiting:
            end = start + len(own)
            reply = answers.predictions(values[start:end])
            done.append(frames.Answer(number, 200, reply.body, reply.label.encode()))
            start = end
        return done

    def _alone(self, number: int, kind: int, body: bytes) -> frames.Answer:
        reply = self._runtime.whole(kind, body)
        return frames.Answer(
            number, reply.status, reply.body, reply.label.encode(), plain=reply.plain
        )
