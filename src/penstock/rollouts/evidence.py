"""What one rule of an analysis knows: e-processes as sums, one per direction.

`harm` is evidence that the challenger is worse than the rule tolerates; `fine` is evidence that it
is not. Both are lists of log wealth, one entry per alternative, so they fit into a journal's record
and survive any restart.

The e-value for harm is a mixture over when the trouble may have begun. One part begins with each
stage of the rollout, so a regression that shows only at 25 % is not diluted by what went well at
5 %. Another begins anew with every look, with a share that gets smaller and smaller: it finds what
begins in the middle of a step.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.domain.rollout import Rule, RuleKind
from penstock.rollouts.counting import Tally
from penstock.rollouts.gains import (
    COPIES_SLACK,
    Seen,
    fine_weights,
    gains,
    harm_weights,
    learn_limits,
    parts,
)
from penstock.stats.sequential import PHI_GRID, log_mean_exp
from penstock.stats.twosample import Told

__all__ = ["COPIES_SLACK", "METHODS", "RuleEvidence"]

METHODS = {
    RuleKind.RATE: "split e-process",
    RuleKind.TAIL: "tail split e-process",
    RuleKind.MEAN: "betting e-process",
    RuleKind.QUALITY: "betting e-process",
    RuleKind.DISTRIBUTION: "categorical e-process",
}
_ANY_TIME = 0.2
"""Share of the mixture that begins anew with every look."""
_LOOKS = 40.0
"""Half of that share is given out within so many looks; the rest more and more slowly."""
_DIGITS = 6
"""Of log wealth: it is written down at every look, and a millionth is no evidence."""
_NOTHING = -1e9
"""Log wealth of what has not begun; minus infinity is no JSON."""

_MOST_OF_A_LOOK = math.log(8.0)
"""The most that one look may say of latency. Slow requests come in bursts: a worker that stands
still for a moment is slow for all that wait, which is one event and not forty. A bet that takes
less than it has won stays valid."""


@dataclass(slots=True)
class RuleEvidence:
    """Sums of one rule.

    Attributes:
        rule: what is compared.
        harm: log wealth per alternative since the beginning.
        fine: log wealth per alternative of the reverse test.
        marks: stage -> `harm` as it was when the stage began.
        late: log wealth per alternative of the part that begins anew with every look.
        looks: that saw anything.
        peak: highest log e-value for harm so far.
        events: per comparison, events and requests: challenger's, then champion's (sums for a
            mean).
        bases: per comparison, recent events and requests of both: the guess of the usual rate.
        fine_requests: challenger's requests behind `fine`.
        memory: TAIL: the champion's recent latencies; DISTRIBUTION: recent outcomes.
        limits: TAIL: per quantile, seconds above which the last tick called a request slow.
        copies: TAIL: how many of the challenger's requests were copies.
        usual: RATE: the champion's rate before the promotion, plus its uncertainty; None before.
        guard: RATE: log wealth against the challenger's rate being no higher than `usual`.
    """

    rule: Rule
    harm: list[float]
    fine: list[float]
    late: list[float]
    events: list[list[float]]
    bases: list[list[float]]
    limits: list[float | None]
    marks: dict[int, list[float]] = field(default_factory=dict)
    looks: int = 0
    peak: float = 0.0
    fine_requests: int = 0
    memory: dict[str, list[float]] = field(default_factory=dict)
    copies: int = 0
    usual: float | None = None
    guard: list[float] = field(default_factory=lambda: [0.0] * len(PHI_GRID))

    @classmethod
    def of(cls, rule: Rule) -> RuleEvidence:
        """Return a beginning."""
        alternatives, count = len(harm_weights(rule)), parts(rule)
        return cls(
            rule,
            harm=[0.0] * alternatives,
            fine=[0.0] * len(fine_weights(rule)),
            late=[_NOTHING] * alternatives,
            events=[[0.0] * 4 for _ in range(count)],
            bases=[[0.0, 0.0] for _ in range(count)],
            limits=[None] * count,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the rule, which the strategy has."""
        item = {name: getattr(self, name) for name in self.__slots__ if name != "rule"}
        item["marks"] = {str(stage): mark for stage, mark in self.marks.items()}
        return item

    @classmethod
    def from_dict(cls, rule: Rule, item: dict[str, Any]) -> RuleEvidence:
        """Read what `to_dict` wrote.

        Another release may have used other alternatives. Its sums mean nothing here, and evidence
        that begins anew is as valid as any: it begins anew.
        """
        made = cls.of(rule)
        shapes = {name: len(getattr(made, name)) for name in ("harm", "fine", "late", "events")}
        if any(len(item.get(name, ())) != length for name, length in shapes.items()):
            return made
        for name in cls.__slots__:
            if name in item and name != "marks":
                value = item[name]
                setattr(made, name, _copied(value))
        made.marks = {int(stage): list(mark) for stage, mark in item.get("marks", {}).items()}
        return made

    def add(
        self,
        challenger: Tally,
        champion: Tally,
        *,
        stage: int,
        real: bool,
        settled: bool = True,
        told: Told | None = None,
    ) -> None:
        """Add one tick.

        Args:
            challenger: what was counted of it in the tick.
            champion: what was counted of the champion in the same tick.
            stage: index of the rollout's stage, for the mixture.
            real: whether the challenger answers real requests, not only copies.
            settled: whether the challenger has warmed up; before, it is not called slow.
            told: what became known of a metric in the tick, None for what counters say.
        """
        self.marks.setdefault(stage, list(self.harm))
        if self.rule.kind is RuleKind.TAIL and not settled:
            learn_limits(self, champion)
            return
        harm, fine = gains(self, Seen(challenger, champion, told))
        if self.rule.kind is RuleKind.TAIL and not self.rule.strict:
            harm = [min(gain, _MOST_OF_A_LOOK) for gain in harm]
        if any(harm):
            self._begin_anew(harm)
        for index, gain in enumerate(harm):
            self.harm[index] = round(self.harm[index] + gain, _DIGITS)
        compared = bool(challenger.real and champion.requests) and real
        if told is not None:
            compared = any(fine)
        if compared:
            self.fine_requests += challenger.real if told is None else _known(told)
            for index, gain in enumerate(fine):
                self.fine[index] = round(self.fine[index] + gain, _DIGITS)

    def _begin_anew(self, harm: Sequence[float]) -> None:
        left, after = _unspent(self.looks), _unspent(self.looks + 1)
        fresh = math.log(left - after)
        self.looks += 1
        for index, gain in enumerate(harm):
            high, low = max(self.late[index], fresh), min(self.late[index], fresh)
            both = high + math.log1p(math.exp(max(low - high, -60.0)))
            self.late[index] = round(both + gain, _DIGITS)

    def log_harm(self, weights: Sequence[float]) -> float:
        """Return the log e-value for harm, a mixture over stages with these weights.

        Stages that have not begun count with e-value 1; so does weight that is not given out.
        """
        if self.rule.strict and self.rule.kind is RuleKind.TAIL:
            # No product over looks: it may not be begun anew.
            self.peak = max(self.peak, self.harm[0])
            return self.harm[0]
        own = harm_weights(self.rule)
        values, shares = [0.0], [max(1.0 - math.fsum(weights), 0.0)]
        for stage, weight in enumerate(weights):
            mark = self.marks.get(stage)
            shares.append(weight)
            if mark is None:
                values.append(0.0)
            else:
                since = [now - then for now, then in zip(self.harm, mark, strict=True)]
                values.append(log_mean_exp(since, own))
        any_time = log_mean_exp([*self.late, 0.0], [*own, _unspent(self.looks)])
        shares = [(1.0 - _ANY_TIME) * share for share in shares]
        log_e = log_mean_exp([*values, any_time], [*shares, _ANY_TIME])
        if self.usual is not None:
            log_e = min(log_e, log_mean_exp(self.guard))
        self.peak = max(self.peak, log_e)
        return log_e

    @property
    def log_fine(self) -> float:
        """Log e-value of the reverse test: not worse than tolerated."""
        if self.rule.kind is RuleKind.DISTRIBUTION:
            return 0.0
        return log_mean_exp(self.fine, fine_weights(self.rule))

    @property
    def worst(self) -> int:
        """Index of the comparison that speaks loudest against the challenger; its own by default.

        A latency rule compares several quantiles; the words and numbers are about this one.
        """
        count = len(self.events)
        size = len(self.harm) // count
        found = count - 1
        best = max(log_mean_exp(self.harm[found * size :]), 0.0)
        for part in range(count - 1):
            log_e = log_mean_exp(self.harm[part * size : (part + 1) * size])
            if log_e > best + 1.0:
                found, best = part, log_e
        return found


def _unspent(looks: int) -> float:
    """Return the share of the any-time mixture that has not begun after some looks."""
    return _LOOKS / (_LOOKS + looks)


def _known(told: Told) -> int:
    return told.challenger.n + told.pairs.n


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(one) for one in value]
    if isinstance(value, dict):
        return {key: _copied(one) for key, one in value.items()}
    return value
