"""Whatever a model answers and a test set holds: verdicts or an error in words, no traceback."""

from __future__ import annotations

import contextlib
import warnings

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import PenstockError
from penstock.gates import ConditionSpec, GateSpec, curves, judge
from penstock.gates.names import METRICS, SKLEARN
from penstock.gates.predictions import Predictions

ARGUMENTS = {
    **dict.fromkeys(("ndcg", "mrr", "map"), "(part)"),
    **dict.fromkeys(("precision_at", "recall_at", "hit_rate"), "(part, 2)"),
    **{name: "(part)" for name, one in METRICS.items() if one.kind == "fairness"},
    "within": "(1)",
    "mae": "(clip=3)",
}
NAMES = sorted((set(METRICS) | SKLEARN) - {"changed"})
UNITS = {"s": "s", "bytes": "MB"}

TARGETS = {
    "whole": lambda rng, n: rng.integers(0, 2, n),
    "text": lambda rng, n: rng.choice(["no", "yes"], n),
    "truth": lambda rng, n: rng.random(n) < 0.5,
    "three": lambda rng, n: rng.choice(["a", "b", "c"], n),
    "one": lambda _rng, n: np.ones(n, dtype=int),
    "number": lambda rng, n: rng.normal(size=n),
    "missing": lambda rng, n: np.where(rng.random(n) < 0.3, np.nan, rng.integers(0, 2, n)),
    "gaps": lambda rng, n: np.array(
        [None if one < 0.3 else "yes" for one in rng.random(n)], object
    ),
    "days": lambda rng, n: pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 9, n), "D"),
    "huge": lambda rng, n: rng.normal(size=n) * 1e300,
    "category": lambda rng, n: pd.Categorical(rng.choice(["no", "yes"], n)),
    "odd": lambda _rng, n: np.array([1, "x", None, 2.5, True] * n, object)[:n],
}


def answers(rng, kind, n):
    """Return predictions of one kind: classes with scores, numbers, odd ones."""
    if kind == "number":
        values = rng.normal(size=n)
        return Predictions(True, None, values, values, None, n=n)
    if kind == "constant":
        return Predictions(True, None, np.zeros(n), np.zeros(n), None, n=n)
    if kind == "nan":
        values = np.full(n, np.nan)
        return Predictions(True, None, values, values, None, n=n)
    classes = {
        "classes": np.array([0, 1]),
        "texts": np.array(["no", "yes"]),
        "three": np.array(["a", "b", "c"]),
        "unseen": np.array(["never", "yes"]),
        "single": np.array([1]),
        "sure": np.array([0, 1]),
        "labels": np.array([False, True]),
    }[kind]
    scores = rng.dirichlet(np.ones(len(classes)), n) if n else np.zeros((0, len(classes)))
    if kind == "sure":
        scores = np.tile([0.0, 1.0], (n, 1))
    labels = classes[scores.argmax(axis=1)] if n else classes[:0]
    return Predictions(True, None, labels, None if kind == "labels" else scores, classes, n=n)


ANSWERS = ["number", "constant", "nan", "classes", "texts", "three", "unseen", "single", "sure"]


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 9),
    n=st.sampled_from([0, 1, 2, 5, 40, 300]),
    target=st.sampled_from(sorted(TARGETS)),
    new=st.sampled_from([*ANSWERS, "labels"]),
    old=st.sampled_from(["none", "same", *ANSWERS]),
    metrics=st.lists(st.sampled_from(NAMES), min_size=1, max_size=3),
    compared=st.booleans(),
    where=st.sampled_from(["", " on slice part=*", " on slice empty=*", " on slice day=*"]),
    mode=st.sampled_from(["fp-free", "fn-free"]),
)
def test_any_answers_to_any_rows_are_judged(
    seed, n, target, new, old, metrics, compared, where, mode
):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"y": TARGETS[target](rng, n)})
    frame["part"] = rng.choice(["a", "b", None], n)
    frame["empty"] = np.nan
    frame["day"] = pd.Timestamp("2013-01-01") + pd.to_timedelta(rng.integers(0, 3, n), "D")
    candidate = answers(rng, new, n)
    champion = None if old == "none" else candidate if old == "same" else answers(rng, old, n)
    texts: list[str] = []
    verdicts: tuple[Verdict, ...] = ()
    for name in metrics:
        call = name + ARGUMENTS.get(name, "")
        unit = UNITS.get(METRICS[name].unit, "") if name in METRICS else ""
        left = f"candidate.{call} - champion.{call}" if compared else f"candidate.{call}"
        texts.append(f"{left} > 0.1{unit}{where}")
    spec = GateSpec(tuple(ConditionSpec(one) for one in [*texts, "changed < 0.1"]), mode=mode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of scikit-learn, about answers that are odd on purpose
        with contextlib.suppress(PenstockError):  # told with its place, as a wrong slice is
            curves(candidate, champion, frame, "y")
            verdicts = judge(spec, candidate=candidate, champion=champion, data=frame, target="y")
            assert verdicts
    for one in verdicts:
        assert one.words
        assert "Traceback" not in one.words
        if n == 0 and one.outcome is Outcome.PASSED:
            assert "no champion" in one.words
