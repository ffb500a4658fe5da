"""Verdicts: the answer of a gate, an analysis or a monitor, with its evidence.

Gate, analysis and monitor are one shape, before, during and after a rollout: evidence in,
verdict out. *Inconclusive* holds and asks; it neither passes nor fails.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


class Outcome(enum.StrEnum):
    """What a verdict says, from good to bad in the order of `worst`."""

    PASSED = "passed"
    INCONCLUSIVE = "inconclusive"
    FAILED = "failed"
    ERROR = "error"

    @staticmethod
    def worst(outcomes: Iterable[Outcome]) -> Outcome:
        """Return the worst outcome; of none at all, *inconclusive*: no verdict from no data.

        >>> Outcome.worst([Outcome.PASSED, Outcome.INCONCLUSIVE])
        <Outcome.INCONCLUSIVE: 'inconclusive'>
        >>> Outcome.worst([])
        <Outcome.INCONCLUSIVE: 'inconclusive'>
        """
        order = list(Outcome)
        ranked = sorted(outcomes, key=order.index)
        return ranked[-1] if ranked else Outcome.INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class Evidence:
    """One number that a verdict rests on, with its uncertainty and what it is held against.

    Attributes:
        name: what was measured, such as ``candidate.roc_auc - champion.roc_auc``.
        value: the point estimate; None where nothing could be measured.
        low, high: confidence bounds on `value`; None is unbounded or unknown.
        threshold: what the bounds are held against.
        comparison: ``>``, ``<`` or ``""`` for a number that is only reported.
        n: number of rows or requests behind the number.
        method: the name of the statistical method, such as ``clopper-pearson``.
        unit: ``s``, ``bytes``, ``ratio`` and so on, for display.
        details: whatever else explains the number (counts, p-value, e-value, slice).
    """

    name: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    comparison: str = ""
    n: int | None = None
    method: str = ""
    unit: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Evidence:
        """Read what `to_dict` wrote."""
        return cls(**item)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Outcome and evidence.

    Attributes:
        name: a stable name without numbers that change, such as ``candidate.roc_auc > 0.65``.
        outcome: what was decided.
        words: why, in one or two sentences with the numbers.
        kind: who asked: ``condition``, ``stage-test``, ``data-test``, ``scan``, ``analysis``,
            ``drift``, ``quality`` and so on.
        evidence: the numbers behind it.
        blocking: whether a bad outcome stops the loop here (a warning does not).
        needs: how many more rows or requests would decide an inconclusive verdict.
        hint: what a person can do about it.
        seconds: how long it took to find out.
    """

    name: str
    outcome: Outcome
    words: str
    kind: str = "condition"
    evidence: tuple[Evidence, ...] = ()
    blocking: bool = True
    needs: int | None = None
    hint: str | None = None
    seconds: float | None = None

    @property
    def stops(self) -> bool:
        """Whether the loop must not go on past this verdict."""
        return self.blocking and self.outcome is not Outcome.PASSED

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["outcome"] = self.outcome.value
        item["evidence"] = [one.to_dict() for one in self.evidence]
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Verdict:
        """Read what `to_dict` wrote."""
        evidence = tuple(Evidence.from_dict(one) for one in item["evidence"])
        return cls(**{**item, "outcome": Outcome(item["outcome"]), "evidence": evidence})
