"""Behavioural tests: what a model must do, whatever its metrics say.

The three kinds of CheckList (Ribeiro, Wu, Guestrin, Singh: "Beyond Accuracy", ACL 2020), for any
model on rows. Each function asserts, and returns what it saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from penstock.testing.model import Asked, Model
from penstock.testing.rows import Rows

Change = Callable[[pd.DataFrame], pd.DataFrame] | Mapping[str, Any]
"""How rows are changed: a function of a copy of the inputs, or new values by column (a value, or a
function of the column)."""

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a behavioural test saw.

    Attributes:
        n: rows asked.
        held: those that behaved.
        words: the result in words, with the first rows that did not behave.
    """

    n: int
    held: int
    words: str

    @property
    def share(self) -> float:
        """Share of rows that behaved, 0 to 1."""
        return self.held / self.n if self.n else 0.0


def minimum_functionality(
    model: Model,
    cases: Asked,
    expected: Any = None,
    *,
    at_least: float = 1.0,
    within: float = 0.0,
) -> Behaviour:
    """Assert that a model gets simple cases right.

    Args:
        model: fixture `candidate` or `champion`.
        cases: rows whose answer is beyond doubt.
        expected: one answer for all, or one for each; by default the labels of labelled rows.
        at_least: share of cases that must be right.
        within: how far from `expected` a predicted number may be.

    Raises:
        AssertionError: fewer cases are right.
    """
    __tracebackhide__ = True
    if expected is None and isinstance(cases, Rows):
        expected = cases.labels.to_numpy()
    _refuse_none(cases)
    answers = model.predict(cases)
    wanted = np.broadcast_to(np.asarray(expected), answers.shape)
    if answers.dtype.kind == "f" and wanted.dtype.kind in "iuf":
        right = np.abs(answers - wanted) <= within
    else:
        right = answers == wanted
    shown = [
        f"row {k}: {_say(answers[k])}, expected {_say(wanted[k])}"
        for k in np.flatnonzero(~right)[:_SHOWN]
    ]
    return _judge("cases are right", right, at_least, shown)


def invariance(
    model: Model,
    rows: Asked,
    change: Change,
    *,
    at_least: float = 1.0,
    within: float | None = None,
) -> Behaviour:
    """Assert that a change which should not matter does not change the answers.

    Args:
        model: fixture `candidate` or `champion`.
        rows: rows to ask before and after the change.
        change: a function of the inputs, or new values by column.
        at_least: share of rows whose answer must stay.
        within: compare the scores (a probability, or the predicted number), which may move by so
            much; by default classes must be the same, and numbers to 9 digits.

    Raises:
        AssertionError: the answers of more rows change.
    """
    __tracebackhide__ = True
    before_rows, after_rows = _pair(rows, change)
    if within is not None:
        before, after = model.score(before_rows), model.score(after_rows)
        same = np.abs(after - before) <= within
    else:
        before, after = model.predict(before_rows), model.predict(after_rows)
        number = before.dtype.kind == "f"
        same = np.isclose(before, after, rtol=1e-9, atol=1e-12) if number else before == after
    shown = _moves(before, after, ~same)
    return _judge("answers stay the same under the change", same, at_least, shown)


def directional(
    model: Model,
    rows: Asked,
    change: Change,
    *,
    expect: str,
    at_least: float = 1.0,
    by: float = 0.0,
) -> Behaviour:
    """Assert that a change moves the score in the direction that everybody knows.

    Args:
        model: fixture `candidate` or `champion`.
        rows: rows to ask before and after the change.
        change: a function of the inputs, or new values by column.
        expect: ``up`` or ``down``: where the probability of the positive class, or the predicted
            number, must go. A score that stays where it is has not gone the wrong way.
        at_least: share of rows that must follow.
        by: how far a score must move at least; 0 allows none, negative numbers the wrong way.

    Raises:
        AssertionError: fewer rows follow.
        ValueError: `expect` is neither.
    """
    __tracebackhide__ = True
    if expect not in {"up", "down"}:
        raise ValueError(f"expect is 'up' or 'down', not {expect!r}")
    before_rows, after_rows = _pair(rows, change)
    before, after = model.score(before_rows), model.score(after_rows)
    moved = after - before if expect == "up" else before - after
    follows = moved >= by - 1e-12
    return _judge(f"scores go {expect}", follows, at_least, _moves(before, after, ~follows))


def _refuse_none(rows: Asked) -> None:
    __tracebackhide__ = True
    if len(rows) == 0:
        raise AssertionError("no rows to ask: nothing shows how the model behaves")


def _pair(rows: Asked, change: Change) -> tuple[pd.DataFrame, pd.DataFrame]:
    __tracebackhide__ = True
    _refuse_none(rows)
    if isinstance(rows, Rows):
        before = rows.inputs
    elif isinstance(rows, pd.DataFrame):
        before = rows
    else:
        before = pd.DataFrame([rows] if isinstance(rows, dict) else list(rows))
    after = before.copy()
    if callable(change):
        after = change(after)
    else:
        for column, value in change.items():
            if column not in after:
                raise KeyError(f"the rows have no column {column!r} to change")
            after[column] = value(after[column]) if callable(value) else value
    if len(after) != len(before):
        raise ValueError(f"the change made {len(after)} rows of {len(before)}")
    return before, after


def _judge(what: str, good: NDArray[np.bool_], at_least: float, shown: Sequence[str]) -> Behaviour:
    __tracebackhide__ = True
    n, held = len(good), int(np.count_nonzero(good))
    words = f"{held} of {n} {what}"
    if held < n:
        words += f" ({held / n:.1%}, wanted {at_least:.1%}); {'; '.join(shown)}"
    if held < at_least * n - 1e-9:
        raise AssertionError(words)
    return Behaviour(n, held, words)


def _moves(before: NDArray[Any], after: NDArray[Any], bad: NDArray[np.bool_]) -> list[str]:
    return [
        f"row {k}: {_say(before[k])} became {_say(after[k])}" for k in np.flatnonzero(bad)[:_SHOWN]
    ]


def _say(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
