"""penstock.yaml: what it means, and what is said when it is wrong."""

import json
from pathlib import Path

import pytest

from penstock.cli.output import render
from penstock.config import (
    ConditionSetting,
    GateSettings,
    MonitorSettings,
    RetrainSettings,
    ServeSettings,
    check,
    find_project,
    json_schema,
    load_settings,
)
from penstock.domain.rollout import DEFAULT_RULES, DEFAULT_STEPS, RuleKind, StepKind, Strategy
from penstock.domain.rollout import StrategyKind as Kind
from penstock.errors import ConfigError, Span, StateError

MODEL = "model: {name: m1, path: models/m, test_data: data/t.csv, target: y}\n"
TEN_LINES = """\
model:
  name: flight-delay
  path: models/model
  test_data: data/test.parquet
  target: late
tests:
  prepare: {before: tests/test_prepare.py}
  train: [tests/a.py, tests/b.py]
  evaluate: tests/test_evaluate.py
gates:
  - candidate.roc_auc > 0.65 +/- 0.02
  - {condition: candidate.size < 50MB, inconclusive: warn, name: small}
serve: {port: 8080}
rollout:
  steps: [shadow, 5%, 25%, 100%]
"""


@pytest.fixture
def write(tmp_path):
    def writer(text, name="penstock.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return writer


def refused(root):
    with pytest.raises(ConfigError) as caught:
        load_settings(root)
    return caught.value


def test_ten_lines(write):
    settings = load_settings(write(TEN_LINES))
    assert settings.model.name == "flight-delay"
    assert [(one.stage, one.when, one.targets) for one in settings.tests] == [
        ("prepare", "before", ("tests/test_prepare.py",)),
        ("train", "after", ("tests/a.py", "tests/b.py")),
        ("evaluate", "after", ("tests/test_evaluate.py",)),
    ]
    assert [one.span.line for one in settings.tests] == [7, 8, 9]
    first, second = settings.gates.conditions
    assert (first.text, first.span.line, first.span.column) == (
        "candidate.roc_auc > 0.65 +/- 0.02",
        11,
        5,
    )
    assert (second.text, second.inconclusive, second.name) == (
        "candidate.size < 50MB",
        "warn",
        "small",
    )
    assert settings.rollout == Strategy()


def test_what_is_not_said_is_the_default(write):
    settings = load_settings(write(MODEL))
    assert settings.gates == GateSettings()
    assert settings.serve == ServeSettings()
    assert settings.monitor == MonitorSettings()
    assert settings.retrain == RetrainSettings()
    assert settings.rollout == Strategy()
    assert settings.environments["production"].rollout == Strategy()
    empty = "".join(f"{key}:\n" for key in ("tests", "gates", "serve", "rollout", "monitor"))
    assert load_settings(write(MODEL + empty)) == settings


def test_what_is_kept_is_what_was_read(write):
    text = TEN_LINES + "retrain: {triggers: [drift], search: {params: {a.b: {low: 1, high: 2}}}}\n"
    root = write(text + "monitor: {notify: [log, {kind: webhook, to: $HOOK}]}\n")
    first = load_settings(root)
    assert (root / ".penstock" / "settings.json").is_file()
    assert load_settings(root) == first == check(root / "penstock.yaml")
    write(text.replace("8080", "8081"))
    assert load_settings(root).serve.port == 8081


@pytest.mark.parametrize("kept", ["", "[]", "{}", '{"format": 0}', "\0\0"])
def test_a_broken_cache_is_read_past(write, kept):
    root = write(MODEL)
    wanted = load_settings(root)
    (root / ".penstock" / "settings.json").write_text(kept, encoding="utf-8")
    assert load_settings(root) == wanted


def test_settings_without_a_place_to_keep_them(write):
    root = write(MODEL)
    (root / ".penstock").write_text("in the way", encoding="utf-8")
    assert load_settings(root).model.name == "m1"


def test_gates_as_a_mapping(write):
    gates = load_settings(
        write(
            MODEL
            + "gates:\n  conditions: [candidate.accuracy > 0.9]\n  reliability: 0.99\n"
            + "  adaptivity: passes(5)\n  slices: carrier\n  memory: 1GB\n  timeout: 2m\n"
            + "  data: {schema: tests/schema.py, leakage: block}\n  clip: {mae: 3}\n"
        )
    ).gates
    assert gates.conditions[0] == ConditionSetting(
        "candidate.accuracy > 0.9", gates.conditions[0].span
    )
    assert (gates.reliability, gates.adaptivity, gates.slices) == (0.99, "passes(5)", ("carrier",))
    assert (gates.memory_mb, gates.timeout, gates.clip) == (1000, 120.0, {"mae": 3.0})
    assert (gates.data.schema, gates.data.leakage) == ("tests/schema.py", "block")


def test_serve_in_plain_units(write):
    serve = load_settings(
        write(
            MODEL + "serve: {host: 0.0.0.0, port: 0, replicas: 2, memory: 1.5GB, timeout: 500ms,\n"
            "  sticky: 'header:X-User', log: {sample: 10%, exclude: [name, mail]}}\n"
        )
    ).serve
    assert serve == ServeSettings(
        "0.0.0.0", 0, 2, 1500, 0.5, "header:X-User", 0.1, ("name", "mail")
    )


def test_steps_in_all_their_forms(write):
    rollout = load_settings(
        write(
            MODEL + "serve: {sticky: 'field:user'}\nrollout:\n  steps:\n    - shadow\n"
            "    - shadow: {hold: 1m, min_requests: 7}\n    - 5%\n    - pause\n    - 30\n"
            "    - {weight: 50%, hold: 1h30m, min_requests: 9}\n"
            "  freeze: Fri 16:00-Mon 08:00\n  max_duration: 2d\n"
        )
    ).rollout
    found = [(step.kind, step.weight, step.seconds, step.min_requests) for step in rollout.steps]
    assert found == [
        (StepKind.SHADOW, 0.0, 2.0, 50),
        (StepKind.SHADOW, 0.0, 60.0, 7),
        (StepKind.WEIGHT, 5.0, 2.0, 50),
        (StepKind.PAUSE, 0.0, 0.0, 0),
        (StepKind.WEIGHT, 30.0, 2.0, 200),
        (StepKind.WEIGHT, 50.0, 5400.0, 9),
        (StepKind.WEIGHT, 100.0, 0.0, 0),
    ]
    assert rollout.freeze == ("Fri 16:00-Mon 08:00",)
    assert rollout.max_seconds == 172_800
    assert rollout.sticky == "field:user"


def test_one_hold_for_all_steps(write):
    steps = load_settings(write(MODEL + "rollout: {hold: 1m, min_requests: 3}\n")).rollout.steps
    assert [(step.seconds, step.min_requests) for step in steps] == [(60, 3)] * 3 + [(0, 0)]


def test_strategies_bring_their_steps(write):
    rollout = load_settings(write(MODEL + "rollout: {strategy: blue-green}\n")).rollout
    assert (rollout.kind, rollout.steps) == (
        Kind.BLUE_GREEN,
        (DEFAULT_STEPS[0], DEFAULT_STEPS[-1]),
    )
    rollout = load_settings(write(MODEL + "rollout: {strategy: ab}\n")).rollout
    assert [step.weight for step in rollout.steps] == [0, 50, 100]


def test_rules(write):
    errors, latency, revenue = load_settings(
        write(
            MODEL + "rollout:\n  rules:\n    - errors\n    - {name: latency, slo: 200ms}\n"
            "    - {name: revenue, low: 0, high: 100, margin: 0.5}\n"
        )
    ).rollout.rules
    assert errors == DEFAULT_RULES[0]
    assert (latency.kind, latency.slo, latency.quantile) == (RuleKind.TAIL, 0.2, 0.99)
    assert (revenue.kind, revenue.high, revenue.margin) == (RuleKind.MEAN, 100, 0.5)


def test_environments_change_what_they_say(write):
    settings = load_settings(
        write(
            MODEL + "serve: {port: 1, replicas: 4}\nenvironments:\n  staging:\n"
            "    serve: {port: 2}\n    rollout: {strategy: blue-green}\n  production:\n"
        )
    )
    staging, production = settings.environment("staging"), settings.environment()
    assert (staging.serve.port, staging.serve.replicas) == (2, 4)
    assert staging.rollout.kind is Kind.BLUE_GREEN
    assert production.serve == settings.serve
    assert production.rollout == settings.rollout


WRONG = [
    ("modle: {}", "config.unknown-key", "did you mean `model`?"),
    (MODEL + "serve: {prot: 1}", "config.unknown-key", "did you mean `port`?"),
    (MODEL + "serve: {zzz: 1}", "config.unknown-key", "known keys: host"),
    ("model: {name: m1}", "config.missing-key", "Where the pipeline leaves the model"),
    (MODEL + "serve: {port: '80'}", "config.wrong-type", None),
    (MODEL + "serve: {port: 70000}", "config.out-of-range", None),
    (MODEL + "serve: {port: true}", "config.wrong-type", None),
    (MODEL + "serve: 8080", "config.wrong-type", None),
    (MODEL + "serve: {memory: 512}", "config.unit", "50MB"),
    (MODEL + "serve: {timeout: fast}", "config.unit", "30s"),
    (MODEL + "serve: {timeout: -1}", "config.unit", "30s"),
    (MODEL + "serve: {timeout: .inf}", "config.unit", "30s"),
    (MODEL + "serve: {sticky: cookie}", "config.malformed", "header:NAME"),
    (MODEL + "serve: {log: {sample: 200%}}", "config.unit", "10%"),
    (MODEL + "rollout: {strategy: canry}", "config.unknown-value", "did you mean `canary`?"),
    (MODEL + "rollout: {steps: [25%, 5%]}", "config.step", "above the one before"),
    (MODEL + "rollout: {steps: [shdow]}", "config.step", "`shadow`"),
    (MODEL + "rollout: {steps: [{weight: 5%, pause: true}]}", "config.step", "weight: 5%"),
    (MODEL + "rollout: {steps: [500%]}", "config.unit", "100%"),
    (MODEL + "rollout: {rules: [{name: revenue, low: 5, high: 1}]}", "config.rule", "both ends"),
    (MODEL + "rollout: {mirror: 120%}", "config.unit", "100%"),
    (MODEL + "rollout: {settle: -1s}", "config.unit", "30s"),
    (MODEL + "rollout: {freeze: Friday}", "config.malformed", "Mon 08:00"),
    (MODEL + "monitor: {notify: [slack]}", "config.setting", "$NAME"),
    (MODEL + "monitor: {notify: [{kind: email}]}", "config.setting", "$NAME"),
    (MODEL + "monitor: {notify: [{kind: webhook, to: a.org}]}", "config.setting", "$NAME"),
    (MODEL + "monitor: {quality: {metric: acuracy}}", "config.unknown-value", "`accuracy`?"),
    (MODEL + "retrain: {triggers: [schedule]}", "config.setting", "0 4 * * 1"),
    (MODEL + "retrain: {schedule: 0 25 * * *}", "config.setting", "Monday at four"),
    (MODEL + "retrain: {branch: ml//retrain}", "config.setting", "ml/retrain"),
    (MODEL + "retrain: {window: sliding}", "config.setting", "length: 90d"),
    (MODEL + "retrain: {search: {params: {a: {low: 1}}}}", "config.setting", "choices"),
    (MODEL + "gates: [5]", "config.wrong-type", None),
    (MODEL + "gates: {adaptivity: some}", "config.malformed", "passes(N)"),
    (MODEL + "tests: {train: {befor: x}}", "config.unknown-key", "did you mean `before`?"),
    (MODEL + "tests: [a]", "config.wrong-type", None),
    (MODEL.replace("m1", "'a b'"), "config.malformed", "flight-delay"),
    (MODEL.replace("y}", "y, task: clasification}"), "config.unknown-value", "classification"),
    ("", "config.empty", "penstock init"),
    ("- model", "config.empty", "penstock init"),
]


@pytest.mark.parametrize(("text", "code", "hint"), WRONG)
def test_what_is_wrong_is_said_with_place_and_remedy(write, text, code, hint):
    error = refused(write(text + "\n"))
    found = [one for one in error.problems if one.code == code]
    assert found, error.problems
    assert found[0].span is not None
    assert hint is None or hint in found[0].hint
    assert "pydantic" not in render(error)


def test_every_problem_at_once_each_at_its_place(write):
    text = (
        MODEL.replace("m1", "3") + "serve: {port: x, replicas: 0}\nrollout: {alpha: 2, stps: 1}\n"
    )
    error = refused(write(text))
    assert [(one.code, one.span.line, one.span.column) for one in error.problems] == [
        ("config.wrong-type", 1, 15),
        ("config.wrong-type", 2, 15),
        ("config.out-of-range", 2, 28),
        ("config.out-of-range", 3, 18),
        ("config.unknown-key", 3, 21),
    ]
    assert error.message == "5 problems in what you wrote"


def test_stages_that_dvc_yaml_does_not_have(write):
    root = write(MODEL + "tests: {trian: a.py, 'clean@2013': b.py, 'sub/dvc.yaml:x': c.py}\n")
    write("stages:\n  train: {cmd: x}\n  clean: {foreach: [1], do: {cmd: x}}\n", "dvc.yaml")
    error = refused(root)
    assert [(one.code, one.hint) for one in error.problems] == [
        ("config.unknown-stage", "did you mean `train`?")
    ]
    write("stages: [", "dvc.yaml")
    assert load_settings(root).tests[0].stage == "trian"


def test_places_are_those_of_the_current_directory(write, monkeypatch):
    root = write(MODEL + "gates: [candidate.accuracy > 0.5]\n")
    monkeypatch.chdir(root)
    for _ in range(2):
        span = load_settings(Path()).gates.conditions[0].span
        assert span == Span("penstock.yaml", 2, 9, 33)
    monkeypatch.chdir("/")
    assert Path(load_settings(root).gates.conditions[0].span.file) == Path(
        str(root / "penstock.yaml").removeprefix("/")
    )


def test_a_project_is_found_from_below(write):
    root = write(MODEL)
    (root / "src" / "deep").mkdir(parents=True)
    assert find_project(root / "src" / "deep") == root
    (root / "penstock.yaml").unlink()
    with pytest.raises(StateError, match=r"no penstock\.yaml") as caught:
        find_project(root)
    assert "penstock init" in caught.value.hint
    with pytest.raises(StateError):
        load_settings(root)


def test_the_schema_knows_every_key_and_says_what_it_is_for():
    schema = json_schema()
    json.dumps(schema)
    for name, definition in schema["$defs"].items():
        for form in definition["anyOf"]:
            for key, item in form.get("properties", {}).items():
                assert item.get("description") or "$ref" in item, f"{name}.{key} says nothing"


def test_every_word_of_a_strategy_can_be_written(write):
    text = """rollout:
  strategy: ab
  alpha: 0.01
  interval: 2s
  on_inconclusive: promote
  max_duration: 1h
  probation: 1m
  start_timeout: 30s
  early: false
  early_after: 3s
  proof: true
  probation_sample: 50%
  mirror: 0%
  settle: 2s
  freeze: [22:00-06:00]
  steps: [50%]
  rules: [latency]
"""
    found = load_settings(write(MODEL + "serve: {sticky: 'header:X'}\n" + text)).rollout.to_dict()
    default = Strategy().to_dict()
    assert [name for name in default if found[name] == default[name]] == []
