"""Rollouts: the strategy that a project declares, and where one rollout stands."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any


class StrategyKind(enum.StrEnum):
    """How traffic moves from champion to challenger."""

    CANARY = "canary"
    BLUE_GREEN = "blue-green"
    AB = "ab"


class StepKind(enum.StrEnum):
    """What one step of a rollout does."""

    SHADOW = "shadow"
    """Copies of the champion's requests go to the challenger; its answers reach nobody."""
    WEIGHT = "weight"
    """A share of the requests goes to the challenger."""
    PAUSE = "pause"
    """The rollout waits for a person."""


@dataclass(frozen=True, slots=True)
class Step:
    """One weight, held for a time.

    Attributes:
        kind: see `StepKind`.
        weight: percent of requests for the challenger, 0 for a shadow.
        seconds: least time to hold the step.
        min_requests: least number of challenger's requests (copies, for a shadow) to have seen.
    """

    kind: StepKind
    weight: float = 0.0
    seconds: float = 0.0
    min_requests: int = 0


class RuleKind(enum.StrEnum):
    """What an analysis compares."""

    RATE = "rate"
    """Share of failed requests, by a split e-process."""
    TAIL = "tail"
    """Share of slow requests, by a split e-process at the champion's quantile or at an SLO."""
    MEAN = "mean"
    """Mean of a bounded metric, by a betting e-process."""
    QUALITY = "quality"
    """How right the answers were, by a betting e-process, as their labels become known."""
    DISTRIBUTION = "distribution"
    """Distribution of predictions over frozen bins, by a categorical e-process."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One metric that an analysis watches.

    Attributes:
        name: of the metric: ``errors``, ``latency``, ``scores`` or a business metric's.
        kind: see `RuleKind`.
        max_ratio: RATE: tolerated ratio of challenger's to champion's rate.
        quantile, tolerance: TAIL: which quantile, and how much slower is tolerated (0.5 = 50 %).
        slo: TAIL: a fixed limit in seconds instead of the champion's quantile.
        low, high: MEAN: the fixed range of the metric; values beyond count as its end.
        margin: MEAN, QUALITY: tolerated difference, in the metric's unit.
        worse: MEAN: ``lower`` or ``higher`` is worse.
        share: of the error budget alpha, relative to the other rules.
        on_alarm: ``rollback`` or ``warn``.
        slack: TAIL: seconds that a request may be slower than the champion's quantile in any
            case; keeps fast models from being judged by noise of a few milliseconds.
        harmless: RATE: a rate of the challenger below this is evidence for an early promotion.
        strict: TAIL: accuse only when the quantile itself is surely higher, not of a heavier
            tail or a slower body.
        min_labels: QUALITY: labels of the challenger's answers that a step waits for before it
            ends; with 0 it waits for none, and counts what comes.
    """

    name: str
    kind: RuleKind
    max_ratio: float = 1.0
    quantile: float = 0.99
    tolerance: float = 0.5
    slo: float | None = None
    low: float = 0.0
    high: float = 1.0
    margin: float = 0.0
    worse: str = "lower"
    share: float = 1.0
    on_alarm: str = "rollback"
    slack: float = 0.005
    harmless: float = 0.01
    min_labels: int = 0
    strict: bool = False


DEFAULT_STEPS = (
    Step(StepKind.SHADOW, 0.0, 2.0, 50),
    Step(StepKind.WEIGHT, 5.0, 2.0, 50),
    Step(StepKind.WEIGHT, 25.0, 2.0, 200),
    Step(StepKind.WEIGHT, 100.0),
)
DEFAULT_RULES = (
    Rule("errors", RuleKind.RATE, share=2.0),
    Rule("latency", RuleKind.TAIL),
    Rule("quality", RuleKind.QUALITY, margin=0.02),
    Rule("scores", RuleKind.DISTRIBUTION, on_alarm="warn"),
)


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a project wants its models rolled out.

    Attributes:
        kind: see `StrategyKind`.
        steps: in order; the last weight is 100.
        rules: what the analysis watches.
        alpha: chance of rolling back a challenger that is no worse, over the whole rollout.
        interval: seconds between two looks.
        on_inconclusive: ``hold``, ``rollback`` or ``promote`` when the longest duration is over and
            the evidence says neither; hold means to go back then.
        max_seconds: longest duration of a rollout.
        probation: seconds for which the previous champion stays warm after a promotion.
        sticky: key of the split, as `TrafficTable.sticky`.
        freeze: times when nothing moves forward: ``Fri 16:00-Mon 08:00`` (local time).
        start_seconds: longest time for the challenger to become ready.
        early: whether evidence that the challenger is no worse ends the waiting.
        early_seconds: least time with real traffic before that.
        probation_percent: share of requests that the previous champion also sees (as a shadow)
            during probation, so that there is something to compare with.
        mirror: whether copies go on during the weights that follow a shadow step, so that
            evidence gathers as fast at 5 % as at 50 %.
        mirror_percent: share of the champion's requests that is then copied.
        settle_seconds: time after the challenger (re)started in which it is not called slow.
        proof: whether the last step before the promotion is held until the evidence acquits, and
            not only until nothing accuses.
    """

    kind: StrategyKind = StrategyKind.CANARY
    steps: tuple[Step, ...] = DEFAULT_STEPS
    rules: tuple[Rule, ...] = DEFAULT_RULES
    alpha: float = 0.05
    interval: float = 0.5
    on_inconclusive: str = "hold"
    max_seconds: float = 86_400.0
    probation: float = 600.0
    sticky: str | None = None
    freeze: tuple[str, ...] = ()
    start_seconds: float = 180.0
    early: bool = True
    early_seconds: float = 10.0
    probation_percent: float = 25.0
    mirror: bool = True
    mirror_percent: float = 50.0
    settle_seconds: float = 1.0
    proof: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["kind"] = self.kind.value
        item["steps"] = [_plain(step) for step in self.steps]
        item["rules"] = [_plain(rule) for rule in self.rules]
        item["freeze"] = list(self.freeze)
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Strategy:
        """Read what `to_dict` wrote, also another release's: what that did not say is as usual."""
        item = known(cls, item)
        item["kind"] = StrategyKind(item.get("kind", StrategyKind.CANARY))
        for name, noun, kind in (("steps", Step, StepKind), ("rules", Rule, RuleKind)):
            if name in item:
                read = [{**known(noun, one), "kind": kind(one["kind"])} for one in item[name]]
                item[name] = tuple(noun(**one) for one in read)
        item["freeze"] = tuple(item.get("freeze", ()))
        return cls(**item)


def known(noun: Any, item: dict[str, Any]) -> dict[str, Any]:
    """Return the entries of a record that this release knows: those of another may be there."""
    return {name: value for name, value in item.items() if name in noun.__slots__}


def _plain(noun: Step | Rule) -> dict[str, Any]:
    item = {name: getattr(noun, name) for name in noun.__slots__}
    item["kind"] = noun.kind.value
    return item


class RolloutPhase(enum.StrEnum):
    """Where a rollout stands."""

    STARTING = "starting"
    """The challenger is being started; it has no traffic."""
    STEPPING = "stepping"
    """A step is held while evidence gathers."""
    PAUSED = "paused"
    """A person (or a `pause` step, or an inconclusive verdict) holds it."""
    PROMOTING = "promoting"
    """Traffic, alias and tag are being moved to the challenger."""
    ROLLING_BACK = "rolling-back"
    """Traffic is being moved back to the champion."""
    PROBATION = "probation"
    """Promoted; the previous champion stays warm and the analysis goes on."""
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    ABORTED = "aborted"

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self in (RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK, RolloutPhase.ABORTED)


@dataclass(frozen=True, slots=True)
class Look:
    """What an analysis saw at one look; for the timeline in reports.

    Attributes:
        time: seconds since the epoch.
        weight: percent of traffic for the challenger at that time.
        phase: of the rollout.
        requests, errors: of the challenger since the rollout began.
        evidence: name of a rule -> log e-value against its bound.
    """

    time: float
    weight: float
    phase: str
    requests: int = 0
    errors: int = 0
    evidence: dict[str, float] = field(default_factory=dict)
