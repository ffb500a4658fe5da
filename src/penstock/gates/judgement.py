"""One candidate, all gates: scan, evaluate both models on the same rows, judge.

Nothing of a model is loaded before the scan has passed, and never in this process.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.domain.verdict import Outcome, Verdict
from penstock.gates.evaluation import evaluate
from penstock.gates.judge import GateSpec, curves, judge
from penstock.gates.ledger import Ledger
from penstock.gates.predictions import Predictions
from penstock.gates.scan import scan
from penstock.gates.signature import signature_gate


@dataclass(frozen=True, slots=True)
class Contender:
    """A model that is to be judged, or held against.

    Attributes:
        path: directory of the MLflow model.
        python: interpreter of its environment; asked for only after the scan has passed.
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


def judge_candidate(
    spec: GateSpec,
    candidate: Contender,
    champion: Contender | None,
    *,
    data: Path,
    target: str,
    ledger: Ledger,
    task: str | None = None,
) -> Judgement:
    """Ask every gate about a candidate.

    A model that crashes, hangs or takes too much memory is a failed verdict, not an error.

    Args:
        spec: conditions and guarantees.
        candidate: the model in question.
        champion: the one that serves now, None before the first deployment.
        data: held-out rows, parquet or csv.
        target: the column that is predicted.
        ledger: counts how often these rows have decided.
        task: ``classification``, ``regression`` or ``ranking``; None finds out.
    """
    scanned = scan(candidate.path)
    if scanned.stops:
        return Judgement((scanned,), {})
    contenders = [candidate] if champion is None else [candidate, champion]
    with ThreadPoolExecutor(len(contenders)) as pool:
        answers = list(
            pool.map(
                lambda one: evaluate(one.path, one.python(), data, target, task=task), contenders
            )
        )
    verdicts = [scanned, _answers(candidate, answers[0])]
    if champion is not None:
        verdicts.append(signature_gate(candidate.path, champion.path))
    if verdicts[1].stops:
        return Judgement(tuple(verdicts), {})
    other = answers[1] if len(answers) > 1 and answers[1].ok else None
    verdicts += judge(
        spec,
        candidate=answers[0],
        champion=other,
        data=data,
        target=target,
        ledger=ledger,
        task=task,
        candidate_id=candidate.name,
    )
    return Judgement(tuple(verdicts), curves(answers[0], other, data, target))


def _answers(contender: Contender, found: Predictions) -> Verdict:
    """Say whether a model answered at all."""
    if found.ok and not found.nonfinite:
        words = f"{contender.name} answered all {found.n:,} held-out rows"
        return Verdict("candidate answers", Outcome.PASSED, words, kind="evaluation")
    words = found.error or f"{found.nonfinite:,} of {found.n:,} answers are NaN or infinite"
    return Verdict("candidate answers", Outcome.FAILED, words, kind="evaluation")
