"""Leakage: features that give the target away, and rows or values from the future."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.gates.columns import MISSING, codes, is_numeric, numbers

GIVES_AWAY = 0.99
"""A single feature that ranks the target this well (area under the ROC curve) gives it away."""
_ROWS = 100_000
_SHOWN = 3


def target_leakage(
    frame: pd.DataFrame, target: str, *, ignore: Collection[str] = (), at_most: float = GIVES_AWAY
) -> Verdict:
    """Ask of each feature alone how well it tells the target.

    A feature is cut into bins, the mean target of each bin is learnt on every other row, and the
    rows in between are ranked by it: so an identifier gets no credit for being unique, and a code
    that is not in the order of the target is found as well.

    Args:
        frame: rows with the target; more than 100,000 are thinned evenly.
        target: the column that is predicted.
        ignore: columns that the model does not see.
        at_most: area under the ROC curve (one class against the rest), or for a measured target
            the absolute rank correlation, from which a feature is said to give it away.
    """
    name = f"no feature gives {target} away"
    rows = frame.iloc[:: max(1, len(frame) // _ROWS)]
    rows = rows[rows[target].notna()]
    wanted = _targets(rows[target])
    if len(rows) < 20 or not wanted:
        words = f"{len(rows)} rows with a target are too few to tell"
        return Verdict(name, Outcome.INCONCLUSIVE, words, kind="data-test", needs=20 - len(rows))
    power = {
        str(column): _power(rows[column], wanted)
        for column in rows.columns
        if column != target and column not in ignore
    }
    ranked = sorted(power.items(), key=lambda pair: -pair[1])
    bad = [(column, value) for column, value in ranked if value >= at_most]
    best, value = ranked[0] if ranked else ("none", 0.5)
    evidence = Evidence(
        f"best single feature: {best}",
        value,
        threshold=at_most,
        comparison="<",
        n=len(rows),
        method="single-feature AUC",
        details={"features": dict(ranked[:20])},
    )
    if bad:
        shown = ", ".join(f"{column} ({one:.4f})" for column, one in bad[:_SHOWN])
        return Verdict(
            name,
            Outcome.FAILED,
            f"the target can be told from one feature alone: {shown}",
            kind="data-test",
            evidence=(evidence,),
            hint="is it known before the prediction is made? If not, drop it",
        )
    words = f"the best single feature, {best}, reaches an area of {value:.3f} (below {at_most:g})"
    return Verdict(name, Outcome.PASSED, words, kind="data-test", evidence=(evidence,))


def time_leakage(
    train: pd.DataFrame, test: pd.DataFrame, column: str, *, ignore: Collection[str] = ()
) -> Verdict:
    """Ask whether the model was trained on rows, or sees values, from after its test began.

    Args:
        train, test: the rows.
        column: when each row happened.
        ignore: columns that the model does not see.
    """
    name = f"nothing comes from after {column}"
    missing = [what for what, rows in (("train", train), ("test", test)) if column not in rows]
    if missing:
        words = f"the {missing[0]} data has no column {column}"
        return Verdict(name, Outcome.ERROR, words, kind="data-test")
    before, after = _times(train[column]), _times(test[column])
    if not before.size or not after.size:
        words = f"{column} has no values to compare"
        return Verdict(name, Outcome.INCONCLUSIVE, words, kind="data-test")
    late = float(np.mean(before > np.nanmin(after)))
    future = {
        str(one): share
        for one in test.columns
        if one != column and one not in ignore and test[one].dtype.kind == "M"
        if (share := float((test[one] > test[column]).mean())) > 0
    }
    evidence = Evidence(
        "train rows later than the first test row",
        late,
        threshold=0.0,
        comparison="<",
        n=len(before),
        method="time",
        unit="ratio",
        details={"future_features": future},
    )
    faults = [f"{late:.1%} of the training rows are later than the first test row"] if late else []
    faults += [
        f"{one} lies after {column} in {share:.1%} of the rows" for one, share in future.items()
    ]
    if faults:
        hint = "split by time: everything before a date trains, everything after it tests"
        words = "; ".join(faults[:_SHOWN])
        return Verdict(
            name, Outcome.FAILED, words, kind="data-test", evidence=(evidence,), hint=hint
        )
    words = f"all {len(before):,} training rows are older than the {len(after):,} test rows"
    return Verdict(name, Outcome.PASSED, words, kind="data-test", evidence=(evidence,))


def _targets(target: pd.Series[Any]) -> list[NDArray[np.float64]]:
    """Return the target as numbers to rank by: itself, or one class against the rest."""
    distinct = target.unique()
    if is_numeric(target) and len(distinct) > 20:
        return [numbers(target)]
    if len(distinct) < 2:
        return []
    common = target.value_counts().index[:10]
    classes = common[:1] if len(distinct) == 2 else common
    return [(target == one).to_numpy(dtype=np.float64) for one in classes]


def _power(column: pd.Series[Any], wanted: list[NDArray[np.float64]]) -> float:
    """Return how well one feature ranks the target, at best."""
    found, _, names = codes(column, bins=50, most=1000)
    return max(_ranked(found, len(names) + 1, one) for one in wanted)


def _ranked(found: NDArray[np.int64], size: int, target: NDArray[np.float64]) -> float:
    learn = np.arange(len(target)) % 2 == 0
    scores = np.empty(len(target))
    for half in (learn, ~learn):
        place = found[half] - MISSING
        total = np.bincount(place, target[half], minlength=size)
        count = np.bincount(place, minlength=size)
        mean = float(target[half].mean())
        scores[~half] = ((total + mean) / (count + 1))[found[~half] - MISSING]
    return max(_rank(scores[half], target[half]) for half in (learn, ~learn))


def _rank(scores: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve, or for a measured target the rank correlation."""
    from scipy.stats import rankdata

    ranks = rankdata(scores)
    distinct = np.unique(target)
    if len(distinct) == 2:
        positive = target == distinct[1]
        count, rest = int(positive.sum()), int((~positive).sum())
        return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * rest))
    if len(distinct) < 2 or np.ptp(ranks) == 0:
        return 0.0
    return float(np.corrcoef(ranks, rankdata(target))[0, 1])


def _times(column: pd.Series[Any]) -> NDArray[np.float64]:
    known = column.dropna()
    if not is_numeric(known):
        known = pd.to_datetime(known, errors="coerce").dropna()
    return numbers(known)
