"""One candidate, all gates: scan, evaluate both models on the same rows, judge.

Nothing of a model is loaded before the scan has passed, and never in this process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from penstock.config.settings import ConditionSetting, GateSettings, ModelSettings
from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import StateError
from penstock.gates.conditions import ConditionSpec, GateSpec
from penstock.gates.custom import Workshop
from penstock.gates.evaluation import Serving, evaluate
from penstock.gates.judging import judge
from penstock.gates.ledger import Ledger
from penstock.gates.model_scan import scan
from penstock.gates.names import METRICS
from penstock.gates.pictures import curves
from penstock.gates.predictions import Predictions
from penstock.gates.project_code import own_python
from penstock.gates.project_tests import champion_rows, data_verdicts, training_verdicts
from penstock.gates.signature import signature_gate

_MIB = 1 << 20
_FAIR = "|".join(name for name, one in METRICS.items() if one.kind == "fairness")
_SENSITIVE = re.compile(rf"(\b(?:{_FAIR})\(\s*(?:\w+\s*,\s*)?)sensitive(\s*\))")


@dataclass(frozen=True, slots=True)
class Contender:
    """A model that is to be judged, or held against.

    Attributes:
        path: directory of the MLflow model.
        python: gives the interpreter of its environment; asked only after the scan has passed.
        name: what people call it: a run or a version.
    """

    path: Path
    python: Callable[[], str]
    name: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What all gates said.

    Attributes:
        verdicts: in the order in which they were asked.
        curves: what a report draws; empty when the candidate gave no answers.
    """

    verdicts: tuple[Verdict, ...]
    curves: dict[str, Any]


def gate_spec(settings: GateSettings, model: ModelSettings) -> GateSpec:
    """Return the conditions of penstock.yaml in the form that the judge takes.

    A fairness metric of ``(sensitive)`` is asked of each column of `model.sensitive`.
    """
    conditions = tuple(
        asked for one in settings.conditions for asked in _asked(one, model.sensitive)
    )
    return GateSpec(
        conditions=conditions,
        reliability=settings.reliability,
        mode="fn-free" if settings.mode == "fn-free" else "fp-free",
        adaptivity=settings.adaptivity,
        steps=settings.steps,
        slices=settings.slices,
        positive=model.positive,
        clip=settings.clip,
        min_rows=settings.min_rows,
        max_slices=settings.max_slices,
        approximate=settings.approximate,
    )


def _asked(one: ConditionSetting, sensitive: Sequence[str]) -> Iterator[ConditionSpec]:
    policy = _policy(one.inconclusive)
    if not sensitive or _SENSITIVE.search(one.text) is None:
        yield ConditionSpec(one.text, one.span, policy, one.name)
        return
    for column in sensitive:
        word = column if column.isidentifier() else f'"{column}"'
        escaped = word.replace("\\", "\\\\")
        text = _SENSITIVE.sub(rf"\g<1>{escaped}\g<2>", one.text)
        name = f"{one.name} ({column})" if one.name else None
        yield ConditionSpec(text, one.span, policy, name)


def judge_candidate(
    settings: GateSettings,
    candidate: Contender,
    champion: Contender | None,
    *,
    model: ModelSettings,
    base: Path,
    ledger: Ledger,
    serving: Serving | None = None,
) -> Judgement:
    """Ask every gate about a candidate.

    A model that crashes, hangs or takes too much memory is a failed verdict, not an error.

    Args:
        settings: of penstock.yaml.
        candidate: the model in question.
        champion: the one that serves now, None before the first deployment.
        model: which rows it is judged on, and their target.
        base: directory that the paths of `model` are relative to.
        ledger: counts how often these rows have decided.
        serving: measures latency and memory where a model will serve, when a condition asks for
            them; without it they are measured in the evaluating process.

    Raises:
        ConfigError: a condition that cannot be read, at its column.
        StateError: ``gates.champion-fails`` when the champion cannot be held against.
    """
    spec = gate_spec(settings, model)
    scanned = _as(settings.scan, scan(candidate.path, allow=settings.scan_allow))
    if scanned is not None and scanned.stops:
        return Judgement((scanned,), {})
    data = base / model.test_data
    contenders = [candidate] if champion is None else [candidate, champion]
    answers = _evaluate(settings, model, data, contenders, serving)
    verdicts = [] if scanned is None else [scanned]
    past = champion_rows(base, model) if settings.data.drift != "off" else None
    verdicts += data_verdicts(settings.data, model, base, reference=past)
    verdicts += training_verdicts(
        settings.training, model, base, candidate.python, timeout=settings.timeout
    )
    verdicts.append(_answers(candidate, answers[0]))
    signature = signature_gate(candidate.path, champion.path if champion else None)
    if (shown := _as(settings.signature, signature)) is not None:
        verdicts.append(shown)
    if not answers[0].ok:
        return Judgement(tuple(verdicts), {})
    other = _held_against(champion, answers[1:])
    verdicts += judge(
        spec,
        candidate=answers[0],
        champion=other,
        data=data,
        target=model.target,
        ledger=ledger,
        task=model.task,
        candidate_id=candidate.name,
        workshop=_workshop(settings, base),
    )
    drawn = curves(answers[0], other, data, model.target, positive=model.positive)
    return Judgement(tuple(verdicts), drawn)


def _evaluate(
    settings: GateSettings,
    model: ModelSettings,
    data: Path,
    contenders: list[Contender],
    serving: Serving | None,
) -> list[Predictions]:
    """Let every contender answer for all held-out rows, each in a process of its own."""
    texts = " ".join(one.text for one in settings.conditions)
    timed = "latency" in texts or "memory" in texts

    def answers_of(one: Contender) -> Predictions:
        return evaluate(
            one.path,
            one.python(),
            data,
            model.target,
            task=model.task,
            timeout=settings.timeout,
            memory=(settings.memory_mb or (1 << 20)) * _MIB,
            latency_seconds=3.0 if timed else 0.3,
            serving=serving if timed else None,
        )

    # Two models that are timed on the same cores at the same time would slow each other down.
    with ThreadPoolExecutor(1 if timed else len(contenders)) as pool:
        return list(pool.map(answers_of, contenders))


def _workshop(settings: GateSettings, base: Path) -> Workshop:
    python, memory = own_python(settings, base), settings.memory_mb or (1 << 20)
    return Workshop(base, python, min(settings.timeout, 120.0), memory * _MIB)


def _policy(text: str) -> Any:
    """Return one of the words that `ConditionSpec` takes; the settings have checked it."""
    return text


def _as(policy: str, verdict: Verdict) -> Verdict | None:
    """Return a verdict that blocks, only warns, or is not asked for."""
    if policy == "off":
        return None
    return verdict if policy == "block" else replace(verdict, blocking=False)


def _held_against(champion: Contender | None, answers: list[Predictions]) -> Predictions | None:
    if champion is None:
        return None
    (found,) = answers
    if found.ok:
        return found
    raise StateError(
        f"the champion ({champion.name}) gives no answers on the test set: {found.error}",
        code="gates.champion-fails",
        hint="a candidate cannot be compared with it; has the form of the test data changed? "
        "`penstock rollback`, or judge without comparing with the champion",
    )


def _answers(contender: Contender, found: Predictions) -> Verdict:
    """Say whether a model answered at all."""
    name = "candidate answers"
    if found.ok and not found.nonfinite:
        words = f"{contender.name} answered all {found.n:,} held-out rows"
        return Verdict(name, Outcome.PASSED, words, kind="evaluation")
    words = found.error or f"{found.nonfinite:,} of {found.n:,} answers are NaN or infinite"
    return Verdict(name, Outcome.FAILED, words, kind="evaluation")
