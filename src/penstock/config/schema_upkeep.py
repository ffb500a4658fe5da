"""The grammar of `monitor:` and `retrain:` in penstock.yaml."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from penstock.config.grammar import Duration, Number, Section, Spans, Text, Texts, Whole
from penstock.config.settings import (
    DriftSettings,
    MonitorSettings,
    QualitySettings,
    RetrainSettings,
    SearchSettings,
)
from penstock.domain import cron
from penstock.errors import ConfigError

Followed = Literal[
    "accuracy", "error_rate", "error", "log_loss", "logloss", "brier", "brier_score",
    "squared_error", "mse", "rmse", "absolute_error", "mae",
]  # fmt: skip
_ADDRESSES = {
    "webhook": (("http://", "https://"), "an address that begins with https:// or http://"),
    "slack": (("http://", "https://"), "the https:// address of an incoming webhook"),
    "email": (("",), "an e-mail address"),
}


_NOT_IN_BRANCHES = re.compile(
    r"^[-/]|^@$|(^|/)\.|\.\.|//|@\{|[\x00-\x20\x7f~^:?*\[\\]|\.lock(/|$)|[/.]$"
)
"""What Git takes in no name of a branch, see git-check-ref-format(1)."""


def _wrong(said: str, hint: str, at: str | None = None) -> PydanticCustomError:
    where = {} if at is None else {"at": at}
    return PydanticCustomError("setting", "{said}", {"said": said, "hint": hint, **where})


def _scheduled(text: str) -> str:
    try:
        cron.parse(text)
    except ConfigError as error:
        raise _wrong(error.message, error.hint or "") from None
    return text


def _branch(text: str) -> str:
    if _NOT_IN_BRANCHES.search(text):
        raise _wrong(f"{text!r} is no name that Git takes for a branch", "such as `ml/retrain`")
    return text


class Drift(Section):
    """When a feature counts as drifted."""

    level: Annotated[Number, Field(gt=0, lt=1)] = DriftSettings.level
    """False discovery rate over the features of one window."""
    min_effect: Annotated[Number, Field(ge=0)] = DriftSettings.min_effect
    """Least corrected population stability index that is worth an alarm."""
    severe: Annotated[Number, Field(ge=0)] = DriftSettings.severe
    """From which the alarm is severe."""
    windows: Annotated[Whole, Field(ge=1)] = DriftSettings.windows
    """How many windows in a row must say so."""
    features: Texts = ()
    """Which to watch; all where it is not said."""
    exclude: Texts = ()
    """Which not to watch."""


class Quality(Section):
    """When the model counts as declined, once labels arrive."""

    metric: Followed | None = None
    """That is followed; log loss or squared error where it is not said."""
    decline: Annotated[Number, Field(ge=0)] = QualitySettings.decline
    """Tolerated loss against the test data, in the metric's unit."""
    alpha: Annotated[Number, Field(gt=0, lt=1)] = QualitySettings.alpha
    """Chance of a false alarm, ever."""
    label_delay: Duration = QualitySettings.label_delay
    """After which a label may be expected."""


class Notifier(Section):
    """Whom to tell."""

    short = "kind"
    kind: Text
    """How: `log`, `webhook`, `slack`, `email`, or the name of an extension's."""
    to: str = ""
    """URL or address; `$NAME` is taken from the environment."""
    level: Literal["info", "warning", "severe"] = "warning"
    """Least severity."""

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        begins, wanted = _ADDRESSES.get(self.kind, ((), ""))
        if not begins or self.to.startswith("$") or (self.to and self.to.startswith(begins)):
            return self
        said = f"{self.to!r} is not" if self.to else f"`to` is missing: `{self.kind}` needs"
        raise _wrong(f"{said} {wanted}", "write it, or $NAME to take it from the environment", "to")


class Monitor(Section):
    """How the model is watched in production."""

    enabled: StrictBool = MonitorSettings.enabled
    """Whether it is watched at all."""
    interval: Duration = MonitorSettings.interval
    """Time between two looks."""
    window: Annotated[Whole, Field(ge=100)] = MonitorSettings.window
    """Requests in a window of observations."""
    reference: Text = MonitorSettings.reference
    """What live data is compared with: `train`, `test` or a file."""
    drift: Drift = Drift()
    """When a feature counts as drifted."""
    quality: Quality = Quality()
    """When the model counts as declined."""
    stale_after: Duration = MonitorSettings.stale_after
    """After which a champion counts as stale; 0 is never."""
    skew: StrictBool = MonitorSettings.skew
    """Whether training rows are replayed through the serving path and compared."""
    retention: Duration = MonitorSettings.retention
    """How long observations are kept."""
    notify: tuple[Notifier, ...] = ()
    """Whom to tell."""
    more: Texts = ()
    """Names of further monitors, which extensions provide."""


class Parameter(Section):
    """The range of one hyper-parameter."""

    low: Number | None = None
    """Least value."""
    high: Number | None = None
    """Greatest value."""
    log: StrictBool = False
    """Whether to search on a logarithmic scale."""
    integer: StrictBool = False
    """Whether only whole numbers are tried."""
    choices: tuple[StrictBool | Whole | Number | str | None, ...] = ()
    """Values to choose from, instead of a range."""

    @model_validator(mode="after")
    def _ranged(self) -> Self:
        if self.choices or (self.low is not None and self.high is not None):
            return self
        hint = "write `{low: 1, high: 10}` or `{choices: [a, b]}`"
        raise _wrong("a range needs both `low` and `high`, or else `choices`", hint, "low")


class Search(Section):
    """Search for hyper-parameters during a retraining."""

    trials: Annotated[Whole, Field(ge=0)] = SearchSettings.trials
    """Most trials; 0 searches nothing."""
    time: Duration = SearchSettings.seconds
    """Most time."""
    jobs: Annotated[Whole, Field(ge=1)] = SearchSettings.jobs
    """Trials at a time."""
    metric: Text | None = None
    """Key in the metrics file that is optimised."""
    direction: Literal["maximize", "minimize"] = "maximize"
    """Which way is better."""
    params: dict[str, Parameter] = Field(default_factory=dict)
    """Name in params.yaml and its range."""


class Retrain(Section):
    """When to train again, and on what."""

    triggers: tuple[Literal["commit", "data", "schedule", "drift", "quality", "webhook"], ...] = ()
    """What starts a retraining."""
    data: Text | None = None
    """File or directory whose content is watched; the pipeline's data where it is not said."""
    schedule: Annotated[Text, AfterValidator(_scheduled)] | None = None
    """In cron's five fields, such as `0 4 * * 1`."""
    cooldown: Duration = RetrainSettings.cooldown
    """Time between two retrainings."""
    per_day: Annotated[Whole, Field(ge=0)] = RetrainSettings.per_day
    """Most retrainings a day."""
    min_rows: Annotated[Whole, Field(ge=0)] = RetrainSettings.min_rows
    """Least number of new labelled rows."""
    quiet_hours: Spans = ()
    """When nothing starts: `22:00-06:00`, in local time."""
    window: Literal["expanding", "sliding", "since-change"] = "expanding"
    """Which data to train on: all, the newest, or since the world changed."""
    length: Duration = RetrainSettings.window_seconds
    """Length of a sliding window."""
    branch: Annotated[Text, AfterValidator(_branch)] = RetrainSettings.branch
    """Git branch of retraining commits."""
    search: Search = Field(default_factory=Search)
    """For hyper-parameters."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if "schedule" in self.triggers and self.schedule is None:
            hint = "add a key like `schedule: 0 4 * * 1`, or leave this trigger out"
            raise _wrong("the trigger `schedule` needs to know when", hint, "triggers")
        if self.window == "sliding" and not self.length:
            hint = "add a key like `length: 90d`"
            raise _wrong("a sliding window needs a length", hint, "window")
        return self
