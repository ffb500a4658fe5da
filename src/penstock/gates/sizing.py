"""How many rows a set of conditions needs, before anyone labels them.

For each condition the sizes by the methods of ease.ml/ci (Renggli et al. 2019) stand beside ours:
the rows at which the interval of the judge's own method is as narrow as ``+/-`` asks for, at the
values that one expects. Both keep the same reliability over the same steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.errors import UsageError
from penstock.gates import budget
from penstock.gates.conditions import CHAMPION, Clause, Condition, ConditionSpec, GateSpec
from penstock.gates.estimates import Estimate
from penstock.gates.language import parse
from penstock.gates.planning import Expectation, expected
from penstock.stats import samplesize

HOEFFDING = "hoeffding"
BENNETT = "bennett"
BINOMIAL = "binomial"
OURS = "penstock"

_MOST = 1e9


@dataclass(frozen=True, slots=True)
class SizeLine:
    """The sizes of one condition.

    Attributes:
        condition: as written.
        rows: method to rows, all labelled unless `labels` says otherwise; rounded up.
        labels: labels per candidate where only rows need one on which the models differ.
        method: of ours, in words; "" where no tolerance says how precise it has to be.
        note: what was assumed, or why there is no size.
    """

    condition: str
    rows: dict[str, int]
    labels: int | None = None
    method: str = ""
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class SizeReport:
    """The sizes of all conditions.

    Attributes:
        lines: one per condition.
        reliability, steps, adaptivity: the promise.
        models: how many models the error is shared by.
        alpha: error of one judgement of one model.
    """

    lines: tuple[SizeLine, ...]
    reliability: float
    steps: int
    adaptivity: str
    models: int
    alpha: float

    @property
    def rows(self) -> dict[str, int]:
        """Rows for all conditions together, by method: the largest of each."""
        found: dict[str, int] = {}
        for line in self.lines:
            for method, rows in line.rows.items():
                found[method] = max(found.get(method, 0), rows)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        return {**item, "lines": [line.to_dict() for line in self.lines], "rows": self.rows}


def size(
    conditions: GateSpec | Sequence[str | ConditionSpec],
    *,
    reliability: float = 0.999,
    steps: int = 32,
    adaptivity: str = "none",
    expectation: Expectation | None = None,
) -> SizeReport:
    """Return how many rows a set of conditions needs.

    Args:
        conditions: texts, entries of ``gates:``, or a whole specification, whose reliability,
            steps and adaptivity then count.
        reliability: ``1 - delta`` over all steps.
        steps: candidates that the test set judges.
        adaptivity: ``none``, ``firstChange``, ``passes(B)`` or ``full``.
        expectation: what one expects of the models and the data; sensible values by default.

    Raises:
        ConfigError: for a condition that cannot be understood.

    >>> report = size(["n - o > -0.01 +/- 0.01"], reliability=0.9999, adaptivity="full")
    >>> report.rows["hoeffding"], report.rows["bennett"], report.rows["penstock"]
    (641684, 66274, 57549)
    """
    if isinstance(conditions, GateSpec):
        spec = conditions
    else:
        entries = tuple(
            one if isinstance(one, ConditionSpec) else ConditionSpec(one) for one in conditions
        )
        spec = GateSpec(entries, reliability, adaptivity=adaptivity, steps=steps)
    alpha = budget.level(spec)
    wanted = expectation or Expectation()
    lines = tuple(_line(parse(one.text, span=one.span), alpha, wanted) for one in spec.conditions)
    count = budget.models(spec.adaptivity, spec.steps)
    return SizeReport(lines, spec.reliability, spec.steps, spec.adaptivity, count, alpha)


def sample_size(
    text: str,
    *,
    reliability: float,
    steps: int,
    adaptivity: str = "none",
    method: str = HOEFFDING,
    disagree: float | None = None,
) -> int:
    """Return the rows of one condition by one of ease.ml/ci's methods.

    Args:
        text: the condition; each clause needs a tolerance.
        reliability, steps, adaptivity: the promise.
        method: ``hoeffding``, ``bennett`` or ``binomial``.
        disagree: share of rows on which the models differ, for ``bennett``; by default the
            threshold of the clause on ``d``.

    Raises:
        UsageError: ``gates.no-size`` when the method does not fit the condition.

    >>> sample_size("n > 0.8 +/- 0.05", reliability=0.9999, steps=32, adaptivity="full")
    6279
    >>> sample_size("d < 0.1 +/- 0.01 and n - o > 0.02 +/- 0.01", reliability=0.9999, steps=32,
    ...             method="bennett")
    29048
    """
    spec = GateSpec((), reliability, adaptivity=adaptivity, steps=steps)
    found = paper_sizes(parse(text), budget.level(spec), disagree)
    if method not in found:
        raise UsageError(
            f"no size by {method!r} for {text!r}",
            code="gates.no-size",
            hint="hoeffding and binomial need +/- in each clause; bennett a difference of shares",
        )
    return found[method]


def paper_sizes(
    condition: Condition, alpha: float, disagree: float | None = None
) -> dict[str, int]:
    """Return the rows that ease.ml/ci's methods need; clauses share `alpha` as in the paper."""
    clauses = condition.clauses
    if any(one.tolerance is None for one in clauses):
        return {}
    shared = alpha / len(clauses)
    rows = max(_hoeffding(one, shared) for one in clauses)
    found = {HOEFFDING: math.ceil(rows)}
    flips = [one for one in clauses if [t.metric for t in one.terms] == ["changed"]]
    gaps = [one for one in clauses if _is_gap(one)]
    if len(gaps) == 1 and len(gaps) + len(flips) == len(clauses):
        # Two stages spend half of the error on "the models differ on less than p"; alone, the
        # share of differing rows is taken from unlabelled rows (sections 4.1 and 4.2).
        p = disagree if disagree is not None else (flips[0].threshold if flips else None)
        tolerance = gaps[0].tolerance
        if p and tolerance and p < 1:
            split = 4 if flips else 2
            found[BENNETT] = math.ceil(samplesize.bennett(tolerance, alpha / split, p))
    if len(clauses) == 1 and len(clauses[0].terms) == 1 and abs(clauses[0].terms[0].weight) == 1:
        tolerance = clauses[0].tolerance
        if tolerance is not None and tolerance < 1 and rows < 1e6:
            found[BINOMIAL] = samplesize.exact_proportion(tolerance, alpha)
    return found


def _hoeffding(clause: Clause, delta: float) -> float:
    assert clause.tolerance is not None
    weights = [term.weight for term in clause.terms]
    return samplesize.hoeffding_sum(weights, clause.tolerance, delta)


def _is_gap(clause: Clause) -> bool:
    weights = sorted(term.weight for term in clause.terms)
    return len(weights) == 2 and weights[0] == -weights[1] and clause.needs(CHAMPION)


def _line(condition: Condition, alpha: float, wanted: Expectation) -> SizeLine:
    rows: dict[str, int] = {}
    if all(expected(one, wanted).bounded for one in condition.clauses):
        part = min(expected(one, wanted).part for one in condition.clauses)
        rows = paper_sizes(condition, alpha, wanted.disagree)
        rows = {method: math.ceil(count / part) for method, count in rows.items()}
    ours, methods, notes, labels = 0, [], [], 0
    for clause in condition.clauses:
        plan = expected(clause, wanted)
        notes += [plan.note] if plan.note else []
        if clause.tolerance is None or plan.estimate is None:
            notes += ["without +/- there is no size to plan"] if plan.estimate is not None else []
            continue
        estimate = plan.estimate
        needed = rows_for(estimate, clause.tolerance, alpha)
        if needed is None:
            notes.append("not even a thousand million rows are enough")
            continue
        ours = max(ours, needed)
        methods.append(estimate.method)
        if _is_gap(clause) and plan.bounded:  # models that agree on a class need no label there
            labels = max(labels, math.ceil(needed * wanted.disagree))
    if ours:
        rows = {**rows, OURS: ours}
    note = "; ".join(dict.fromkeys(notes))
    words = ", ".join(dict.fromkeys(methods))
    return SizeLine(condition.text, rows, labels or None, words, note)


def rows_for(estimate: Estimate, tolerance: float, alpha: float) -> int | None:
    """Return the rows, to a percent, at which half the interval is at most `tolerance`.

    >>> from penstock.gates.estimates import Proportion
    >>> rows_for(Proportion(900, 1000), 0.02, 0.001 / 32) in range(3630, 3700)
    True
    """

    def radius(rows: float) -> float:
        seen = estimate.scaled(rows / estimate.n)
        return (seen.upper(alpha) - seen.lower(alpha)) / 2

    # A radius falls like one over the root of n, soon enough: jump there, then close in.
    rows = 1000.0
    for _ in range(8):
        wide = radius(rows)
        if wide <= 0:
            return 1
        jump = (wide / tolerance) ** 2
        rows = min(max(rows * jump, 1.0), _MOST)
        if abs(jump - 1) < 0.05:
            break
    low, high = rows / 1.05, rows * 1.05
    while radius(high) > tolerance:
        low, high = high, high * 1.5
        if high > _MOST:
            return None
    while low > 1 and radius(low) <= tolerance:
        low, high = low / 1.5, low
    while high / low > 1.01 and high - low > 1:
        middle = math.sqrt(low * high)
        low, high = (middle, high) if radius(middle) > tolerance else (low, middle)
    return math.ceil(high)


def paper_table(
    reliabilities: Sequence[float] = (0.99, 0.999, 0.9999, 0.99999),
    tolerances: Sequence[float] = (0.1, 0.05, 0.025, 0.01),
    *,
    steps: int = 32,
) -> list[dict[str, Any]]:
    """Return the table of ease.ml/ci's figure 2, with our sizes beside it.

    F1 is ``n > c``, F2 ``n - o > c``; F3 and F4 are alike. Ours plan for a share of 0.9, and for
    models that differ on 10% of the rows.

    >>> row = paper_table([0.9999], [0.05])[0]
    >>> row["f1_none"], row["f1_full"], row["f2_none"], row["f2_full"]
    (2536, 6279, 10696, 25668)
    """
    rows = []
    for reliability in reliabilities:
        for tolerance in tolerances:
            row: dict[str, Any] = {"reliability": reliability, "tolerance": tolerance}
            for name, left, threshold in (("f1", "n", 0.9), ("f2", "n - o", 0.0)):
                clause = parse(f"{left} > {threshold} +/- {tolerance}").clauses[0]
                plan = expected(clause, Expectation(disagree=0.1)).estimate
                for adaptivity in ("none", "full"):
                    spec = GateSpec((), reliability, adaptivity=adaptivity, steps=steps)
                    alpha = budget.level(spec)
                    row[f"{name}_{adaptivity}"] = math.ceil(_hoeffding(clause, alpha))
                    if plan is not None:
                        row[f"{name}_{adaptivity}_ours"] = rows_for(plan, tolerance, alpha)
            rows.append(row)
    return rows


def with_conditions(spec: GateSpec, texts: Sequence[str]) -> GateSpec:
    """Return a specification with other conditions under the same promise."""
    return replace(spec, conditions=tuple(ConditionSpec(one) for one in texts))
