"""Verdicts in words: what was found, how sure that is, and what a person can do about it."""

from __future__ import annotations

import math

from penstock.domain.verdict import Evidence
from penstock.gates.conditions import Clause, GateSpec
from penstock.gates.decision import Answer
from penstock.gates.estimates import APPROXIMATE, EXACT, FINITE, MEASURED
from penstock.gates.names import METRICS, OPTIONS

NO_CHAMPION = "no champion yet: nothing to compare with"

_TRUST = {
    EXACT: "exact",
    FINITE: "valid for any sample size",
    APPROXIMATE: "approximate: a large-sample method without a guarantee",
}


def unit_of(clause: Clause) -> str:
    """Return the unit of a clause: ``s``, ``bytes`` or "" for a plain number."""
    known = METRICS.get(clause.terms[0].metric)
    return known.unit if known is not None else ""


def number(value: float | None, unit: str = "") -> str:
    """Return a number as a person reads it.

    >>> number(0.71234), number(0.0123, "s"), number(48_200_000, "bytes"), number(-0.0000123)
    ('0.7123', '12.3 ms', '48.2 MB', '-1.23e-05')
    """
    if value is None or not math.isfinite(value):
        return "unknown"
    if unit == "s":
        for factor, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
            if abs(value) >= factor:
                return f"{value / factor:.3g} {name}"
        return f"{value:g} s"
    if unit == "bytes":
        for factor, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
            if abs(value) >= factor:
                return f"{value / factor:.3g} {name}"
        return f"{value:g} B"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:.5g}"
    return f"{value:.3g}"


def percent(reliability: float) -> str:
    """Return a probability in percent with as many digits as it needs.

    >>> percent(0.999), percent(0.95), percent(0.9999)
    ('99.9%', '95%', '99.99%')
    """
    return f"{100 * reliability:.10g}%"


def trust(guarantee: str, method: str) -> str:
    """Return the method with how far it can be trusted.

    >>> trust("exact", "clopper-pearson")
    'clopper-pearson, exact'
    """
    said = _TRUST.get(guarantee)
    return f"{method}, {said}" if said else method


def promise(spec: GateSpec) -> str:
    """Return the guarantee in words.

    >>> promise(GateSpec((), reliability=0.999, steps=32))
    '99.9% over 32 candidates'
    """
    return f"{percent(spec.reliability)} over {spec.steps} candidates"


def explain(
    clause: Clause,
    spec: GateSpec,
    evidence: Evidence,
    answer: Answer,
    needs: int | None,
    policy: str,
) -> str:
    """Return one or two sentences with the numbers of a verdict.

    Args:
        clause: what was asked.
        spec: the guarantee.
        evidence: what was found.
        answer: what the bounds say.
        needs: how many more rows would decide.
        policy: what an inconclusive verdict does.
    """
    unit = evidence.unit
    value, threshold = number(evidence.value, unit), number(clause.threshold, unit)
    guarantee = str(evidence.details.get("guarantee", ""))
    if guarantee == MEASURED:
        relation = "above" if (evidence.value or 0) > clause.threshold else "not above"
        if clause.comparison == "<":
            relation = "below" if (evidence.value or 0) < clause.threshold else "not below"
        return f"{evidence.name} is {value}, {relation} {threshold} (measured)"
    if evidence.value is None:
        return f"{evidence.name} cannot be known: no rows to measure it on"
    interval = f"between {number(evidence.low, unit)} and {number(evidence.high, unit)}"
    rows = evidence.details.get("unit_of_n", "rows")
    found = f"{evidence.name} is {value} on {evidence.n:,} {rows}"
    if "clipped_at" in evidence.details:
        found += f", each cut off at {number(float(evidence.details['clipped_at']), unit)}"
    sure = f"{promise(spec)}, {trust(guarantee, evidence.method)}"
    side = "above" if clause.comparison == ">" else "below"
    other = "below" if clause.comparison == ">" else "above"
    if answer is Answer.HOLDS:
        bound = evidence.low if clause.comparison == ">" else evidence.high
        edge = "at least" if clause.comparison == ">" else "at most"
        return f"{found}, surely {side} {threshold}: {edge} {number(bound, unit)} ({sure})"
    if answer is Answer.BROKEN:
        bound = evidence.high if clause.comparison == ">" else evidence.low
        edge = "at most" if clause.comparison == ">" else "at least"
        return f"{found}, surely {other} {threshold}: {edge} {number(bound, unit)} ({sure})"
    if answer is Answer.NEAR:
        reached = f"within the asked precision of {number(clause.tolerance)}, "
        reached = reached if clause.tolerance is not None else ""
        then = "counts as no" if spec.mode == "fp-free" else "counts as yes"
        return (
            f"{found}: {interval} ({sure}), {reached}which cannot be told from {threshold}; "
            f"in mode {spec.mode} that {then}"
        )
    more = (
        f"about {needs:,} more labelled rows would decide" if needs else "more rows will not help"
    )
    allowed = {"pass": "; the policy lets it pass", "warn": "; the policy only warns"}
    return f"{found}: {interval} ({sure}), which does not settle {side} {threshold}; {more}" + (
        allowed.get(policy, "")
    )


def unproven(clause: Clause, spec: GateSpec, evidence: Evidence) -> str:
    """Return the words for an answer that only a large-sample method gives."""
    unit = evidence.unit
    side = (
        "above" if clause.comparison == ">" else "below",
        "below" if clause.comparison == ">" else "above",
    )
    seen = side[0] if spec.mode == "fp-free" else side[1]
    return (
        f"{evidence.name} is {number(evidence.value, unit)} on {evidence.n:,} rows: between "
        f"{number(evidence.low, unit)} and {number(evidence.high, unit)}, {seen} "
        f"{number(clause.threshold, unit)}, but only by {evidence.method}, a large-sample method "
        f"that cannot promise {percent(spec.reliability)}"
    )


def stated(clause: Clause) -> str:
    """Return how a clause can be written so that there is a method that keeps the promise."""
    allow = "let large-sample methods count: `gates: {approximate: allow}`"
    for term in clause.terms:
        if "clip" in OPTIONS.get(term.metric, ()):
            call = f"{term.metric}(clip=...)"
            return f"say what one row can count for at most, {call} or gates.clip; or {allow}"
        if term.metric == "r2":
            return (
                f"r2 > c is mse < (1 - c) * the variance: `{term.model}.mse(clip=...) < "
                f"0.2 * mean.mse(clip=...)`; or {allow}"
            )
        if ":" in term.metric:
            return f"return one number per row, and say its range: low=..., high=...; or {allow}"
    return f"take a metric with an exact interval (docs: conditions); or {allow}"


def remedy(clause: Clause, needs: int | None) -> str | None:
    """Return what a person can do about an inconclusive verdict."""
    if needs is None:
        return "loosen the threshold, or take a metric that is less noisy"
    if clause.tolerance is None:
        return f"label about {needs:,} more rows, or move the threshold"
    return f"label about {needs:,} more rows, or allow a larger tolerance after +/-"
