"""Settings of a project, as the other rooms see them: frozen, complete, in plain units.

Durations are seconds, sizes are megabytes (10^6 bytes), shares are between 0 and 1, weights are
percent. How they are written in penstock.yaml is `penstock.config.schema`'s business.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.config.settings_serve import ServeSettings
from penstock.domain.rollout import Strategy
from penstock.errors import Span

_STRATEGY = Strategy()
_SERVE = ServeSettings()


@dataclass(frozen=True)
class ModelSettings:
    """The model: where the pipeline leaves it and on what it is judged.

    Attributes:
        name: of the registered model.
        path: of the model, an out of dvc.yaml; relative to the project.
        test_data: Parquet or CSV file with the target column; relative to the project.
        target: name of the target column.
        task: ``classification``, ``regression``, ``ranking``, or None: inferred from the target.
        positive: the class that counts as positive, None: the greater one.
        train_data: what the model was trained on, for data gates and as reference of drift.
        time_column: of the test data, for gates on time leakage.
        id_columns: which columns name a row and are no features.
        sensitive: columns of groups: a fairness gate on ``(sensitive)`` is asked of each.
        serve_as: ``saved``, or ``onnx``: a scikit-learn model is served in its ONNX form, and a
            candidate whose form predicts otherwise is refused.
        onnx_tolerance: greatest difference of two predictions, relative to the greater of 1 and
            the prediction.
    """

    name: str
    path: str
    test_data: str
    target: str
    task: str | None = None
    positive: str | int | float | bool | None = None
    train_data: str | None = None
    time_column: str | None = None
    id_columns: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    serve_as: str = "saved"
    onnx_tolerance: float = 1e-4


@dataclass(frozen=True)
class StageTestSetting:
    """Tests of one stage.

    Attributes:
        stage: name in dvc.yaml.
        when: ``before`` or ``after`` the stage runs.
        targets: for pytest: files, directories, node ids; relative to the project.
        span: place in penstock.yaml.
    """

    stage: str
    when: str
    targets: tuple[str, ...]
    span: Span | None = None


@dataclass(frozen=True)
class ConditionSetting:
    """One condition that a candidate must meet, as text.

    Attributes:
        text: in the language of conditions.
        span: place in penstock.yaml.
        inconclusive: ``block``, ``pass`` or ``warn``: what to do when the data cannot decide.
        name: a name of one's own for the verdict.
    """

    text: str
    span: Span | None = None
    inconclusive: str = "block"
    name: str | None = None


@dataclass(frozen=True)
class DataGateSettings:
    """Tests of the data; each is ``block``, ``warn`` or ``off``.

    Attributes:
        schema: file with a pandera schema, None for none.
        overlap: rows of the test data that the model was trained on.
        leakage: features that give the target away, or come from after it.
        balance: labels that are one-sided or missing.
        drift: test data that differs from the champion's training data.
    """

    schema: str | None = None
    overlap: str = "warn"
    leakage: str = "warn"
    balance: str = "warn"
    drift: str = "off"


@dataclass(frozen=True)
class GateSettings:
    """What a candidate must meet.

    Attributes:
        conditions: in order.
        reliability: chance that no verdict of a test set is wrong.
        mode: ``fp-free``: a pass is right with that chance; ``fn-free``: a fail is.
        adaptivity: ``none``, ``firstChange``, ``full`` or ``passes(N)``: who learns of verdicts.
        steps: how many commits one test set may judge.
        slices: columns, or ``column=value``, that each condition is also put to.
        min_rows: slices with fewer rows are put together.
        max_slices: more values of a column than this are an error.
        clip: metric -> level at which its unbounded loss is cut off.
        approximate: ``refuse`` or ``allow``: verdicts by methods that cannot keep the promise.
        scan: ``block``, ``warn`` or ``off``: code hidden in a model file.
        scan_allow: imports that are trusted in a model file.
        signature: ``block``, ``warn`` or ``off``: a signature that breaks the champion's callers.
        training: ``block``, ``warn`` or ``off``: the built-in integration test of training.
        timeout: seconds for evaluating one model.
        memory_mb: for evaluating one model; 0 is no limit.
        python: interpreter for the project's own tests and metrics, None for penstock's own.
        data: tests of the data.
    """

    conditions: tuple[ConditionSetting, ...] = ()
    reliability: float = 0.999
    mode: str = "fp-free"
    adaptivity: str = "none"
    steps: int = 32
    slices: tuple[str, ...] = ()
    min_rows: int = 1
    max_slices: int = 1000
    clip: dict[str, float] = field(default_factory=dict)
    approximate: str = "refuse"
    scan: str = "block"
    scan_allow: tuple[str, ...] = ()
    signature: str = "block"
    training: str = "off"
    timeout: float = 600.0
    memory_mb: int = 4096
    python: str | None = None
    data: DataGateSettings = DataGateSettings()


@dataclass(frozen=True)
class RegistrySettings:
    """Where model versions are kept.

    Attributes:
        tracking_uri: of MLflow; None: MLFLOW_TRACKING_URI, or mlflow.db in the project.
        experiment: of MLflow; None: the model's name.
    """

    tracking_uri: str | None = None
    experiment: str | None = None


@dataclass(frozen=True)
class DriftSettings:
    """When a feature (or the prediction) counts as drifted.

    Attributes:
        level: false discovery rate over the features of one window.
        min_effect: least corrected population stability index that is worth an alarm.
        severe: from which the alarm is severe.
        windows: how many windows in a row must say so.
        features: which to watch; () watches all.
        exclude: which not to.
    """

    level: float = 0.01
    min_effect: float = 0.02
    severe: float = 0.1
    windows: int = 2
    features: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


@dataclass(frozen=True)
class QualitySettings:
    """When the model counts as declined, once labels arrive.

    Attributes:
        metric: that is followed, None: log loss, or squared error.
        decline: tolerated loss against the test data, in the metric's unit.
        alpha: chance of a false alarm, ever.
        label_delay: seconds after which a label may be expected.
    """

    metric: str | None = None
    decline: float = 0.02
    alpha: float = 0.01
    label_delay: float = 0.0


@dataclass(frozen=True)
class NotifierSettings:
    """Whom to tell.

    Attributes:
        kind: ``log``, ``webhook``, ``slack``, ``email``, or the name of an extension's.
        to: address: URL or e-mail; ``$NAME`` is taken from the environment when it is used.
        level: least severity: ``info``, ``warning`` or ``severe``.
    """

    kind: str
    to: str = ""
    level: str = "warning"


@dataclass(frozen=True)
class MonitorSettings:
    """How the model is watched in production.

    Attributes:
        enabled: whether `penstock watch` watches at all.
        interval: seconds between two looks.
        window: requests in a window of observations.
        reference: ``train``, ``test`` or a file: what live data is compared with.
        drift, quality: see there.
        stale_after: seconds after which a champion counts as stale; 0 is never.
        skew: whether to replay training rows through the serving path.
        retention: seconds for which observations are kept.
        notify: whom to tell.
        more: names of further monitors, which extensions provide.
    """

    enabled: bool = True
    interval: float = 60.0
    window: int = 5000
    reference: str = "train"
    drift: DriftSettings = DriftSettings()
    quality: QualitySettings = QualitySettings()
    stale_after: float = 0.0
    skew: bool = True
    retention: float = 30 * 86_400.0
    notify: tuple[NotifierSettings, ...] = ()
    more: tuple[str, ...] = ()


@dataclass(frozen=True)
class SearchSettings:
    """Search for hyper-parameters during a retraining.

    Attributes:
        trials: most trials; 0 searches nothing.
        seconds: most time.
        jobs: trials at a time.
        metric: key in the metrics file that is optimised.
        direction: ``maximize`` or ``minimize``.
        params: name in params.yaml -> ``low``, ``high``, ``log`` or ``choices``.
    """

    trials: int = 0
    seconds: float = 3600.0
    jobs: int = 1
    metric: str | None = None
    direction: str = "maximize"
    params: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class RetrainSettings:
    """When to train again, and on what.

    Attributes:
        triggers: of ``commit``, ``data``, ``schedule``, ``drift``, ``quality``, ``webhook``.
        data: file or directory whose content is watched; None: deps of the pipeline.
        schedule: in cron's five fields, None for none.
        cooldown: seconds between two retrainings.
        per_day: most retrainings a day.
        min_rows: least number of new labelled rows.
        quiet_hours: when nothing starts: ``22:00-06:00`` (local time).
        window: ``expanding``, ``sliding`` or ``since-change``.
        window_seconds: length of a sliding window; 0 where it does not slide.
        branch: Git branch of retraining commits.
        search: for hyper-parameters.
    """

    triggers: tuple[str, ...] = ()
    data: str | None = None
    schedule: str | None = None
    cooldown: float = 86_400.0
    per_day: int = 2
    min_rows: int = 1000
    quiet_hours: tuple[str, ...] = ()
    window: str = "expanding"
    window_seconds: float = 0.0
    branch: str = "penstock/retrain"
    search: SearchSettings = SearchSettings()


@dataclass(frozen=True)
class EnvironmentSettings:
    """A place that serves: what differs there is already worked in.

    Attributes:
        name: such as ``production``.
        serve: how a bundle answers there.
        rollout: how models are rolled out there.
    """

    name: str = "production"
    serve: ServeSettings = _SERVE
    rollout: Strategy = _STRATEGY


@dataclass(frozen=True)
class Settings:
    """All that penstock.yaml says, with defaults for what it does not.

    Attributes:
        root: directory of the project.
        model: see `ModelSettings`.
        tests: in the order of the file.
        gates, serve, rollout, registry, monitor, retrain: see there.
        environments: by name; ``production`` is always among them.
    """

    root: Path
    model: ModelSettings
    tests: tuple[StageTestSetting, ...] = ()
    gates: GateSettings = field(default_factory=GateSettings)
    serve: ServeSettings = _SERVE
    rollout: Strategy = _STRATEGY
    registry: RegistrySettings = RegistrySettings()
    monitor: MonitorSettings = MonitorSettings()
    retrain: RetrainSettings = RetrainSettings()
    environments: dict[str, EnvironmentSettings] = field(
        default_factory=lambda: {"production": EnvironmentSettings()}
    )

    def environment(self, name: str = "production") -> EnvironmentSettings:
        """Return an environment by name; KeyError when penstock.yaml knows none of it."""
        return self.environments[name]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = dataclasses.asdict(self)
        item["root"] = str(self.root)
        item["rollout"] = self.rollout.to_dict()
        for name, one in self.environments.items():
            item["environments"][name]["rollout"] = one.rollout.to_dict()
        return item
