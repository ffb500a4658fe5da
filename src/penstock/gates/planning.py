"""What the judge would see at the values that one expects: estimates made of expectations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from penstock.gates.conditions import Clause
from penstock.gates.estimates import (
    MEASURED,
    Area,
    BoundedMean,
    Estimate,
    Fixed,
    PairedDifference,
    Proportion,
)
from penstock.gates.metrics import LOG_LOSS_CLIP
from penstock.gates.names import METRICS, OPTIONS
from penstock.stats.ranks import AreaSample
from penstock.stats.resampling import shuffled

_ROWS = 1_000_000
_SCORES = 20_000
_POSITIVE = frozenset({"recall", "false_negative_rate"})
_NEGATIVE = frozenset({"specificity", "false_positive_rate"})
_CALLED = frozenset({"precision", "f1", "jaccard"})
_SHARES = frozenset({"accuracy", "error_rate", "positive_rate", "top_k_accuracy", "within"})


@dataclass(frozen=True, slots=True)
class Expectation:
    """What one expects of the models and the data.

    Attributes:
        disagree: share of rows on which candidate and champion differ.
        positive: share of positive rows.
        area: of the ROC curve, where only a difference is asked about.
        spread: standard deviation of the log loss of one row.
    """

    disagree: float = 0.1
    positive: float = 0.25
    area: float = 0.75
    spread: float = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """An estimate as it would be seen, and what that rests on.

    Attributes:
        estimate: on a million rows; None when it cannot be planned.
        note: what was assumed, or why not.
        bounded: whether the paper's bounds for shares apply.
        part: share of the rows that the clause is about.
    """

    estimate: Estimate | None
    note: str = ""
    bounded: bool = False
    part: float = 1.0


def expected(clause: Clause, wanted: Expectation) -> Plan:
    """Return what the judge would see of a clause if its value were at the threshold."""
    metrics = {term.metric for term in clause.terms}
    weights = [term.weight for term in clause.terms]
    gap = len(weights) == 2 and weights[0] == -weights[1]
    if len(metrics) > 1 or not (gap or weights in ([1.0], [-1.0])):
        return Plan(None, "sums of different metrics are planned clause by clause only")
    name = metrics.pop()
    known = METRICS.get(name)
    if known is not None and known.kind == "cost":
        return Plan(Fixed(clause.threshold), "measured, needs no rows")
    if name == "roc_auc":
        return _area(clause, wanted, gap=gap)
    if name in {"log_loss", "brier_score"}:
        return _mean(name, wanted, gap=gap)
    if "clip" in OPTIONS.get(name, ()) and name != "bias":
        return _error(name, clause, wanted, gap=gap)
    shares = _SHARES | _POSITIVE | _NEGATIVE | _CALLED | {"changed"}
    if name not in shares:
        return Plan(None, f"{name} cannot be planned ahead")
    part = _part(name, wanted)
    note = "" if part == 1 else f"{part:.0%} of the rows count for {name}"
    if gap and name not in _CALLED:
        disagree = max(wanted.disagree, abs(clause.threshold) * 1.01)
        wins = (disagree + clause.threshold) / 2 * _ROWS * part
        losses = (disagree - clause.threshold) / 2 * _ROWS * part
        seen = PairedDifference(round(wins), round(losses), round(_ROWS * part))
        said = f"models that differ on {disagree:.0%} of the rows"
        return Plan(
            _Of(seen, part), "; ".join(one for one in (said, note) if one), bounded=True, part=part
        )
    share = min(max(clause.threshold, 0.0), 1.0)
    if gap:
        return Plan(None, f"a difference of {name} cannot be planned ahead")
    return Plan(
        _Of(Proportion(share * _ROWS * part, _ROWS * part), part), note, bounded=True, part=part
    )


def _part(name: str, wanted: Expectation) -> float:
    """Return the share of rows that a metric is about."""
    if name in _POSITIVE or name in _CALLED:
        return wanted.positive
    return 1 - wanted.positive if name in _NEGATIVE else 1.0


def _area(clause: Clause, wanted: Expectation, *, gap: bool) -> Plan:
    """Plan with normal scores, at their quantiles in the order of a fixed hash."""
    area = wanted.area if gap else min(max(clause.threshold, 0.5), 0.999)
    positives = max(1, min(round(_SCORES * wanted.positive), _SCORES - 1))
    labels = np.arange(_SCORES) < positives
    quantiles = np.concatenate([_normal(positives, 20), _normal(_SCORES - positives, 21)])
    scores = quantiles + np.sqrt(2) * ndtri(area) * labels
    parts = [(1.0, scores)]
    note = f"{wanted.positive:.0%} positive rows"
    if gap:
        # Two scores order this share of the pairs differently when so correlated.
        noise = np.tan(np.pi * min(wanted.disagree, 0.49)) * _normal(_SCORES, 22)
        parts.append((-1.0, scores + noise))
        note += f", scores that order {wanted.disagree:.0%} of the pairs differently"
    return Plan(Area(AreaSample.of(labels, parts)), note)


def _normal(n: int, number: int) -> NDArray[np.float64]:
    """Return the quantiles of the normal distribution, shuffled in a fixed way."""
    quantiles = ndtri((np.arange(n) + 0.5) / n)
    return np.asarray(quantiles[shuffled(n, number)], dtype=np.float64)


def _mean(name: str, wanted: Expectation, *, gap: bool) -> Plan:
    high = LOG_LOSS_CLIP if name == "log_loss" else 1.0
    spread = wanted.spread if name == "log_loss" else 0.25
    note = f"a standard deviation of {spread:g} per row"
    if gap:
        spread *= np.sqrt(wanted.disagree)
        note = f"a standard deviation of {spread:.2g} per row of the difference"
        values = np.array([-spread, spread])
        return Plan(BoundedMean(values, np.full(2, _ROWS / 2), -high, high, 0.0), note)
    values = np.array([0.0, 2 * spread])
    return Plan(BoundedMean(values, np.full(2, _ROWS / 2), 0.0, high, spread), note)


def _error(name: str, clause: Clause, wanted: Expectation, *, gap: bool) -> Plan:
    """Plan an error that is cut off: one row in two has twice the mean, as far as the clip goes."""
    clip = clause.terms[0].option("clip")
    if not isinstance(clip, float):
        return Plan(None, f"no number of rows bounds {name} without clip=")
    if name == "rmse":
        return Plan(None, "rmse is planned as mse, with the squares of threshold and clip")
    if gap:
        spread = clip / 4 * np.sqrt(wanted.disagree)
        values, low, value = np.array([-spread, spread]), -clip, 0.0
        note = f"a standard deviation of {spread:.3g} per row of the difference"
    else:
        value = min(max(clause.threshold, 0.0), clip)
        values, low = np.array([max(0.0, 2 * value - clip), min(2 * value, clip)]), 0.0
        note = f"errors of {values[0]:g} and {values[1]:g} as often"
    return Plan(BoundedMean(values, np.full(2, _ROWS / 2), low, clip, value), note)


@dataclass(frozen=True, slots=True)
class _Of:
    """An estimate on a part of the rows, counted in all rows."""

    inner: Estimate
    part: float
    guarantee: str = MEASURED

    @property
    def value(self) -> float:
        return self.inner.value

    @property
    def n(self) -> int:
        return round(self.inner.n / self.part)

    @property
    def method(self) -> str:
        return self.inner.method

    @property
    def details(self) -> dict[str, object]:
        return self.inner.details

    def lower(self, alpha: float) -> float:
        return self.inner.lower(alpha)

    def upper(self, alpha: float) -> float:
        return self.inner.upper(alpha)

    def scaled(self, factor: float) -> _Of:
        return _Of(self.inner.scaled(factor), self.part)
