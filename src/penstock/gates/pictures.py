"""What a report draws of a candidate: confusion matrix, calibration, ROC, errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from penstock.gates.answers import Answers, Unmeasurable, same
from penstock.gates.bench import Bench
from penstock.gates.conditions import CANDIDATE, CHAMPION
from penstock.gates.predictions import Predictions
from penstock.gates.testset import TestSet
from penstock.stats import proportions

Floats = NDArray[np.float64]

_POINTS = 100
_BINS = 10
_MOST_CLASSES = 30
_ALPHA = 0.025


def curves(
    candidate: Predictions,
    champion: Predictions | None,
    data: Path | pd.DataFrame,
    target: str,
    *,
    positive: Any = None,
) -> dict[str, Any]:
    """Return what a report draws, as plain values.

    Returns:
        ``{"task", "n", "target", "classes", "positive", "models": {"candidate": {...},
        "champion": {...}}}``; each model with those of ``confusion`` (rows are true classes),
        ``roc`` (lists of false and true positive rates, at most 100 points), ``calibration``
        (bins with mean probability, share of positives and its 95% interval), ``scores``
        (histogram of the positive class's score), ``residuals`` (quantiles of the error and a
        histogram) that fit it.
    """
    tests = TestSet.read(data, target)
    bench = Bench(tests, candidate, champion, positive)
    classes = bench.classes
    told: dict[str, Any] = {
        "task": "regression" if classes is None else "classification",
        "n": tests.n,
        "target": target,
        "classes": None if classes is None else [str(one) for one in classes[:_MOST_CLASSES]],
        "positive": None if bench.positive is None else str(bench.positive),
        "models": {},
    }
    for name, predictions in ((CANDIDATE, candidate), (CHAMPION, champion)):
        if predictions is not None and predictions.ok:
            told["models"][name] = _model(bench.answers(name))
    return told


def _model(answers: Answers) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    if answers.classes is None:
        makers: dict[str, Callable[[Answers], Any]] = {"residuals": _residuals}
    else:
        makers = {"confusion": _confusion}
        if answers.positive is not None:
            makers |= {"roc": _roc, "calibration": _calibration, "scores": _scores}
    for name, make in makers.items():
        try:
            drawn[name] = make(answers)
        except Unmeasurable:
            continue  # a model without probabilities has no ROC curve: nothing is drawn
    return drawn


def _confusion(answers: Answers) -> list[list[int]]:
    assert answers.classes is not None
    classes = answers.classes[:_MOST_CLASSES]
    true = [same(answers.known, np.asarray(one)) for one in classes]
    told = [same(answers.labels, np.asarray(one)) for one in classes]
    return [[int((row & column).sum()) for column in told] for row in true]


def _roc(answers: Answers) -> dict[str, list[float]]:
    """Return at most 100 points of the curve, evenly spaced along it."""
    order = np.argsort(-answers.score, kind="stable")
    hits = answers.actual[order]
    ends = np.flatnonzero(np.diff(answers.score[order], append=np.nan) != 0)
    true = np.concatenate([[0], np.cumsum(hits)[ends]]) / max(1, int(hits.sum()))
    false = np.concatenate([[0], np.cumsum(~hits)[ends]]) / max(1, int((~hits).sum()))
    along = true + false
    wanted = np.linspace(0, along[-1], _POINTS)
    keep = np.unique(np.clip(np.searchsorted(along, wanted), 0, along.size - 1))
    return {"false_positive_rate": _round(false[keep]), "true_positive_rate": _round(true[keep])}


def _calibration(answers: Answers) -> list[dict[str, float]]:
    chance, actual = answers.probability, answers.actual
    place = np.minimum((chance * _BINS).astype(np.int64), _BINS - 1)
    bins = []
    for index in range(_BINS):
        rows = place == index
        n, hits = int(rows.sum()), int(actual[rows].sum())
        if n:
            low = proportions.lower(hits, n, _ALPHA)
            high = proportions.upper(hits, n, _ALPHA)
            mean = float(chance[rows].mean())
            bins.append({"predicted": mean, "seen": hits / n, "low": low, "high": high, "n": n})
    return bins


def _scores(answers: Answers) -> dict[str, list[float]]:
    edges = np.linspace(0, 1, 21)
    positive, _ = np.histogram(answers.probability[answers.actual], edges)
    negative, _ = np.histogram(answers.probability[~answers.actual], edges)
    return {"edges": _round(edges), "positive": positive.tolist(), "negative": negative.tolist()}


def _residuals(answers: Answers) -> dict[str, list[float]]:
    error = answers.numbers - answers.truth
    if not error.size:
        raise Unmeasurable("there are no rows")
    low, high = np.quantile(error, [0.005, 0.995])
    wide = max(float(high - low), 1e-9 * max(abs(float(low)), 1.0))
    if not np.isfinite(wide):
        raise Unmeasurable("the errors are too large to be drawn")
    counts, edges = np.histogram(np.clip(error, low, high), 30, (low, low + wide))
    shares = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
    quantiles = [float(one) for one in np.quantile(error, shares)]
    return {
        "edges": [float(one) for one in edges],
        "counts": counts.tolist(),
        "shares": shares,
        "quantiles": quantiles,
    }


def _round(values: Floats) -> list[float]:
    return [round(float(one), 5) for one in values]
