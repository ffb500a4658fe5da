"""The grammar of penstock.yaml: what may be written, by whom it is checked, how editors know it.

Imported only when a file is read that is not known to be valid: pydantic alone takes longer than
the rest of a run with nothing to do. `penstock.config.build` makes settings of what stands here.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, field_validator

from penstock.config.grammar import (
    Duration,
    Number,
    Policy,
    Section,
    Share,
    Size,
    Sticky,
    Text,
    Texts,
    Whole,
)
from penstock.config.schema_rollout import Rollout
from penstock.config.schema_upkeep import Monitor, Retrain
from penstock.config.settings import GateSettings, ModelSettings
from penstock.config.settings_serve import BreakerSettings, CheckSettings, ServeSettings


class Model(Section):
    """The model: where the pipeline leaves it and on what it is judged."""

    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_/-]*[a-zA-Z0-9]$")]
    """Name of the registered model: letters, digits, `-`, `_`."""
    path: Text
    """Where the pipeline leaves the model: an out in dvc.yaml."""
    test_data: Text
    """Parquet or CSV file with the target column, on which candidates are judged."""
    target: Text
    """Name of the target column."""
    task: Literal["classification", "regression", "ranking"] | None = None
    """What the model does; inferred from the target where it is not said."""
    positive: StrictBool | Whole | Number | Text | None = None
    """The class that counts as positive; the greater one where it is not said."""
    train_data: Text | None = None
    """What the model was trained on, for tests of the data and as the reference of drift."""
    time_column: Text | None = None
    """Column with the time of a row, for the gate on leakage in time."""
    id_columns: Texts = ()
    """Columns that name a row and are no features."""
    sensitive: Texts = ()
    """Columns of groups: a fairness gate on `(sensitive)` is asked of each of them."""
    serve_as: Literal["saved", "onnx"] = "saved"
    """`onnx`: serve a scikit-learn model in its ONNX form, if that predicts the same."""
    onnx_tolerance: Annotated[Number, Field(gt=0)] = ModelSettings.onnx_tolerance
    """Greatest difference of two predictions, relative to the greater of 1 and the prediction."""


class Tests(Section):
    """Tests of one stage; a bare list is `after`."""

    short = "after"
    before: Texts = ()
    """Files, directories or node ids for pytest, run before the stage."""
    after: Texts = ()
    """The same, run after it."""


class Condition(Section):
    """One condition that a candidate must meet."""

    short = "condition"
    condition: Text
    """Such as `candidate.roc_auc - champion.roc_auc > -0.01 +/- 0.01`."""
    inconclusive: Literal["block", "pass", "warn"] = "block"
    """What to do when the test data cannot decide."""
    name: Text | None = None
    """A name of your own for the verdict."""


class DataGates(Section):
    """Tests of the data."""

    schema_: Annotated[Text | None, Field(alias="schema")] = None
    """File with a pandera schema."""
    overlap: Policy = "warn"
    """Rows of the test data that the model was trained on."""
    leakage: Policy = "warn"
    """Features that give the target away, or come from after it."""
    balance: Policy = "warn"
    """Labels that are one-sided or missing."""
    drift: Policy = "off"
    """Test data that differs from the champion's training data."""


class Scan(Section):
    """What to do about code hidden in a model file; a bare word is `policy`."""

    short = "policy"
    policy: Policy = "block"
    """What an import that can run code does."""
    allow: Texts = ()
    """Imports that you trust, such as `builtins.getattr` or `mylib.models.*`."""


class Gates(Section):
    """What a candidate must meet; a bare list is `conditions`."""

    short = "conditions"
    conditions: tuple[Condition, ...] = ()
    """In order; all of them must be met."""
    reliability: Annotated[Number, Field(ge=0.5, lt=1)] = GateSettings.reliability
    """Chance that all verdicts of one test set are right."""
    mode: Literal["fp-free", "fn-free"] = "fp-free"
    """`fp-free`: what passes is good; `fn-free`: what fails is bad."""
    adaptivity: Annotated[
        str, Field(pattern=r"^(none|firstChange|full|passes\([1-9][0-9]*\))$")
    ] = "none"
    """Who learns of verdicts: `none`, `firstChange`, `full`, or at most N passes: `passes(N)`."""
    steps: Annotated[Whole, Field(ge=1)] = GateSettings.steps
    """How many commits one test set may judge."""
    slices: Texts = ()
    """`column` or `column=value`: each condition must hold on these rows, too."""
    min_rows: Annotated[Whole, Field(ge=1)] = GateSettings.min_rows
    """Slices with fewer rows are put together as `other`."""
    max_slices: Annotated[Whole, Field(ge=1)] = GateSettings.max_slices
    """More values of a column than this are an error."""
    clip: dict[str, Number] = Field(default_factory=dict)
    """Metric and the level at which its unbounded loss is cut off."""
    approximate: Literal["refuse", "allow"] = "refuse"
    """Whether a large-sample method, which cannot keep `reliability`, may let a candidate pass."""
    scan: Scan = Scan()
    """Code hidden in a model file."""
    signature: Policy = "block"
    """A signature that would break the champion's callers."""
    training: Policy = "off"
    """The built-in integration test of training."""
    timeout: Duration = GateSettings.timeout
    """Time for evaluating one model."""
    memory: Size = GateSettings.memory_mb * 1_000_000
    """Memory for evaluating one model."""
    python: Text | None = None
    """Interpreter for the project's own tests and metrics; penstock's own where it is not said."""
    data: DataGates = Field(default_factory=DataGates)
    """Tests of the data."""

    @classmethod
    def lengthen(cls, value: Any) -> Any:
        """Return the long form; nothing at all is no condition."""
        return {} if value is None else super().lengthen(value)


class Log(Section):
    """What of the requests is logged."""

    sample: Share = ServeSettings.log_sample
    """Share of the requests."""
    exclude: Texts = ()
    """Fields that are never logged."""


class FieldLimits(Section):
    """Limits of one field of requests, instead of the training data's."""

    min: Number | None = None
    """Least number."""
    max: Number | None = None
    """Greatest number."""
    values: Texts = ()
    """Texts that it may have."""
    nulls: StrictBool | None = None
    """Whether it may be missing."""


class Breaker(Section):
    """When no request is answered any more; a bare share is `share`."""

    short = "share"
    share: Share = BreakerSettings.share
    """Of requests that violate a limit, above which it opens; 0 is never."""
    window: Duration = BreakerSettings.window
    """Over which the share is taken."""
    min_requests: Annotated[Whole, Field(ge=1)] = BreakerSettings.min_requests
    """In the window, below which no share is taken."""
    pause: Annotated[Duration, Field(gt=0)] = BreakerSettings.pause
    """After which a few requests are let through."""


class Checks(Section):
    """Values of requests that the training data does not have; a bare word is `mode`."""

    short = "mode"
    mode: Literal["off", "warn", "reject"] = "off"
    """`warn`: count them and tell them in a header; `reject`: answer 422."""
    margin: Annotated[Number, Field(ge=0)] = CheckSettings.margin
    """By which a number may lie outside, in spans of the training data's values."""
    fields: dict[str, FieldLimits] = Field(default_factory=dict)
    """Limits of single fields, instead of the training data's."""
    ignore: Texts = ()
    """Fields that may hold anything."""
    breaker: Breaker = Breaker()
    """When no request is answered any more."""


class Serve(Section):
    """How a bundle answers requests."""

    host: Text = ServeSettings.host
    """Address to listen on: this machine only, unless told otherwise."""
    port: Annotated[Whole, Field(ge=0, le=65535)] = ServeSettings.port
    """Port to listen on; 0 takes a free one."""
    grpc_port: Annotated[Whole, Field(ge=0, le=65535)] | None = None
    """For the Open Inference Protocol over gRPC (extra `grpc`); none where it is not said."""
    replicas: Annotated[Whole, Field(ge=1, le=1024)] = ServeSettings.replicas
    """Worker processes per model version."""
    memory: Size = ServeSettings.memory_mb
    """Limit of one worker, such as 1GB; 0B is none."""
    timeout: Duration = ServeSettings.timeout
    """For one request."""
    sticky: Sticky | None = None
    """`header:NAME` or `field:NAME` keeps a caller on one side of the split."""
    log: Log = Log()
    """What of the requests is logged."""
    batch: Literal["auto", "all", "off"] = "auto"
    """Whether rows of several requests are put together: `all` asks any model to prove it first."""
    checks: Checks = Checks()
    """Values of requests that the training data does not have."""


class Registry(Section):
    """Where model versions are kept."""

    tracking_uri: Text | None = None
    """Of MLflow; where it is not said: MLFLOW_TRACKING_URI, or mlflow.db in the project."""
    experiment: Text | None = None
    """Of MLflow; the name of the model where it is not said."""


class Environment(Section):
    """A place that serves: what is said here holds there instead."""

    serve: Serve | None = None
    """Instead of the project's `serve`, key by key."""
    rollout: Rollout | None = None
    """Instead of the project's `rollout`, key by key."""


class Written(Section):
    """penstock.yaml: what must hold of a model, and where it goes."""

    model: Model
    """The model: where the pipeline leaves it and on what it is judged."""
    tests: dict[str, Tests] = Field(default_factory=dict)
    """Tests by stage of dvc.yaml."""
    gates: Gates = Field(default_factory=Gates)
    """What a candidate must meet."""
    serve: Serve = Serve()
    """How a bundle answers requests."""
    rollout: Rollout = Rollout()
    """How traffic moves from champion to challenger."""
    registry: Registry = Registry()
    """Where model versions are kept."""
    monitor: Monitor = Monitor()
    """How the model is watched in production."""
    retrain: Retrain = Retrain()
    """When to train again, and on what."""
    environments: dict[str, Environment] = Field(default_factory=dict)
    """Places that serve, by name; `production` is always one."""

    @field_validator("tests", "environments", mode="before")
    @classmethod
    def _empty(cls, value: Any) -> Any:
        return {} if value is None else value
