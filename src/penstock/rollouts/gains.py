"""What one look adds to the evidence of a rule: pure arithmetic on what was counted in it.

Each kind of rule has a function of the evidence so far and of what the look saw. It returns what
the look adds to the log wealth of each alternative of the test "it is worse than tolerated", and
of the same test turned round. Whatever a function guesses (a base rate, a quantile, a mean) it
guesses from earlier looks only: that is what makes the sums e-processes.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from penstock.domain.rollout import Rule, RuleKind
from penstock.domain.traffic import LATENCY_BOUNDS
from penstock.rollouts.counting import Tally
from penstock.stats.quantiles import quantile_log_e
from penstock.stats.sequential import (
    CEILING_GRID,
    categorical_gain,
    ceiling_gains,
    floor_gains,
    split_gains,
)
from penstock.stats.twosample import (
    Told,
    bernstein_gains,
    paired_gains,
    pooled_gains,
    sums_within,
)

_QUANTILE_MEMORY = 1_000
"""Control requests that the champion's quantile looks back on at least ..."""
_QUANTILE_TICKS = 10
"""... and ticks."""
_BODY = (0.5, 0.9)
"""Quantiles that a latency rule compares beside its own: a version slower throughout shows there
long before it shows in the tail."""
COPIES_SLACK = 4.0
"""How many times slower than the limit a copy must be to count as slow. Copies come in as fast as
the champion answers, however slow the shadow is, so they may queue where real requests do not."""
_PLUG_IN_MEMORY = 5_000
_BASE_MEMORY = 20_000.0
"""Requests that the guess of a base rate rests on; older ones fade."""
_MAX_LABELS = 64
_OTHER = "(other)"
_WORSE_BY = 1.5
"""An acquittal of errors rules out a rate this many times the tolerated one."""


@dataclass(slots=True)
class Seen:
    """What one look saw.

    Attributes:
        challenger, champion: counted of each since the last look.
        told: what became known of a metric.
    """

    challenger: Tally = field(default_factory=Tally)
    champion: Tally = field(default_factory=Tally)
    told: Told | None = None

    def told_of(self, rule: Rule) -> Told:
        """Return what became known of a rule's metric, by counters where nobody told more."""
        if self.told is not None:
            return self.told
        known = (0, 0.0)
        return Told(
            sums_within(*self.challenger.means.get(rule.name, known), rule.low, rule.high),
            sums_within(*self.champion.means.get(rule.name, known), rule.low, rule.high),
        )


class Evidence(Protocol):
    """What the functions here read and change of a rule's evidence: see `RuleEvidence`."""

    rule: Rule
    events: list[list[float]]
    bases: list[list[float]]
    memory: dict[str, list[float]]
    limits: list[float | None]
    copies: int
    usual: float | None
    guard: list[float]


Gains = tuple[Sequence[float], Sequence[float]]

_SPLITS = (0.02, 0.06, 0.12, 0.17, 0.19, 0.13, 0.12, 0.11, 0.05, 0.03)
_POOLED = (0.1, 0.1, 0.15, 0.15, 0.15, 0.15, 0.12, 0.08)
"""How likely each of `PHI_GRID` and of `ODDS` is held to be: most where most troubles are."""
_RATES = tuple(0.6 * one for one in _SPLITS) + tuple(0.4 * one for one in _POOLED)
_MEANS = (0.05, 0.09, 0.12, 0.13, 0.13, 0.11, 0.1, 0.08, 0.06, 0.05, 0.03, 0.02, 0.02, 0.01)
"""The same of `STAKES`."""


def quantiles(rule: Rule) -> tuple[float, ...]:
    """Return the quantiles that a latency rule compares, its own last."""
    if rule.slo is not None or rule.strict:
        return (rule.quantile,)
    return (*(one for one in _BODY if one < rule.quantile), rule.quantile)


def harm_weights(rule: Rule) -> tuple[float, ...]:
    """Return the weight of each alternative of the test for harm; they sum to 1."""
    match rule.kind:
        case RuleKind.RATE:
            return _RATES
        case RuleKind.TAIL if rule.strict:
            return (1.0,)
        case RuleKind.TAIL:
            body = len(quantiles(rule)) - 1
            shares = (0.5 / body,) * body + (0.5,) if body else (1.0,)
            return tuple(share * one for share in shares for one in _RATES)
        case RuleKind.DISTRIBUTION:
            return (1.0,)
        case _:
            return _MEANS


def fine_weights(rule: Rule) -> tuple[float, ...]:
    """Return the weight of each alternative of the test turned round; they sum to 1."""
    match rule.kind:
        case RuleKind.RATE:
            ceiling = (0.5 / len(CEILING_GRID),) * len(CEILING_GRID)
            return ceiling + tuple(0.5 * one for one in _RATES)
        case RuleKind.TAIL:
            return _RATES
        case RuleKind.DISTRIBUTION:
            return (1.0,)
        case _:
            return _MEANS


def parts(rule: Rule) -> int:
    """Return how many comparisons a rule makes side by side."""
    return len(quantiles(rule)) if rule.kind is RuleKind.TAIL else 1


def gains(own: Evidence, seen: Seen) -> Gains:
    """Return what a look adds to the test for harm and to the test turned round."""
    return _GAINS[own.rule.kind](own, seen)


def _rate(own: Evidence, seen: Seen) -> Gains:
    challenger, champion = seen.challenger, seen.champion
    x_t, n_t, x_c, n_c = challenger.errors, challenger.requests, champion.errors, champion.requests
    if champion.requests and not champion.real:
        _guard(own, challenger)
    ratio = own.rule.max_ratio
    base = _base(own, 0, ratio)
    harm = _above(x_t, n_t, x_c, n_c, base=base, ratio=ratio)
    _count(own, 0, (x_t, n_t, x_c, n_c))
    # Turned round: "the challenger's rate is at least half as much again as tolerated".
    x_t, n_t = challenger.real_errors, challenger.real
    turned, bad = 1.0 / (_WORSE_BY * ratio), min(_WORSE_BY * ratio * base, 0.99)
    reverse = _above(x_c, n_c, x_t, n_t, base=bad, ratio=turned)
    return harm, ceiling_gains(x_t, n_t, own.rule.harmless) + reverse


def _above(
    x_t: float, n_t: float, x_c: float, n_c: float, *, base: float, ratio: float = 1.0
) -> tuple[float, ...]:
    """Bet that T's rate is above: by how events are split, and by rates guessed before."""
    split = split_gains(x_t, n_t, x_c, n_c, ratio=ratio)
    return split + pooled_gains(x_t, n_t, x_c, n_c, base=base, ratio=ratio)


def _base(own: Evidence, part: int, ratio: float = 1.0) -> float:
    """Guess the champion's rate from both arms' earlier looks; 0 for no guess yet."""
    events, weighted = own.bases[part]
    return (events + 0.5) / (weighted + 1.0) if weighted >= 1.0 / max(ratio, 1.0) else 0.0


def _count(own: Evidence, part: int, tick: tuple[float, float, float, float]) -> None:
    x_t, n_t, x_c, n_c = tick
    own.events[part] = [a + b for a, b in zip(own.events[part], tick, strict=True)]
    ratio = own.rule.max_ratio if own.rule.kind is RuleKind.RATE else 1.0
    events, weighted = own.bases[part][0] + x_t + x_c, own.bases[part][1] + ratio * n_t + n_c
    keep = min(1.0, max(_BASE_MEMORY, 10.0 * (ratio * n_t + n_c)) / weighted) if weighted else 1.0
    own.bases[part] = [round(events * keep, 6), round(weighted * keep, 6)]


def _guard(own: Evidence, challenger: Tally) -> None:
    """On probation, hold the challenger against the champion's own past as well.

    The previous champion then sees copies only, and copies may be made of successes only: requests
    that no version can answer would be held against the challenger alone. So both must accuse: the
    copies of now, and the champion's rate of before. The lesser of two e-values is one.
    """
    if own.usual is None:
        failed, of = own.events[0][2], own.events[0][3]
        own.usual = min((failed + 2.0 + 3.0 * math.sqrt(failed + 1.0)) / (of + 2.0), 0.9)
    for index, gain in enumerate(floor_gains(challenger.errors, challenger.requests, own.usual)):
        own.guard[index] += gain


def _tail(own: Evidence, seen: Seen) -> Gains:
    nothing = (0.0,) * len(_RATES)
    controls = learn_limits(own, seen.champion)
    harm: list[float] = []
    acquits: tuple[float, ...] = nothing
    for part, control in enumerate(controls):
        if control is None:
            harm += nothing
            continue
        one, acquits = _slow(own, seen, part, control)
        harm += one
    return (_strict(own, seen) if own.rule.strict else harm), acquits


def _strict(own: Evidence, seen: Seen) -> tuple[float]:
    """Return what the look adds to the evidence that the quantile itself is higher.

    That evidence is no sum over looks: it is found from all that was counted, and what it was
    before is taken off. Copies are left out: they may queue.
    """
    rule = own.rule
    before = own.memory.get("strict", [0.0])[0]
    champion = list(seen.champion.latency)
    if not seen.champion.real:  # on probation the previous champion sees copies only
        champion = [a + b for a, b in zip(champion, seen.champion.copies, strict=True)]
    log_e = quantile_log_e(
        _gathered(own, "strict t", seen.challenger.latency),
        _gathered(own, "strict c", champion),
        LATENCY_BOUNDS,
        quantile=rule.quantile,
        limit=lambda x: rule.slo or max((1.0 + rule.tolerance) * x, x + rule.slack),
    )
    own.memory["strict"] = [log_e]
    return (log_e - before,)


def _slow(
    own: Evidence, seen: Seen, part: int, control: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Compare the shares of requests above one limit."""
    rule, challenger, champion = own.rule, seen.challenger, seen.champion
    limit = LATENCY_BOUNDS[control]
    if rule.slo is None:
        limit = max((1.0 + rule.tolerance) * limit, limit + rule.slack)
    own.limits[part] = limit
    # Buckets are coarse: what lies in the bucket of the limit counts for the challenger when it
    # is accused, and against it when it is acquitted.
    above = bisect_left(LATENCY_BOUNDS, limit)
    above_copies = bisect_left(LATENCY_BOUNDS, limit * COPIES_SLACK)
    below = bisect_right(LATENCY_BOUNDS, limit) - 1
    buckets = [a + b for a, b in zip(champion.latency, champion.copies, strict=True)]
    n_t, n_c = sum(challenger.latency), sum(buckets)
    x_t, x_c = sum(challenger.latency[above + 1 :]), sum(buckets[control + 1 :])
    slow = sum(challenger.latency[below + 1 :])
    base = _base(own, part)
    acquits = _above(x_c, n_c, slow, n_t, base=base)
    if not n_t:  # copies speak only while nobody is answered: real requests know better
        n_t, x_t = sum(challenger.copies), sum(challenger.copies[above_copies + 1 :])
        own.copies += n_t if part == len(own.limits) - 1 else 0
    harm = _above(x_t, n_t, x_c, n_c, base=base)
    _count(own, part, (x_t, n_t, x_c, n_c))
    return harm, acquits


def _gathered(own: Evidence, name: str, counts: Sequence[float]) -> list[float]:
    """Add counts to those remembered under a name; return the sums."""
    past = own.memory.get(name, [0.0] * len(counts))
    own.memory[name] = [a + b for a, b in zip(past, counts, strict=True)]
    return own.memory[name]


def learn_limits(own: Evidence, champion: Tally) -> list[int | None]:
    """Return the bucket of each of the champion's quantiles before this look, and remember it."""
    rule = own.rule
    if rule.slo is not None:
        return [min(bisect_left(LATENCY_BOUNDS, rule.slo), len(LATENCY_BOUNDS) - 1)]
    past = own.memory.get("latency", [0.0] * len(champion.latency))
    total = math.fsum(past)
    found = [_bucket(past, total, one) for one in quantiles(rule)]
    now = [a + b for a, b in zip(champion.latency, champion.copies, strict=True)]
    tick = sum(now)
    memory = [a + b for a, b in zip(past, now, strict=True)]
    cap = max(_QUANTILE_MEMORY, _QUANTILE_TICKS * tick, 2.0 / (1.0 - rule.quantile))
    keep = min(1.0, cap / (total + tick)) if total + tick else 1.0
    own.memory["latency"] = [round(count * keep, 6) for count in memory]
    return found


def _bucket(past: Sequence[float], total: float, quantile: float) -> int | None:
    if total * (1.0 - quantile) < 1.0:
        return None
    left = quantile * total
    for index, count in enumerate(past[:-1]):
        left -= count
        if left <= 1e-9:
            return index
    return None


def _mean(own: Evidence, seen: Seen) -> Gains:
    rule, told = own.rule, seen.told_of(own.rule)
    low, high = rule.low, rule.high
    width = high - low
    t, c, pairs = told.challenger.scaled(low, high), told.champion.scaled(low, high), told.pairs
    pairs = pairs.scaled(0.0, width)
    s_t, n_t, s_c, n_c = own.events[0]
    guess_t = ((s_t - n_t * low) / width + 0.5) / (n_t + 1.0)
    guess_c = ((s_c - n_c * low) / width + 0.5) / (n_c + 1.0)
    both = told.both
    tick = (
        told.challenger.total + both[0].total, told.challenger.n + both[0].n,
        told.champion.total + both[1].total, told.champion.n + both[1].n,
    )  # fmt: skip
    own.events[0] = [a + b for a, b in zip(own.events[0], tick, strict=True)]
    margin = rule.margin / width
    if rule.worse == "higher":
        t, c, pairs = t.turned(), c.turned(), pairs.negated()
        guess_t, guess_c = 1.0 - guess_t, 1.0 - guess_c
    between = guess_c - guess_t
    harm = [
        a + b
        for a, b in zip(
            bernstein_gains(t, c, centre_t=guess_t, centre_c=guess_c, margin=margin),
            paired_gains(pairs, centre=between, margin=margin),
            strict=True,
        )
    ]
    # Turned round: the loss is at least the margin, that is, the gain is at most minus it.
    fine = [
        a + b
        for a, b in zip(
            bernstein_gains(c, t, centre_t=guess_c, centre_c=guess_t, margin=-margin),
            paired_gains(pairs.negated(), centre=-between, margin=-margin),
            strict=True,
        )
    ]
    return harm, fine


def _distribution(own: Evidence, seen: Seen) -> Gains:
    labels = set(own.memory) - {_OTHER}
    past = {label: own.memory.get(label, [0.0, 0.0]) for label in (*sorted(labels), _OTHER)}
    now = {label: [0.0, 0.0] for label in past}
    for side, tally in enumerate((seen.challenger, seen.champion)):
        for label, count in tally.predictions.items():
            now[label if label in labels else _OTHER][side] += count
    totals = [math.fsum(pair[side] for pair in now.values()) for side in (0, 1)]
    tick = (0.0, totals[0], 0.0, totals[1])
    own.events[0] = [a + b for a, b in zip(own.events[0], tick, strict=True)]
    gain = categorical_gain(
        [now[label][0] for label in past],
        [now[label][1] for label in past],
        [past[label][0] for label in past],
        [past[label][1] for label in past],
    )
    _remember(own, seen)
    return (gain,), (0.0,)


def _remember(own: Evidence, seen: Seen) -> None:
    for side, tally in enumerate((seen.challenger, seen.champion)):
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
    RuleKind.QUALITY: _mean,
    RuleKind.DISTRIBUTION: _distribution,
}
