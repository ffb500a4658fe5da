"""What a retraining was expected to gain at the gate, and what it gained in production."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Sequence
from typing import Any

from penstock.assembly import STATE, Project
from penstock.domain.verdict import Verdict
from penstock.triggers.inbox import RETRAINING

_DIFFERENCE = re.compile(r"candidate\.(\w+)\s*-\s*champion\.(\w+)")
_LOSSES = re.compile(r"loss|error|mae|mse|brier|latency|memory", re.IGNORECASE)
_BESIDE = 1.0
"""Seconds within which answers are to the same requests."""
_ANSWERS = ("request_id", "row", "time", "version", "prediction")
_FRESH = 30 * 86_400.0
"""Seconds after its end in which a retraining's gain still changes as labels come in, at least; or
four times the delay of labels that the project expects."""
_PERIODS = 20
"""Of a rollout in which each version answers a part: the versions are compared within each."""
ENOUGH = 30
"""Labelled rows of each version, below which nothing is said about a realised gain."""


def predicted(verdicts: Sequence[Verdict]) -> dict[str, Any] | None:
    """Return the first comparison of candidate and champion; positive is better.

    Returns:
        ``metric``, ``gain``, ``low``, ``high``; None when no gate compared the two.
    """
    for verdict in verdicts:
        for one in verdict.evidence:
            match = _DIFFERENCE.search(one.name)
            if match is None or one.value is None or match[1] != match[2]:
                continue
            sign = -1.0 if _LOSSES.search(match[1]) else 1.0
            bounds = [None if end is None else sign * end for end in (one.low, one.high)]
            low, high = bounds if sign > 0 else reversed(bounds)
            return {"metric": match[1], "gain": sign * one.value, "low": low, "high": high}
    return None


def realised(project: Project, record: dict[str, Any]) -> dict[str, Any] | None:
    """Compare a retraining's version with the one before it on labelled traffic.

    In shadow both answer the same rows, which are compared one by one; without a shadow step,
    what they answered at the same times while traffic was split. Positive is better: accuracy for
    classes, the negative of the mean squared error for probabilities, of the mean absolute error
    for numbers.

    Returns:
        ``metric``, ``gain``, its standard ``error`` as if rows were independent, ``rows`` and
        ``before``; None as long as too few labels are known.
    """
    rollout = project.journal.get("rollout", record.get("rollout") or "")
    if rollout is None or not rollout.value.get("champion"):
        return None
    from penstock.observations import Observations

    value = rollout.value
    until = record["finished"] + _BESIDE if record.get("finished") else math.inf
    log = Observations(project.root / STATE / "observations")
    table = log.read(value["started"], until, columns=_ANSWERS)
    if "label" not in table.column_names or not table.num_rows:
        return None
    new, old = value["challenger"]["version"], value["champion"]["version"]
    frame = table.select(["request_id", "row", "time", "version", "prediction", "label"])
    frame = frame.to_pandas().dropna()
    frame["version"] = frame["version"].astype(str)
    metric, frame["score"] = _scores(frame, project.settings.model.task)
    return _gain(metric, frame[frame["version"] == new], frame[frame["version"] == old])


def _gain(metric: str, new: Any, old: Any) -> dict[str, Any] | None:
    """Return by how much one version's answers are better than another's.

    Args:
        metric: name of the scores.
        new, old: ``request_id``, ``row``, ``time`` and ``score`` of the answers of each.
    """
    names = ["request_id", "row"]
    pairs = new.drop_duplicates(names).merge(old.drop_duplicates(names), on=names)
    if len(pairs) >= ENOUGH:
        # In shadow both answered the same rows: nothing but the versions differs.
        apart = pairs["score_x"] - pairs["score_y"]
        told = {"gain": float(apart.mean()), "error": float(apart.std()) / math.sqrt(len(pairs))}
        return {"metric": metric, **told, "rows": len(pairs), "before": len(pairs)}
    # Only while both answered: the world of later rows is one that the old version never met.
    both = old["time"].max() + _BESIDE
    new, old = (side[side["time"] <= both] for side in (new, old))
    if min(len(new), len(old)) < ENOUGH:
        return None
    found = _by_periods(new, old)
    if found is None:
        return None
    error = math.hypot(*(float(side["score"].std()) / math.sqrt(len(side)) for side in (new, old)))
    told = {"gain": found, "error": error}
    return {"metric": metric, **told, "rows": len(new), "before": len(old)}


def _by_periods(new: Any, old: Any) -> float | None:
    """Return the mean difference of scores within short periods; None when they never met.

    The share of a new version grows while a rollout goes on. Compared over all of it, a harder
    last day would count against the new version alone.
    """
    import numpy as np
    import pandas as pd

    rows = pd.concat([new.assign(new=1), old.assign(new=0)]).sort_values("time", kind="stable")
    period = np.arange(len(rows)) * _PERIODS // len(rows)
    of = rows.groupby([period, "new"])["score"].agg(["mean", "size"])
    before, after = (of.xs(side, level=1) for side in (0, 1))
    weights = (before["size"] * after["size"] / (before["size"] + after["size"])).dropna()
    if weights.empty:
        return None
    return float(((after["mean"] - before["mean"]) * weights).sum() / weights.sum())


def _scores(rows: Any, task: str | None) -> tuple[str, Any]:
    """Return what an answer is measured by, and the score of each row; more is better."""
    import pandas as pd

    labels, predictions = (
        pd.to_numeric(rows[name], errors="coerce") for name in ("label", "prediction")
    )
    whole = labels.dropna()
    classes = task == "classification" or (
        task is None and (len(whole) < len(labels) or bool((whole % 1 == 0).all()))
    )
    if classes and predictions.notna().all() and bool(((predictions % 1) != 0).any()):
        # Probabilities: the Brier score tells more than where they fall around a half.
        return "brier", -((predictions - labels) ** 2)
    if not classes:
        return "mae", -(predictions - labels).abs()
    if labels.notna().all() and predictions.notna().all():
        return "accuracy", (labels == predictions).astype(float)
    same = rows["prediction"].astype(str) == rows["label"].astype(str)
    return "accuracy", same.astype(float)


def refresh(project: Project) -> None:
    """Bring the realised gains of promoted retrainings up to date, in their records."""
    for one in project.journal.records(RETRAINING):
        record = one.value
        if record.get("outcome") != "promoted" or _settled(project, record):
            continue
        newer = realised(project, record)
        known = record.get("realised") or {}
        if newer is None or newer == {name: known.get(name) for name in newer}:
            continue
        with project.journal.transaction() as tx:
            kept = {**newer, "measured": time.time()}
            tx.put(RETRAINING, one.id, {**record, "realised": kept, "gained": newer["gain"] > 0})


def _settled(project: Project, record: dict[str, Any]) -> bool:
    """Whether a gain is known, and so old that no more labels are expected."""
    longest = max(_FRESH, 4.0 * project.settings.monitor.quality.label_delay)
    known = record.get("realised")
    return bool(known) and time.time() - float(record["finished"]) > longest


def summary(project: Project) -> list[dict[str, Any]]:
    """Return all retrainings, newest first, with what they were to gain and what they gained."""
    names = ("id", "started", "finished", "reason", "outcome", "words", "version", "rollout")
    rows = []
    found = [one.value for one in project.journal.records(RETRAINING)]
    for value in sorted(found, key=lambda one: one["started"], reverse=True):
        row = {name: value.get(name) for name in names}
        row |= {name: value.get(name) for name in ("predicted", "realised", "rows", "window")}
        row["kinds"] = sorted({one["kind"] for one in value["requests"]})
        row["search"] = value.get("found")
        row["phase"] = value["phase"]
        rows.append(row)
    return rows
