"""Nouns of the condition language: what a user wrote, understood.

    candidate.roc_auc - champion.roc_auc > -0.005 +/- 0.005 on slice carrier=*
    └──── term ─────┘   └──── term ────┘ │ └─ threshold   └ tolerance    └ slice
    └────────────────────────────── one clause ─────────────────────────────────┘

A `Condition` is one or more clauses joined by ``and``; a clause is a linear expression held
against a threshold. `GateSpec` is all conditions of a project with the guarantee they share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from penstock.errors import Span

Argument = str | float
Policy = Literal["block", "pass", "warn"]
Mode = Literal["fp-free", "fn-free"]

CANDIDATE = "candidate"
CHAMPION = "champion"
BASELINES = ("baseline", "majority", "prior", "mean", "median", "last")
"""Trivial models; ``baseline`` is the one that fits the task."""
MODELS = (CANDIDATE, CHAMPION, *BASELINES)


@dataclass(frozen=True, slots=True)
class Term:
    """One measured quantity of an expression.

    Attributes:
        model: whose: one of `MODELS`; both models at once for ``changed``.
        metric: name of the metric, or ``module:function``.
        args, options: what stands in the brackets: ``ndcg(query, k=10)``.
        weight: the factor before it, with its sign.
        column: where it stands in the text of the condition, from 1.
    """

    model: str
    metric: str
    args: tuple[Argument, ...] = ()
    options: tuple[tuple[str, Argument], ...] = ()
    weight: float = 1.0
    column: int = 1

    def option(self, name: str, default: Argument | None = None) -> Argument | None:
        """Return a named argument."""
        return dict(self.options).get(name, default)

    @property
    def words(self) -> str:
        """The term as one would write it, without its weight."""
        inside = [str(one) for one in self.args] + [f"{k}={v}" for k, v in self.options]
        call = f"({', '.join(inside)})" if inside else ""
        return (
            self.metric + call if self.metric == "changed" else f"{self.model}.{self.metric}{call}"
        )


@dataclass(frozen=True, slots=True)
class Slice:
    """Rows that a clause is about: ``carrier=*, origin="JFK"``; None stands for each value.

    Attributes:
        parts: (column of the test data, wanted value as text or None).
    """

    parts: tuple[tuple[str, str | None], ...]

    @property
    def words(self) -> str:
        """The slice as one would write it."""
        return ", ".join(f"{name}={'*' if value is None else value}" for name, value in self.parts)


@dataclass(frozen=True, slots=True)
class Clause:
    """A linear expression held against a threshold.

    Attributes:
        terms: the sum of ``weight * term``.
        comparison: ``>`` or ``<``.
        threshold: in seconds and bytes where the terms are.
        tolerance: the half width of the interval that the user asked for, None when not given.
        slice: the rows it is about; None is all.
        text: as written, with single spaces, without the slice.
        column: where it begins in the text of the condition, from 1.
    """

    terms: tuple[Term, ...]
    comparison: str
    threshold: float
    tolerance: float | None
    slice: Slice | None
    text: str
    column: int = 1

    @property
    def words(self) -> str:
        """The left side as one would write it."""
        parts: list[str] = []
        for term in self.terms:
            size = abs(term.weight)
            sign = "-" if term.weight < 0 else "+"
            shown = term.words if size == 1 else f"{size:g} * {term.words}"
            if parts:
                parts.append(f"{sign} {shown}")
            else:
                parts.append(f"-{shown}" if sign == "-" else shown)
        return " ".join(parts)

    def needs(self, model: str) -> bool:
        """Whether a model takes part."""
        return any(term.model == model or (term.metric == "changed") for term in self.terms)


@dataclass(frozen=True, slots=True)
class Condition:
    """Clauses that must all hold.

    Attributes:
        text: as written.
        clauses: in the order of the text.
        span: where the text begins in the user's file.
    """

    text: str
    clauses: tuple[Clause, ...]
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class ConditionSpec:
    """One entry of ``gates:``.

    Attributes:
        text: the condition.
        span: where it begins in penstock.yaml.
        inconclusive: what an inconclusive verdict does: block, pass, or pass with a warning.
        name: what to call it in reports; by default its text.
    """

    text: str
    span: Span | None = None
    inconclusive: Policy = "block"
    name: str | None = None


@dataclass(frozen=True, slots=True)
class GateSpec:
    """All conditions of a project, and the guarantee that they share.

    Attributes:
        conditions: in the order of the file.
        reliability: probability, over all steps, that no candidate passes a condition that does
            not hold (``fp-free``), or none fails one that does hold (``fn-free``).
        mode: which of the two mistakes the reliability is about.
        adaptivity: what later candidates may learn from earlier verdicts: ``none``,
            ``firstChange``, ``full`` or ``passes(B)``.
        steps: candidates that one test set may judge.
        slices: columns; a condition on rows must not be surely broken on any of their values.
        positive: the class that counts as positive; by default the last one.
        clip: metric name to the level at which its unbounded loss is cut off.
        min_rows: slices with fewer rows are put together as "other".
        max_slices: more values of a column than this are an error.
        approximate: ``refuse``: a verdict of the guarded kind that rests on a large-sample method
            is inconclusive; ``allow``: it counts.
    """

    conditions: tuple[ConditionSpec, ...]
    reliability: float = 0.999
    mode: Mode = "fp-free"
    adaptivity: str = "none"
    steps: int = 32
    slices: tuple[str, ...] = ()
    positive: str | int | float | bool | None = None
    clip: Mapping[str, float] = field(default_factory=dict)
    min_rows: int = 1
    max_slices: int = 1000
    approximate: str = "refuse"
