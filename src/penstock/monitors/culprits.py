"""A classifier that tells training rows from live rows: which features together give them away.

Where it cannot, nothing drifted that any combination of features shows. It takes more than counts,
so it is asked for, not run at every look, and needs scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import StateError
from penstock.monitors.drift import PREDICTION
from penstock.monitors.reference import Reference, columns_of

ROWS = 4000
"""Rows of each side, at most."""
FOLDS = 3


@dataclass(frozen=True, slots=True)
class Culprits:
    """What the classifier found.

    Attributes:
        auc: chance that it ranks a live row above a training row; 0.5 is "cannot tell".
        normal: the greatest such chance among comparisons of training rows with each other.
        shares: feature -> share of the classifier's skill that is lost when the feature is
            shuffled, the greatest first.
    """

    auc: float
    normal: float
    shares: dict[str, float]

    @property
    def drifted(self) -> bool:
        """Whether live rows can be told apart better than training rows from each other."""
        return self.auc > self.normal


def find(reference: Reference, train: Any, live: Any, *, seed: int = 0) -> Culprits:
    """Tell training rows from live rows.

    Args:
        reference: names the features.
        train: training rows as a DataFrame or columns, in their order.
        live: rows of a window.
        seed: of the draws.

    Raises:
        StateError: ``monitor.no-classifier`` without scikit-learn, ``monitor.too-few`` with fewer
            than 200 rows on a side.
    """
    names = [one for one in reference.features if one != PREDICTION]
    a, b = _codes(reference, names, train), _codes(reference, names, live)
    rng = np.random.default_rng(seed)
    # Contiguous blocks of the training data, as live rows are: shuffled rows look too much alike.
    count = min(ROWS, len(b), len(a) // 4)
    if count < 200:
        raise StateError(
            f"{min(len(a) // 4, len(b))} rows are too few to train a classifier on",
            code="monitor.too-few",
            hint="wait for a longer window, or give more training data",
        )
    now = b[-count:]
    before = a[np.sort(rng.choice(len(a), count, replace=False))]
    auc, shares = _skill(before, now, names, seed)
    normal = []
    for k in range(4):
        start = k * (len(a) - count) // 3
        block = a[start : start + count]
        others = np.concatenate([a[:start], a[start + count :]])
        chosen = others[np.sort(rng.choice(len(others), count, replace=False))]
        normal.append(_skill(chosen, block, names, seed, explain=False)[0])
    noise = float(np.sqrt((2 * count + 1) / (12.0 * count * count)))
    return Culprits(auc, min(max(*normal, 0.5) + 3.0 * noise, 1.0), shares)


def _codes(reference: Reference, names: list[str], table: Any) -> NDArray[np.float64]:
    """Return each feature as its cells: an order for numbers, a code for categories."""
    columns = dict(columns_of(table))
    length = max((len(one) for one in columns.values()), default=0)
    found = []
    for name in names:
        feature = reference.features[name]
        if name in columns:
            found.append(feature.cells.place(columns[name]).astype(np.float64))
        else:
            found.append(np.full(length, feature.cells.size - 1.0))
    return np.column_stack(found)


def _skill(
    before: NDArray[np.float64],
    now: NDArray[np.float64],
    names: list[str],
    seed: int,
    *,
    explain: bool = True,
) -> tuple[float, dict[str, float]]:
    """Return the cross-validated AUC, and what shuffling each feature costs of it."""
    try:
        from sklearn.ensemble import HistGradientBoostingClassifier
        from sklearn.metrics import roc_auc_score
        from sklearn.model_selection import StratifiedKFold
        from threadpoolctl import threadpool_limits
    except ImportError as error:
        raise StateError(
            "telling training from live rows needs scikit-learn",
            code="monitor.no-classifier",
            hint="pip install scikit-learn",
        ) from error
    rows = np.concatenate([before, now])
    label = np.repeat([0, 1], [len(before), len(now)])
    scores, lost = [], np.zeros(len(names))
    rng = np.random.default_rng(seed)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(rows, label)
    with threadpool_limits(1):  # for so few rows more threads cost more than they help
        for fit, held in folds:
            model = HistGradientBoostingClassifier(
                max_iter=50, max_leaf_nodes=15, random_state=seed
            ).fit(rows[fit], label[fit])
            skill = roc_auc_score(label[held], model.predict_proba(rows[held])[:, 1])
            scores.append(skill)
            for k in range(len(names) if explain else 0):
                shuffled = rows[held].copy()
                shuffled[:, k] = rng.permutation(shuffled[:, k])
                blind = roc_auc_score(label[held], model.predict_proba(shuffled)[:, 1])
                lost[k] += max(skill - blind, 0.0)
    total = lost.sum()
    order = np.argsort(-lost)
    shares = {names[k]: float(lost[k] / total) for k in order if total and lost[k] / total > 0.01}
    return float(np.mean(scores)), shares
