"""Makes settings of what the grammar accepted: places added, short forms and defaults filled in."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from penstock.config.schema import Checks, Environment, Gates, Serve, Written
from penstock.config.schema_rollout import Analysed, Rollout, Step
from penstock.config.schema_upkeep import Monitor, Retrain
from penstock.config.settings import (
    ConditionSetting,
    DataGateSettings,
    DriftSettings,
    EnvironmentSettings,
    GateSettings,
    ModelSettings,
    MonitorSettings,
    NotifierSettings,
    QualitySettings,
    RegistrySettings,
    RetrainSettings,
    SearchSettings,
    Settings,
    StageTestSetting,
)
from penstock.config.settings_serve import (
    BreakerSettings,
    CheckSettings,
    FieldLimit,
    ServeSettings,
)
from penstock.config.source import Document
from penstock.domain import rollout as domain

_RULES = {rule.name: rule for rule in domain.DEFAULT_RULES}
_SHADOW = domain.DEFAULT_STEPS[0]
_BLUE_GREEN = (_SHADOW, domain.DEFAULT_STEPS[-1])
_AB = (_SHADOW, domain.Step(domain.StepKind.WEIGHT, 50.0, 2.0, 200), domain.DEFAULT_STEPS[-1])
_STEPS = {"canary": domain.DEFAULT_STEPS, "blue-green": _BLUE_GREEN, "ab": _AB}
_PRODUCTION = "production"
Part = TypeVar("Part", Serve, Rollout)


def build(written: Written, document: Document, root: Path) -> Settings:
    """Return the settings of a project from its penstock.yaml.

    Args:
        written: as the grammar accepted it.
        document: the same file, for the places of tests and conditions.
        root: directory of the project.
    """
    return Settings(
        root=root,
        model=ModelSettings(**written.model.model_dump()),
        tests=_tests(written, document),
        gates=_gates(written.gates, document),
        serve=_serve(written.serve),
        rollout=_strategy(written.rollout, written.serve.sticky),
        registry=RegistrySettings(**written.registry.model_dump()),
        monitor=_monitor(written.monitor),
        retrain=_retrain(written.retrain),
        environments=_environments(written),
    )


def _tests(written: Written, document: Document) -> tuple[StageTestSetting, ...]:
    found = []
    for stage, tests in written.tests.items():
        for when, targets in (("before", tests.before), ("after", tests.after)):
            if targets:
                span = document.span(place(document.value, ("tests", stage, when, 0)))
                found.append(StageTestSetting(stage, when, targets, span))
    return tuple(found)


def _gates(written: Gates, document: Document) -> GateSettings:
    conditions = tuple(
        ConditionSetting(
            one.condition,
            document.span(place(document.value, ("gates", "conditions", index, "condition"))),
            one.inconclusive,
            one.name,
        )
        for index, one in enumerate(written.conditions)
    )
    same = {"conditions", "memory", "data", "scan"}
    return GateSettings(
        conditions=conditions,
        memory_mb=_megabytes(written.memory),
        scan=written.scan.policy,
        scan_allow=written.scan.allow,
        data=DataGateSettings(
            **{"schema": written.data.schema_, **_plain(written.data, {"schema_"})}
        ),
        **_plain(written, same),
    )


def _serve(written: Serve) -> ServeSettings:
    return ServeSettings(
        memory_mb=_megabytes(written.memory),
        log_sample=written.log.sample,
        log_exclude=written.log.exclude,
        checks=_checks(written.checks),
        **_plain(written, {"memory", "log", "checks"}),
    )


def _checks(written: Checks) -> CheckSettings:
    fields = {name: FieldLimit(**one.model_dump()) for name, one in written.fields.items()}
    breaker = BreakerSettings(**written.breaker.model_dump())
    return CheckSettings(fields=fields, breaker=breaker, **_plain(written, {"fields", "breaker"}))


def _strategy(written: Rollout, sticky: str | None) -> domain.Strategy:
    steps = tuple(_step(step, written) for step in written.steps)
    if not steps:
        steps = tuple(_held(step, written) for step in _STEPS[written.strategy])
    if steps[-1].kind is not domain.StepKind.WEIGHT or steps[-1].weight < 100:
        steps = (*steps, domain.Step(domain.StepKind.WEIGHT, 100.0))
    return domain.Strategy(
        kind=domain.StrategyKind(written.strategy),
        steps=steps,
        rules=tuple(_rule(rule) for rule in written.rules) or domain.DEFAULT_RULES,
        alpha=written.alpha,
        interval=written.interval,
        on_inconclusive=written.on_inconclusive,
        max_seconds=written.max_duration,
        probation=written.probation,
        sticky=sticky,
        freeze=written.freeze,
        start_seconds=written.start_timeout,
        early=written.early,
        early_seconds=written.early_after,
        probation_percent=written.probation_sample,
        mirror=written.mirror > 0,
        mirror_percent=written.mirror,
        settle_seconds=written.settle,
        proof=written.proof,
    )


def _step(step: Step, around: Rollout) -> domain.Step:
    if step.pause:
        return domain.Step(domain.StepKind.PAUSE)
    kind = domain.StepKind.SHADOW if step.shadow else domain.StepKind.WEIGHT
    weight = step.weight or 0.0
    first, many = domain.DEFAULT_STEPS[1], domain.DEFAULT_STEPS[2]
    usual = domain.Step(kind) if weight == 100 else many if weight >= 20 else first
    hold = step.hold if step.hold is not None else around.hold
    least = step.min_requests if step.min_requests is not None else around.min_requests
    return domain.Step(
        kind,
        weight,
        hold if hold is not None and weight < 100 else usual.seconds,
        least if least is not None and weight < 100 else usual.min_requests,
    )


def _held(step: domain.Step, around: Rollout) -> domain.Step:
    """Return a step of the default strategy with what the project says of all steps."""
    if step.weight == 100:
        return step
    hold = around.hold if around.hold is not None else step.seconds
    least = around.min_requests if around.min_requests is not None else step.min_requests
    return domain.Step(step.kind, step.weight, hold, least)


def _rule(written: Analysed) -> domain.Rule:
    known = _RULES.get(written.name)
    said = _plain(written, {"kind"}, only_said=True)
    kind = domain.RuleKind(written.kind) if written.kind else known.kind if known else None
    before = _plain_rule(known) if known is not None and known.kind is kind else {}
    return domain.Rule(**{**before, **said, "kind": kind or domain.RuleKind.MEAN})


def _plain_rule(rule: domain.Rule) -> dict[str, Any]:
    return {name: getattr(rule, name) for name in rule.__slots__}


def _monitor(written: Monitor) -> MonitorSettings:
    return MonitorSettings(
        drift=DriftSettings(**written.drift.model_dump()),
        quality=QualitySettings(**written.quality.model_dump()),
        notify=tuple(NotifierSettings(**one.model_dump()) for one in written.notify),
        **_plain(written, {"drift", "quality", "notify"}),
    )


def _retrain(written: Retrain) -> RetrainSettings:
    search = written.search
    params = {name: one.model_dump(exclude_unset=True) for name, one in search.params.items()}
    return RetrainSettings(
        window_seconds=written.length,
        search=SearchSettings(
            seconds=search.time, params=params, **_plain(search, {"time", "params"})
        ),
        **_plain(written, {"length", "search"}),
    )


def _environments(written: Written) -> dict[str, EnvironmentSettings]:
    found = {}
    for name, one in {_PRODUCTION: Environment(), **written.environments}.items():
        serve = _laid_over(written.serve, one.serve)
        rollout = _laid_over(written.rollout, one.rollout)
        found[name] = EnvironmentSettings(name, _serve(serve), _strategy(rollout, serve.sticky))
    return found


def _laid_over(below: Part, above: Part | None) -> Part:
    if above is None:
        return below
    said = {name: getattr(above, name) for name in above.model_fields_set}
    return below.model_copy(update=said)


def _plain(section: Any, without: set[str], *, only_said: bool = False) -> dict[str, Any]:
    names = section.model_fields_set if only_said else type(section).model_fields
    return {name: getattr(section, name) for name in names if name not in without}


def _megabytes(size: int) -> int:
    return -(-size // 1_000_000)


def place(value: Any, path: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a path of the grammar as one of the document, which may have used short forms."""
    found: list[Any] = []
    for step in path:
        if isinstance(value, dict) and not isinstance(step, int):
            step = next((key for key in value if str(key) == str(step)), step)
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            continue
        found.append(step)
    return tuple(found)
