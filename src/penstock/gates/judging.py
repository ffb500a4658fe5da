"""The judge: conditions and predictions in, verdicts out; equal input gives equal verdicts."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.errors import ConfigError, Problem
from penstock.gates import budget, wording
from penstock.gates.answers import Unmeasurable
from penstock.gates.bench import Bench
from penstock.gates.combine import combine
from penstock.gates.composed import Remembered
from penstock.gates.conditions import (
    CHAMPION,
    Clause,
    Condition,
    ConditionSpec,
    GateSpec,
    Slice,
)
from penstock.gates.custom import Workshop
from penstock.gates.decision import Answer, decide, passes, rows_needed, unproven
from penstock.gates.estimates import Estimate
from penstock.gates.language import parse
from penstock.gates.ledger import Ledger, fingerprint, verdict_on_rows
from penstock.gates.names import METRICS
from penstock.gates.predictions import Predictions
from penstock.gates.sketch import Sketch
from penstock.gates.slicing import slices_of
from penstock.gates.testset import TestSet
from penstock.stats.multiple import step_down

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Case:
    """One clause on one slice.

    Attributes:
        spec: the entry of ``gates:`` that it comes from.
        clause: what is asked.
        where: the slice in words, "" for all rows.
        estimate: what was measured, None when it could not be.
        reason: why not.
        rows: how many rows the slice has.
        watched: whether it only watches a slice: it stops nothing unless it is surely broken.
    """

    spec: ConditionSpec
    clause: Clause
    where: str
    estimate: Estimate | None
    reason: str = ""
    watched: bool = False
    rows: int = 0

    def holds(self, alpha: float) -> bool:
        """Whether the clause surely holds at a level."""
        assert self.estimate is not None
        if self.clause.comparison == ">":
            return self.estimate.lower(alpha) > self.clause.threshold
        return self.estimate.upper(alpha) < self.clause.threshold

    def broken(self, alpha: float) -> bool:
        """Whether the clause surely does not hold at a level."""
        assert self.estimate is not None
        if self.clause.comparison == ">":
            return self.estimate.upper(alpha) < self.clause.threshold
        return self.estimate.lower(alpha) > self.clause.threshold


def understand(spec: GateSpec) -> list[Condition]:
    """Parse all conditions.

    Raises:
        ConfigError: with the problems of all of them.
    """
    found: list[Condition] = []
    problems: list[Problem] = []
    for one in spec.conditions:
        try:
            found.append(parse(one.text, span=one.span))
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError.of(problems)
    return found


def judge(
    spec: GateSpec,
    *,
    candidate: Predictions,
    champion: Predictions | None,
    data: Path | pd.DataFrame,
    target: str,
    ledger: Ledger | None = None,
    task: str | None = None,
    candidate_id: str = "candidate",
    positive: Any = None,
    root: Path | None = None,
    workshop: Workshop | None = None,
) -> tuple[Verdict, ...]:
    """Put every condition to a candidate.

    Args:
        spec: the conditions and the guarantee that they share.
        candidate: its predictions on the test set.
        champion: its predictions on the same rows, None when there is no champion yet.
        data: the test set: a parquet or CSV file, or a frame.
        target: its column that is predicted.
        ledger: where the use of the test set is written down; None keeps no account.
        task: ``classification`` or ``regression``; by default what the candidate answers with.
        candidate_id: what the candidate is called, for the ledger.
        positive: the class that counts as positive; by default `spec.positive`, else the last.
        root: directory that ``module:function`` is imported from; the current one by default.
        workshop: the same, with an interpreter and limits.

    Returns:
        One verdict per condition, and per slice of it; with a ledger, one on the test set first.

    Raises:
        ConfigError: when a condition is wrong or names a column that is not there.
        StateError: when the test data cannot be read.
    """
    conditions = understand(spec)
    budget.level(spec)  # an unknown adaptivity is told before anything is read
    wrong = {
        "classification": candidate.classes is None,
        "regression": candidate.classes is not None,
    }
    if candidate.ok and wrong.get(task or "", False):
        kind = "numbers" if candidate.classes is None else "classes"
        words = f"the task is {task}, but the candidate answers with {kind}"
        return (Verdict("candidate answers", Outcome.ERROR, words, kind="evaluation"),)
    if not candidate.ok:
        words = f"the candidate could not be evaluated: {candidate.error}"
        return (Verdict("candidate answers", Outcome.ERROR, words, kind="evaluation"),)
    tests = _read(data, target, spec, conditions)
    if tests.n == 0:
        words = "the test data has no rows: there is nothing to judge by"
        return (Verdict("candidate answers", Outcome.ERROR, words, kind="evaluation"),)
    chosen = spec.positive if positive is None else positive
    bench = Bench(
        tests,
        candidate,
        champion,
        chosen,
        clip=spec.clip,
        workshop=workshop or Workshop(root or Path.cwd()),
    )
    if ledger is None:
        return _all(bench, spec, conditions, champion is not None)
    answers = fingerprint(
        (candidate.labels, candidate.scores, champion.labels if champion else None),
        (target, repr(replace(spec, conditions=())), *(one.text for one in spec.conditions)),
    )
    name = data if isinstance(data, Path) else Path("frame")
    account = ledger.begin(name, Sketch.of(data), candidate_id, answers)
    verdicts = _all(bench, spec, conditions, champion is not None)
    ledger.finish(account, answers, passed=not any(one.stops for one in verdicts))
    return (verdict_on_rows(account, spec), *verdicts)


def _all(
    bench: Bench, spec: GateSpec, conditions: Sequence[Condition], has_champion: bool
) -> tuple[Verdict, ...]:
    cases: list[Case] = []
    for entry, condition in zip(spec.conditions, conditions, strict=True):
        for clause in condition.clauses:
            cases += _cases(bench, spec, entry, clause, has_champion=has_champion)
    return _verdicts(cases, spec, budget.level(spec))


def _read(
    data: Path | pd.DataFrame, target: str, spec: GateSpec, conditions: Sequence[Condition]
) -> TestSet:
    """Read the test set; a column that is not there is told where a condition names it."""
    try:
        return TestSet.read(data, target, _columns(spec, conditions))
    except ConfigError as error:
        for one in spec.conditions:
            for word in _columns(replace(spec, slices=()), [parse(one.text, span=one.span)]):
                if error.message.endswith(f"no column {word!r}"):
                    raise _placed(error, one, word) from error
        raise


def _placed(error: ConfigError, entry: ConditionSpec, word: str) -> ConfigError:
    """Return an error of a condition with the place of a word in it."""
    span, at = entry.span, entry.text.rfind(word)
    if span is None or error.span is not None or at < 0:
        return error
    start = span.column + at
    place = replace(span, column=start, end_column=start + len(word))
    return ConfigError(error.message, code=error.code, hint=error.hint, span=place)


def _columns(spec: GateSpec, conditions: Sequence[Condition]) -> list[str]:
    names = [one.partition("=")[0] for one in spec.slices]
    for condition in conditions:
        for clause in condition.clauses:
            names += [name for name, _ in clause.slice.parts] if clause.slice else []
            for term in clause.terms:
                known = METRICS.get(term.metric)
                if known is not None and known.kind in {"fairness", "ranking"}:
                    names.append(str(term.args[0]))
    return names


def _cases(
    bench: Bench, spec: GateSpec, entry: ConditionSpec, clause: Clause, *, has_champion: bool
) -> list[Case]:
    if clause.needs(CHAMPION) and not has_champion:
        return [Case(entry, clause, "", None, wording.NO_CHAMPION)]
    try:
        parts = bench.parts(clause)
    except Unmeasurable as error:
        return [Case(entry, clause, "", None, str(error))]
    places: list[tuple[str, Rows | None, bool]] = []
    if clause.slice is None:
        places.append(("", None, False))
        for text in spec.slices if _on_rows(clause) else ():
            column, _, value = text.partition("=")
            if column in _grouped_by(clause):
                continue  # a gap between groups is nothing within one of them
            found = slices_of(bench.tests, Slice(((column, value or None),)), spec)
            places += [(words, rows, True) for words, rows in found]
    else:
        try:
            found = slices_of(bench.tests, clause.slice, spec)
        except ConfigError as error:
            wrong = [value for _, value in clause.slice.parts if value is not None]
            named = [one for one in wrong if error.message.endswith(f"={one}")]
            raise _placed(error, entry, (named or [clause.slice.parts[0][0]])[0]) from error
        places += [(words, rows, False) for words, rows in found]
    quick = len(places) > 24
    cases = []
    for words, rows, watched in places:
        try:
            estimate: Estimate | None = Remembered(combine(parts, rows, quick=quick))
            reason = ""
        except Unmeasurable as error:
            estimate, reason = None, str(error)
        size = bench.tests.n if rows is None else int(rows.size)
        cases.append(Case(entry, clause, words, estimate, reason, watched, size))
    return cases


def _grouped_by(clause: Clause) -> set[str]:
    fair = (term for term in clause.terms if term.metric in METRICS)
    return {str(term.args[0]) for term in fair if METRICS[term.metric].kind == "fairness"}


def _on_rows(clause: Clause) -> bool:
    return all(
        term.metric not in METRICS or METRICS[term.metric].kind != "cost" for term in clause.terms
    )


def _verdicts(cases: Sequence[Case], spec: GateSpec, alpha: float) -> tuple[Verdict, ...]:
    measured = [
        case for case in cases if case.estimate is not None and math.isfinite(case.estimate.value)
    ]
    tests: list[Callable[[float], bool]] = [case.broken for case in measured]
    broken = {
        id(case) for case, said in zip(measured, step_down(tests, alpha), strict=True) if said
    }
    family = max(1, len(measured))
    return tuple(
        _verdict(case, spec, alpha, family, surely_broken=id(case) in broken) for case in cases
    )


def _verdict(
    case: Case, spec: GateSpec, alpha: float, family: int, *, surely_broken: bool
) -> Verdict:
    clause, estimate = case.clause, case.estimate
    name = (case.spec.name or clause.text) + (f" on slice {case.where}" if case.where else "")
    if estimate is None:
        if case.reason == wording.NO_CHAMPION:
            evidence = Evidence(clause.words, threshold=clause.threshold, n=0, method="none")
            return Verdict(name, Outcome.PASSED, wording.NO_CHAMPION, evidence=(evidence,))
        return Verdict(name, Outcome.ERROR, f"cannot be measured: {case.reason}")
    rising = clause.comparison == ">"
    near_side, far_side = alpha, alpha / family
    low = estimate.lower(near_side if rising else far_side)
    high = estimate.upper(far_side if rising else near_side)
    evidence = _evidence(case, estimate, spec, alpha, low, high)
    answer = decide(low, high, clause.comparison, clause.threshold, clause.tolerance, spec.mode)
    if not math.isfinite(estimate.value):
        answer = Answer.UNKNOWN  # nothing was seen: that never counts as a pass
    elif surely_broken:
        answer = Answer.BROKEN
    yes = passes(answer, spec.mode)
    refused = spec.approximate == "refuse" and unproven(answer, estimate.guarantee, spec.mode)
    needs = None
    if yes is None:
        needs = rows_needed(estimate, clause, spec.mode, near_side, far_side, case.rows)
    words = wording.explain(clause, spec, evidence, answer, needs, case.spec.inconclusive)
    if refused and not case.watched:
        yes = None
        words = wording.unproven(clause, spec, evidence)
    if yes is not None:
        return Verdict(name, Outcome.PASSED if yes else Outcome.FAILED, words, evidence=(evidence,))
    if case.spec.inconclusive == "pass":
        return Verdict(name, Outcome.PASSED, words, evidence=(evidence,), needs=needs)
    blocking = case.spec.inconclusive == "block" and not case.watched
    return Verdict(
        name,
        Outcome.INCONCLUSIVE,
        words,
        evidence=(evidence,),
        blocking=blocking,
        needs=needs,
        hint=wording.stated(clause) if refused else wording.remedy(clause, needs),
    )


def _evidence(
    case: Case, estimate: Estimate, spec: GateSpec, alpha: float, low: float, high: float
) -> Evidence:
    clause = case.clause
    return Evidence(
        clause.words,
        value=estimate.value if math.isfinite(estimate.value) else None,
        low=low if math.isfinite(low) else None,
        high=high if math.isfinite(high) else None,
        threshold=clause.threshold,
        comparison=clause.comparison,
        n=estimate.n,
        method=estimate.method,
        unit=wording.unit_of(clause),
        details={
            "guarantee": estimate.guarantee,
            "reliability": spec.reliability,
            "alpha": alpha,
            "tolerance": clause.tolerance,
            "slice": case.where or None,
            **estimate.details,
        },
    )
