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

    Both are looked at in the time since the rollout began: while traffic is split, and in shadow,
    they answer the same world. Positive is better: accuracy for classes, the negative of the mean
    absolute error for numbers.

    Returns:
        ``metric``, ``gain``, ``rows`` and ``before``; None as long as too few labels are known.
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
    frame = table.select(["time", "version", "prediction", "label"]).to_pandas().dropna()
    # Only while both answered: the world of later rows is one that the old version never met.
    both = frame[frame["version"].astype(str) == old]["time"].max()
    frame = frame[frame["time"] <= both + _BESIDE]
    sides = [frame[frame["version"].astype(str) == name] for name in (new, old)]
    if min(len(side) for side in sides) < ENOUGH:
        return None
    metric, scores = _scores(sides, project.settings.model.task)
    return {
        "metric": metric,
        "gain": scores[0] - scores[1],
        "rows": len(sides[0]),
        "before": len(sides[1]),
    }


def _scores(sides: Sequence[Any], task: str | None) -> tuple[str, list[float]]:
    import pandas as pd

    def numbers(column: Any) -> Any:
        return pd.to_numeric(column, errors="coerce")

    labels = pd.concat([side["label"] for side in sides])
    predictions = numbers(pd.concat([side["prediction"] for side in sides]))
    whole = numbers(labels).dropna()
    classes = task == "classification" or (
        task is None and (len(whole) < len(labels) or bool((whole % 1 == 0).all()))
    )
    if classes and predictions.notna().all() and bool(((predictions % 1) != 0).any()):
        # Probabilities: the Brier score tells more than where they fall around a half.
        found = [
            float(((numbers(s["prediction"]) - numbers(s["label"])) ** 2).mean()) for s in sides
        ]
        return "brier", [-one for one in found]
    if classes:
        return "accuracy", [_agreement(side) for side in sides]
    found = [float((numbers(s["prediction"]) - numbers(s["label"])).abs().mean()) for s in sides]
    return "mae", [-one for one in found]


def _agreement(side: Any) -> float:
    import pandas as pd

    numbers = [pd.to_numeric(side[name], errors="coerce") for name in ("prediction", "label")]
    if all(one.notna().all() for one in numbers):
        return float((numbers[0] == numbers[1]).mean())
    return float((side["prediction"].astype(str) == side["label"].astype(str)).mean())


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
