"""What becomes known later of requests that a rollout's two versions answered.

Labels and business metrics come in at `/feedback`, minutes or days after the answers, and are
joined to the prediction log by request id. Each is counted once, when it becomes known, for the
version that answered. Where both versions answered the same request (one of them as a shadow), the
two are compared with each other, which tells more than two crowds do.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Mapping
from typing import Any

from penstock.domain.rollout import Rule, RuleKind
from penstock.errors import UnavailableError
from penstock.observations import Observations, metrics
from penstock.observations.files import LABELS
from penstock.observations.metrics import METRICS
from penstock.rollouts.state import RolloutState
from penstock.stats.twosample import Sums, Told

_SETTLE = 2.0
"""Seconds for which what was told waits until the request it is about is surely in the log."""
_SLICE = 1_800.0
"""Seconds of the log that are read at a time, newest first, until all requests are found; twice as
many after each slice that held little, ..."""
_LITTLE = 10_000
"""... which is fewer rows than this, ..."""
_LONGEST = 86_400.0
"""... and never more than a day."""
_PAUSE = 1.0
"""Seconds between two looks at the log, at least ..."""
_LEISURE = 10.0
"""... and as a multiple of what a look costs, ..."""
_LONGEST_PAUSE = 30.0
"""... but no longer than this."""
_ROLES = ("champion", "challenger", "shadow")
_REAL = ("champion", "challenger")
_ANSWERS = ("request_id", "row", "time", "version", "role", "prediction")


class Outcomes:
    """Reads what became known from the prediction log of one project.

    Args:
        observations: the log.
        task: ``classification``, ``regression`` or None for whatever fits.
    """

    def __init__(self, observations: Observations, task: str | None = None) -> None:
        self._observations = observations
        self._task = task
        self._next = 0.0

    def fresh(self, state: RolloutState, now: float) -> tuple[float, Mapping[str, Told]]:
        """Return what became known since the rollout last asked, per rule that it is for.

        Args:
            state: of the rollout; `RolloutState.told` says up to when it has counted.
            now: seconds since the epoch.

        Returns:
            Up to when everything is counted now, and the sums. A rule about what becomes known
            later is always there, with zeros when nothing did.
        """
        rules = [
            one for one in state.strategy.rules if one.kind in (RuleKind.QUALITY, RuleKind.MEAN)
        ]
        found: dict[str, Told] = {rule.name: Told() for rule in rules}
        mark = max(state.told, state.started)
        nobody = not rules or state.champion is None or not self._anything()
        if nobody or time.monotonic() < self._next:
            return state.told, found
        _load()
        begun = time.monotonic()
        until = now - _SETTLE
        marks = [mark]
        try:
            if any(rule.kind is RuleKind.QUALITY for rule in rules):
                marks.append(self._labels(state, rules, found, mark, until))
            if any(rule.kind is RuleKind.MEAN for rule in rules):
                marks.append(self._metrics(state, rules, found, mark, until))
        except (OSError, ValueError) as error:  # pyarrow's errors are of these two kinds
            raise UnavailableError(
                f"labels cannot be read: {error}",
                code="rollout.labels",
                hint="the rollout goes on without them, and tries again",
            ) from error
        finally:
            took = time.monotonic() - begun
            self._next = time.monotonic() + min(max(_PAUSE, _LEISURE * took), _LONGEST_PAUSE)
        return max(marks), found

    def _anything(self) -> bool:
        """Whether anything was ever told; so long nothing heavy is imported."""
        return any((self._observations.directory / kind).is_dir() for kind in (LABELS, METRICS))

    def _labels(
        self,
        state: RolloutState,
        rules: list[Rule],
        found: dict[str, Told],
        mark: float,
        until: float,
    ) -> float:
        labels = self._observations.labels(_after(mark), until)
        if labels is None:
            return mark
        newest = _newest(labels, "label_time")
        labels = _unknown_before(labels, self._observations.labels(state.started, _after(mark)))
        answers = self._answers(state, labels, _ROLES, until)
        if answers is None:
            return newest
        joined = answers.join(labels, ["request_id", "row"], join_type="inner")
        frame = joined.to_pandas().dropna(subset=["prediction", "label"])
        frame["value"] = rightness(frame["prediction"], frame["label"], self._task)
        told = _told(frame, state)
        found.update({rule.name: told for rule in rules if rule.kind is RuleKind.QUALITY})
        return newest

    def _metrics(
        self,
        state: RolloutState,
        rules: list[Rule],
        found: dict[str, Told],
        mark: float,
        until: float,
    ) -> float:
        directory = self._observations.directory
        fresh = metrics.read(directory, _after(mark), until)
        if fresh is None:
            return mark
        newest = _newest(fresh, "metric_time")
        earlier = metrics.read(directory, state.started, _after(mark))
        fresh = _unknown_before(fresh, earlier, "name")
        answers = self._answers(state, fresh, _REAL, until)
        if answers is None:
            return newest
        frame = answers.join(fresh, ["request_id", "row"], join_type="inner").to_pandas()
        for rule in rules:
            if rule.kind is RuleKind.MEAN:
                own = frame[frame["name"] == rule.name].copy()
                own["value"] = own["value"].clip(rule.low, rule.high)
                found[rule.name] = _told(own, state)
        return newest

    def _answers(
        self, state: RolloutState, known: Any, roles: tuple[str, ...], until: float
    ) -> Any | None:
        """Return the answers of both versions to the requests that something is known of."""
        import pyarrow.compute as pc

        from penstock.observations.table import unified

        assert state.champion is not None
        versions = (state.champion.version, state.challenger.version)
        ids = known["request_id"].combine_chunks()
        parts: list[Any] = []
        missing, end, length = len(pc.unique(ids)), until + _SLICE, _SLICE
        while end > state.started and missing > 0:
            start = max(end - length, state.started)
            table = self._observations.read(start, end, labels=False, columns=_ANSWERS)
            end = start
            length = min(2.0 * length, _LONGEST) if table.num_rows < _LITTLE else _SLICE
            if not table.num_rows:
                continue
            wanted = (
                pc.field("request_id").isin(ids)
                & pc.field("version").isin(_texts(versions))
                & pc.field("role").isin(_texts(roles))
            )
            table = table.filter(wanted)
            if table.num_rows:
                parts.append(table)
                real = table.filter(pc.field("role").isin(_texts(_REAL)))
                missing -= len(pc.unique(real["request_id"]))
        return unified(parts) if parts else None


def rightness(prediction: Any, label: Any, task: str | None = None) -> Any:
    """Return how right each answer was, from 0 to 1, shape (rows,).

    Classes: 1 if it is the label. Probabilities of a label that is 0 or 1: one less the squared
    error. Other numbers: one less the error relative to both, ``|p - y| / (|p| + |y|)``.

    >>> import pandas as pd
    >>> rightness(pd.Series(["a", "b"]), pd.Series(["a", "a"])).tolist()
    [1.0, 0.0]
    >>> rightness(pd.Series([0.9, 0.2]), pd.Series([1.0, 1.0])).round(2).tolist()
    [0.99, 0.36]
    >>> rightness(pd.Series([8.0]), pd.Series([12.0]), "regression").tolist()
    [0.8]
    """
    import numpy as np
    import pandas as pd

    p, y = (pd.to_numeric(one, errors="coerce") for one in (prediction, label))
    same = np.where(p.notna() & y.notna(), p == y, prediction.astype(str) == label.astype(str))
    same = same.astype(float)
    if task == "classification" and not bool(((p % 1) > 0).any()):
        return same
    score = (p >= 0) & (p <= 1) & y.isin((0.0, 1.0))
    size = (p.abs() + y.abs()).where(lambda one: one > 0, 1.0)
    near = np.where(score, 1.0 - (p - y) ** 2, 1.0 - (p - y).abs() / size)
    number = p.notna() & y.notna()
    if task != "regression":
        number &= ((p % 1) != 0) | ((y % 1) != 0)
    return np.where(number, near, same)


def _told(frame: Any, state: RolloutState) -> Told:
    """Return the sums of a frame of ``request_id``, ``row``, ``version`` and ``value``."""
    assert state.champion is not None
    once = frame.drop_duplicates(["request_id", "row", "version"])
    wide = once.set_index(["request_id", "row", "version"])["value"].unstack()  # noqa: PD010 - once
    names = [state.challenger.version, state.champion.version]
    t, c = (wide[name] if name in wide else _none(wide) for name in names)
    paired = t.notna() & c.notna()
    return Told(
        challenger=_sums(t[t.notna() & ~paired]),
        champion=_sums(c[c.notna() & ~paired]),
        pairs=_sums((c - t)[paired]),
        both=(_sums(t[paired]), _sums(c[paired])),
    )


def _none(wide: Any) -> Any:
    import pandas as pd

    return pd.Series(float("nan"), index=wide.index)


def _sums(values: Any) -> Sums:
    return Sums(len(values), float(values.sum()), float((values**2).sum()))


def _unknown_before(table: Any, earlier: Any | None, *more: str) -> Any:
    """Leave out what was told before: the first time counts."""
    keys = ["request_id", "row", *more]
    if earlier is None:
        return table
    return table.join(earlier.select(keys), keys, join_type="left anti")


def _load() -> None:
    """Import what reads the log, which takes long once and says nothing of what a look costs."""
    for name in ("pandas", "pyarrow.compute", "pyarrow.parquet"):
        importlib.import_module(name)


def _newest(table: Any, column: str) -> float:
    import pyarrow.compute as pc

    return float(pc.max(table[column]).as_py())


def _after(mark: float) -> float:
    """Return the least time after a mark: windows begin with their first moment."""
    return math.nextafter(mark, math.inf)


def _texts(values: tuple[str, ...]) -> Any:
    import pyarrow as pa

    return pa.array(values, pa.string())
