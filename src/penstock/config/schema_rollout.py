"""The grammar of `rollout:` in penstock.yaml."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, field_validator, model_validator
from pydantic_core import PydanticCustomError

from penstock.config.grammar import (
    Duration,
    Number,
    Percent,
    Section,
    Share,
    Spans,
    Text,
    Whole,
)


class Step(Section):
    """One step of a rollout: `shadow`, `pause`, or a weight such as `5%`."""

    weight: Percent | None = None
    """Percent of requests for the challenger."""
    shadow: StrictBool = False
    """Copies of the requests go to the challenger; its answers reach nobody."""
    pause: StrictBool = False
    """Wait for a person."""
    hold: Duration | None = None
    """Least time to hold the step: 2s where it is not said."""
    min_requests: Annotated[Whole, Field(ge=0)] | None = None
    """Least number of the challenger's requests to have seen: 50, from 20% up 200."""

    @classmethod
    def lengthen(cls, value: Any) -> Any:
        """Return the long form of `shadow`, `pause` or a weight."""
        if isinstance(value, str) and value in ("shadow", "pause"):
            return {value: True}
        if isinstance(value, dict) and isinstance(value.get("shadow"), dict):
            return {**value, **value["shadow"], "shadow": True}
        if isinstance(value, str) and not value[:1].isdigit():
            hint = "a step is `shadow`, `pause` or a weight such as `5%`"
            raise PydanticCustomError(
                "step", "{said} is no step", {"said": repr(value), "hint": hint}
            )
        return value if isinstance(value, dict) else {"weight": value}

    @model_validator(mode="after")
    def _one(self) -> Step:
        if [self.weight is not None, self.shadow, self.pause].count(True) != 1:
            hint = "write `{weight: 5%, hold: 30s}`, `{shadow: true, hold: 30s}` or `pause`"
            text = "a step is one of weight, shadow and pause"
            raise PydanticCustomError("step", text, {"hint": hint})
        return self


class Analysed(Section):
    """One metric that the analysis of a rollout watches."""

    short = "name"
    name: Text
    """`errors`, `latency`, `quality`, `scores`, or the name of a metric told at `/feedback`."""
    kind: Literal["rate", "tail", "mean", "quality", "distribution"] | None = None
    """Share of failures, slow requests, bounded mean, labels or distribution; a mean by default."""
    max_ratio: Annotated[Number, Field(gt=0)] = 1.0
    """rate: tolerated ratio of the challenger's to the champion's."""
    quantile: Annotated[Number, Field(gt=0, lt=1)] = 0.99
    """tail: which quantile."""
    tolerance: Share = 0.5
    """tail: how much slower is tolerated."""
    slo: Duration | None = None
    """tail: a fixed limit instead of the champion's quantile."""
    low: Number = 0.0
    """mean: least value of the metric; what is below counts as this."""
    high: Number = 1.0
    """mean: greatest value of the metric; what is above counts as this."""
    margin: Annotated[Number, Field(ge=0)] = 0.0
    """mean, quality: tolerated difference, in the metric's unit."""
    worse: Literal["lower", "higher"] = "lower"
    """mean: which direction is worse."""
    share: Annotated[Number, Field(gt=0)] = 1.0
    """Share of the error budget alpha, relative to the other rules."""
    on_alarm: Literal["rollback", "warn"] = "rollback"
    """What an alarm does."""
    slack: Duration = 0.005
    """tail: how much slower a request may be in any case."""
    harmless: Share = 0.01
    """rate: a rate below this is evidence for an early promotion."""
    strict: StrictBool = False
    """tail: accuse only when the quantile itself is surely higher, not of a heavier tail."""
    min_labels: Annotated[Whole, Field(ge=0)] = 0
    """quality: labels of the challenger's answers that each step waits for."""

    @model_validator(mode="after")
    def _range(self) -> Analysed:
        if self.low >= self.high:
            hint = "say both ends, such as `{name: revenue, low: 0, high: 500}`"
            said = f"low {self.low:g} is not below high {self.high:g}"
            raise PydanticCustomError("rule", "{said}", {"said": said, "hint": hint})
        return self


class Rollout(Section):
    """How traffic moves from champion to challenger."""

    strategy: Literal["canary", "blue-green", "ab"] = "canary"
    """Rising weights, all at once after a shadow, or two versions side by side."""
    steps: tuple[Step, ...] = ()
    """In order; the last weight is 100%."""
    hold: Duration | None = None
    """Least time of a step that has no `hold` of its own."""
    min_requests: Annotated[Whole, Field(ge=0)] | None = None
    """Least number of requests of a step that has no `min_requests` of its own."""
    rules: tuple[Analysed, ...] = ()
    """What the analysis watches: errors, latency, quality and scores where it is not said."""
    alpha: Annotated[Number, Field(gt=0, lt=0.5)] = 0.05
    """Chance of rolling back a challenger that is no worse, over the whole rollout."""
    interval: Duration = 0.5
    """Time between two looks."""
    on_inconclusive: Literal["hold", "rollback", "promote"] = "hold"
    """What to do when `max_duration` is over and the evidence says neither; hold goes back then."""
    max_duration: Duration = 86_400.0
    """Longest duration of a rollout."""
    probation: Duration = 600.0
    """How long the previous champion stays warm after a promotion."""
    start_timeout: Duration = 180.0
    """Longest time for the challenger to become ready."""
    early: StrictBool = True
    """Whether evidence that the challenger is no worse ends the waiting."""
    proof: StrictBool = False
    """Whether the last step is held until the evidence acquits, not only until nothing accuses."""
    early_after: Duration = 10.0
    """Least time with real traffic before that."""
    probation_sample: Percent = 25.0
    """Percent of requests that the previous champion also sees, unanswered, during probation."""
    mirror: Percent = 50.0
    """Percent of the champion's requests copied during the weights after a shadow; 0% for none."""
    settle: Duration = 1.0
    """Time after the challenger's start in which it is not called slow."""
    freeze: Spans = ()
    """When nothing moves forward: `Fri 16:00-Mon 08:00`, in local time."""

    @field_validator("steps")
    @classmethod
    def _rise(cls, steps: tuple[Step, ...]) -> tuple[Step, ...]:
        weight = 0.0
        for index, step in enumerate(steps):
            if step.weight is not None and step.weight <= weight:
                hint = "each weight must be above the one before it; the last is 100%"
                said = f"{step.weight:g}% after {weight:g}%"
                raise PydanticCustomError(
                    "step", "{said}", {"said": said, "hint": hint, "at": index}
                )
            weight = step.weight if step.weight is not None else weight
        return steps
