"""What one rule of an analysis knows: e-processes as sums, one per direction.

`harm` is evidence that the challenger is worse than the rule tolerates; `fine` is evidence, from
real traffic only, that it is not. Both are lists of log wealth, one entry per alternative, so they
fit into a journal's record and survive any restart. `harm` is a mixture over the stages of the
rollout: the part of stage k starts at its beginning, so a regression that shows only at 25 % is not
diluted by what went well at 5 %.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from penstock.domain.rollout import Rule, RuleKind
from penstock.domain.traffic import LATENCY_BOUNDS
from penstock.rollouts.counting import Tally
from penstock.stats.sequential import (
    BETS,
    CEILING_GRID,
    PHI_GRID,
    TILTS,
    betting_gains,
    categorical_gain,
    ceiling_gains,
    floor_gains,
    log_mean_exp,
    split_gains,
    tilt_gains,
)

_QUANTILE_MEMORY = 1_000
"""Control requests that the champion's quantile looks back on at least ..."""
_QUANTILE_TICKS = 10
"""... and ticks."""
COPIES_SLACK = 4.0
"""How many times slower than the limit a copy must be to count as slow. Copies come in as fast as
the champion answers, however slow the shadow is, so they may queue where real requests do not."""
_PLUG_IN_MEMORY = 5_000
_MAX_LABELS = 64
_OTHER = "(other)"

METHODS = {
    RuleKind.RATE: "split e-process",
    RuleKind.TAIL: "tail split e-process",
    RuleKind.MEAN: "betting e-process",
    RuleKind.DISTRIBUTION: "categorical e-process",
}


def _halves(first: int, second: int) -> tuple[float, ...]:
    return (0.5 / first,) * first + (0.5 / second,) * second


_HARM_WEIGHTS = {
    RuleKind.RATE: (1.0 / len(PHI_GRID),) * len(PHI_GRID),
    RuleKind.TAIL: (1.0 / len(PHI_GRID),) * len(PHI_GRID),
    RuleKind.MEAN: _halves(len(BETS), len(TILTS)),
    RuleKind.DISTRIBUTION: (1.0,),
}
_FINE_WEIGHTS = {
    RuleKind.RATE: _halves(len(CEILING_GRID), len(PHI_GRID)),
    RuleKind.TAIL: (1.0 / len(PHI_GRID),) * len(PHI_GRID),
    RuleKind.MEAN: _halves(len(BETS), len(TILTS)),
    RuleKind.DISTRIBUTION: (1.0,),
}


@dataclass(slots=True)
class RuleEvidence:
    """Sums of one rule.

    Attributes:
        rule: what is compared.
        harm: log wealth per alternative since the beginning.
        marks: stage -> `harm` as it was when the stage began.
        fine: log wealth per alternative of the reverse test.
        peak: highest log e-value for harm so far.
        events: events and requests: challenger's, then champion's (sums for a mean).
        fine_requests: challenger's requests behind `fine`.
        memory: TAIL: the champion's recent latencies; DISTRIBUTION: recent outcomes.
        limit: TAIL: seconds above which the last tick called a challenger's request slow.
        copies: TAIL: how many of the challenger's requests were copies.
        usual: RATE: the champion's rate before the promotion, plus its uncertainty; None before.
        guard: RATE: log wealth against the challenger's rate being no higher than `usual`.
    """

    rule: Rule
    harm: list[float]
    fine: list[float]
    marks: dict[int, list[float]] = field(default_factory=dict)
    peak: float = 0.0
    events: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0, 0.0])
    fine_requests: int = 0
    memory: dict[str, list[float]] = field(default_factory=dict)
    limit: float | None = None
    copies: int = 0
    usual: float | None = None
    guard: list[float] = field(default_factory=lambda: [0.0] * len(PHI_GRID))

    @classmethod
    def of(cls, rule: Rule) -> RuleEvidence:
        """Return a beginning."""
        return cls(
            rule, [0.0] * len(_HARM_WEIGHTS[rule.kind]), [0.0] * len(_FINE_WEIGHTS[rule.kind])
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the rule, which the strategy has."""
        item = {name: getattr(self, name) for name in self.__slots__ if name != "rule"}
        item["marks"] = {str(stage): mark for stage, mark in self.marks.items()}
        return item

    @classmethod
    def from_dict(cls, rule: Rule, item: dict[str, Any]) -> RuleEvidence:
        """Read what `to_dict` wrote."""
        own = {name: list(item[name]) for name in ("harm", "fine", "events", "guard")}
        marks = {int(stage): list(mark) for stage, mark in item["marks"].items()}
        memory = {name: list(values) for name, values in item["memory"].items()}
        return cls(rule=rule, **{**item, **own, "marks": marks, "memory": memory})

    def add(
        self,
        challenger: Tally,
        champion: Tally,
        *,
        stage: int,
        real: bool,
        settled: bool = True,
    ) -> None:
        """Add one tick.

        Args:
            challenger: what was counted of it in the tick.
            champion: what was counted of the champion in the same tick.
            stage: index of the rollout's stage, for the mixture.
            real: whether the challenger answers real requests, not only copies.
            settled: whether the challenger has warmed up; before, it is not called slow.
        """
        self.marks.setdefault(stage, list(self.harm))
        if self.rule.kind is RuleKind.TAIL and not settled:
            _control_limit(self, champion)
            return
        harm, fine = _GAINS[self.rule.kind](self, challenger, champion)
        for index, gain in enumerate(harm):
            self.harm[index] += gain
        if real and challenger.real and champion.requests:
            self.fine_requests += challenger.real
            for index, gain in enumerate(fine):
                self.fine[index] += gain

    def log_harm(self, weights: Sequence[float]) -> float:
        """Return the log e-value for harm, a mixture over stages with these weights.

        Stages that have not begun count with e-value 1; so does weight that is not given out.
        """
        own = _HARM_WEIGHTS[self.rule.kind]
        values, shares = [0.0], [max(1.0 - math.fsum(weights), 0.0)]
        for stage, weight in enumerate(weights):
            mark = self.marks.get(stage)
            shares.append(weight)
            if mark is None:
                values.append(0.0)
            else:
                since = [now - then for now, then in zip(self.harm, mark, strict=True)]
                values.append(log_mean_exp(since, own))
        log_e = log_mean_exp(values, shares)
        if self.usual is not None:
            log_e = min(log_e, log_mean_exp(self.guard))
        self.peak = max(self.peak, log_e)
        return log_e

    @property
    def log_fine(self) -> float:
        """Log e-value of the reverse test: not worse than tolerated."""
        if self.rule.kind is RuleKind.DISTRIBUTION:
            return 0.0
        return log_mean_exp(self.fine, _FINE_WEIGHTS[self.rule.kind])


_Gains = tuple[Sequence[float], Sequence[float]]


def _rate(own: RuleEvidence, challenger: Tally, champion: Tally) -> _Gains:
    x_t, n_t, x_c, n_c = challenger.errors, challenger.requests, champion.errors, champion.requests
    if champion.requests and not champion.real:
        _guard(own, challenger)
    own.events = [a + b for a, b in zip(own.events, (x_t, n_t, x_c, n_c), strict=True)]
    ratio = own.rule.max_ratio
    harm = split_gains(x_t, n_t, x_c, n_c, ratio=ratio)
    # Turned round: "the challenger's rate is at least half as much again as tolerated".
    x_t, n_t = challenger.real_errors, challenger.real
    reverse = split_gains(x_c, n_c, x_t, n_t, ratio=1.0 / (1.5 * ratio))
    ceiling = ceiling_gains(x_t, n_t, own.rule.harmless)
    return harm, ceiling + reverse


def _guard(own: RuleEvidence, challenger: Tally) -> None:
    """On probation, hold the challenger against the champion's own past as well.

    The previous champion then sees copies only, and copies may be made of successes only: requests
    that no version can answer would be held against the challenger alone. So both must accuse: the
    copies of now, and the champion's rate of before. The lesser of two e-values is one.
    """
    if own.usual is None:
        failed, of = own.events[2], own.events[3]
        own.usual = min((failed + 2.0 + 3.0 * math.sqrt(failed + 1.0)) / (of + 2.0), 0.9)
    for index, gain in enumerate(floor_gains(challenger.errors, challenger.requests, own.usual)):
        own.guard[index] += gain


def _tail(own: RuleEvidence, challenger: Tally, champion: Tally) -> _Gains:
    rule, nothing = own.rule, ((0.0,) * len(PHI_GRID),) * 2
    control = _control_limit(own, champion)
    if control is None:
        return nothing
    limit = LATENCY_BOUNDS[control]
    if rule.slo is None:
        limit = max((1.0 + rule.tolerance) * limit, limit + rule.slack)
    own.limit = limit
    # Buckets are coarse: what lies in the bucket of the limit counts for the challenger when it
    # is accused, and against it when it is acquitted.
    above = bisect_left(LATENCY_BOUNDS, limit)
    above_copies = bisect_left(LATENCY_BOUNDS, limit * COPIES_SLACK)
    below = bisect_right(LATENCY_BOUNDS, limit) - 1
    buckets = [a + b for a, b in zip(champion.latency, champion.copies, strict=True)]
    n_t, n_c = sum(challenger.latency), sum(buckets)
    x_t, x_c = sum(challenger.latency[above + 1 :]), sum(buckets[control + 1 :])
    slow = sum(challenger.latency[below + 1 :])
    acquits = split_gains(x_c, n_c, slow, n_t)
    copies = sum(challenger.copies)
    own.copies += copies
    x_t, n_t = x_t + sum(challenger.copies[above_copies + 1 :]), n_t + copies
    own.events = [a + b for a, b in zip(own.events, (x_t, n_t, x_c, n_c), strict=True)]
    return split_gains(x_t, n_t, x_c, n_c), acquits


def _control_limit(own: RuleEvidence, champion: Tally) -> int | None:
    """Return the bucket of the champion's quantile by earlier ticks, and remember this tick."""
    rule = own.rule
    if rule.slo is not None:
        index = bisect_left(LATENCY_BOUNDS, rule.slo)
        return min(index, len(LATENCY_BOUNDS) - 1)
    past = own.memory.get("latency", [0.0] * len(champion.latency))
    total, found = math.fsum(past), None
    if total * (1.0 - rule.quantile) >= 1.0:
        left = rule.quantile * total
        for index, count in enumerate(past[:-1]):
            left -= count
            if left <= 1e-9:
                found = index
                break
    now = [a + b for a, b in zip(champion.latency, champion.copies, strict=True)]
    tick = sum(now)
    memory = [a + b for a, b in zip(past, now, strict=True)]
    cap = max(_QUANTILE_MEMORY, _QUANTILE_TICKS * tick, 2.0 / (1.0 - rule.quantile))
    keep = min(1.0, cap / (total + tick)) if total + tick else 1.0
    own.memory["latency"] = [round(count * keep, 6) for count in memory]
    return found


def _mean(own: RuleEvidence, challenger: Tally, champion: Tally) -> _Gains:
    rule = own.rule
    n_t, s_t = challenger.means.get(rule.name, (0, 0.0))
    n_c, s_c = champion.means.get(rule.name, (0, 0.0))
    if n_t <= 0 or n_c <= 0:
        nothing = (0.0,) * len(own.harm)
        return nothing, nothing
    own.events = [a + b for a, b in zip(own.events, (s_t, n_t, s_c, n_c), strict=True)]
    width = rule.high - rule.low
    loss = s_c / n_c - s_t / n_t
    if rule.worse == "higher":
        loss = -loss
    loss = min(max(loss, -width), width)

    def gains(difference: float, margin: float) -> tuple[float, ...]:
        bets = betting_gains(difference, width=width, margin=margin)
        return bets + tilt_gains(difference, n_t, n_c, width=width, margin=margin)

    # Turned round: the loss is at least the margin, that is, the gain is at most minus it.
    return gains(loss, rule.margin), gains(-loss, -rule.margin)


def _distribution(own: RuleEvidence, challenger: Tally, champion: Tally) -> _Gains:
    labels = set(own.memory) - {_OTHER}
    past = {label: own.memory.get(label, [0.0, 0.0]) for label in (*sorted(labels), _OTHER)}
    now = {label: [0.0, 0.0] for label in past}
    for side, tally in enumerate((challenger, champion)):
        for label, count in tally.predictions.items():
            now[label if label in labels else _OTHER][side] += count
    totals = [math.fsum(pair[side] for pair in now.values()) for side in (0, 1)]
    own.events = [
        own.events[0],
        own.events[1] + totals[0],
        own.events[2],
        own.events[3] + totals[1],
    ]
    gain = categorical_gain(
        [now[label][0] for label in past],
        [now[label][1] for label in past],
        [past[label][0] for label in past],
        [past[label][1] for label in past],
    )
    _remember(own, challenger, champion)
    return (gain,), (0.0,)


def _remember(own: RuleEvidence, challenger: Tally, champion: Tally) -> None:
    for side, tally in enumerate((challenger, champion)):
        for label, count in tally.predictions.items():
            known = label in own.memory or len(own.memory) < _MAX_LABELS
            own.memory.setdefault(label if known else _OTHER, [0.0, 0.0])[side] += count
        total = math.fsum(pair[side] for pair in own.memory.values())
        if total > _PLUG_IN_MEMORY:
            for pair in own.memory.values():
                pair[side] = round(pair[side] * _PLUG_IN_MEMORY / total, 6)


_GAINS = {
    RuleKind.RATE: _rate,
    RuleKind.TAIL: _tail,
    RuleKind.MEAN: _mean,
    RuleKind.DISTRIBUTION: _distribution,
}
