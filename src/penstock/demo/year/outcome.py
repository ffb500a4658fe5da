"""What came of a replay, from the project's own stores: prediction log, journal, real labels."""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from penstock.demo import project as repository
from penstock.demo.year.replay import Offered, Replay
from penstock.domain.event import Event, EventType
from penstock.errors import StageError
from penstock.journal import Journal
from penstock.observations import Observations

NEVER, MONTHLY, PENSTOCK = "never", "monthly", "penstock"
POLICIES = (NEVER, MONTHLY, PENSTOCK)
WORDS = {
    NEVER: "never retrain",
    MONTHLY: "retrain monthly, no gates",
    PENSTOCK: "penstock",
}
CANARY = 0.25
"""Largest share of a day that a canary may have by the project's `rollout`."""
_SURE = 1e-6
"""Probabilities are kept this far from 0 and 1 in the log loss, for all policies alike."""


def outcome(replay: Replay) -> dict[str, Any]:
    """Return everything that is told of a replay, as plain values."""
    observations = Observations(replay.root / ".penstock" / "observations")
    served = _served(observations)
    scored = _scored(replay, served)
    with Journal(replay.root / ".penstock" / "journal.db") as journal:
        trained = [one.value for one in journal.records("retraining")]
        changes = list(journal.events(type=EventType.CHAMPION_CHANGED))
        stepped = list(journal.events(type=EventType.ROLLOUT_STEPPED))
        rollouts = {one.id: one.value for one in journal.records("rollout")}
        alarms = {
            "drift": _dated(journal, EventType.DRIFT_DETECTED),
            "decline": _dated(journal, EventType.QUALITY_DECLINED),
        }
    trained.sort(key=lambda one: one["started"])
    promoted = {str(one.data.get("version", "")) for one in changes}
    weights = _weights(stepped, rollouts)
    reasons = {
        one["challenger"]["version"]: str(one.get("reason") or "") for one in rollouts.values()
    }
    for one in replay.offered:
        if one.version and not one.stopped:
            one.stopped = [reasons.get(one.version, "")]
    months = sum(1 for day in sorted(set(scored["date"])) if day.endswith("-01")) - 1
    counts = {NEVER: 0, MONTHLY: max(months, 0), PENSTOCK: len(trained)}
    policies = {name: {**_losses(scored, name), "trainings": counts[name]} for name in POLICIES}
    sent = replay.sent.to_dict()
    return {
        "days": replay.options.days,
        "share": replay.options.share,
        "policies": policies,
        "trials": sum((one.get("found") or {}).get("trials", 0) for one in trained),
        "weeks": _weeks(scored),
        "retrainings": [_retraining(one) for one in trained],
        "champions": [
            {"date": _date(one.time), "version": str(one.data.get("version", ""))}
            for one in changes
        ],
        "alarms": alarms,
        "planted": [_planted(one, served, weights, promoted) for one in replay.offered],
        "traffic": {
            **sent,
            "rows": len(served),
            "logged_requests": int(served["request_id"].nunique()),
            "logged_labels": _labels(observations),
        },
        "seconds": {name: round(value, 1) for name, value in replay.seconds.items()},
    }


def holds(found: dict[str, Any]) -> dict[str, bool]:
    """Return what the year is to show, and whether it does."""
    mine, monthly = (found["policies"][one] for one in (PENSTOCK, MONTHLY))
    traffic = found["traffic"]
    return {
        "log loss at least as good as monthly retraining": mine["log_loss"] <= monthly["log_loss"],
        "Brier score at least as good as monthly retraining": mine["brier"] <= monthly["brier"],
        "fewer trainings than monthly retraining": mine["trainings"] < monthly["trainings"],
        "no request failed": traffic["failed"] == 0,
        "every answered request is in the prediction log": (
            traffic["logged_requests"] == traffic["requests"]
        ),
        "every acknowledged label is in the prediction log": (
            traffic["logged_labels"] == traffic["labels"]
        ),
        "no bad candidate served more than its canary share": all(
            one["largest_share"] <= CANARY and not one["promoted"] for one in found["planted"]
        ),
    }


def _served(observations: Observations) -> pd.DataFrame:
    """Return the rows that were answered to callers; copies are left out."""
    table = observations.read(labels=False)
    names = ["request_id", "row", "time", "version", "role", "code", "prediction"]
    frame: pd.DataFrame = table.select(names).to_pandas()
    frame = frame[(frame["role"] != "shadow") & (frame["code"] < 400)]
    return frame[frame["request_id"].str.startswith("flight-")]


def _scored(replay: Replay, served: pd.DataFrame) -> pd.DataFrame:
    """Return real labels with the answers of the three policies."""
    options = replay.options
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "rivals.parquet"
        words = [replay.root, options.share, options.together, options.days, target]
        done = subprocess.run(
            [sys.executable, "-m", "penstock.demo.year.rivals", *map(str, words)],
            env=repository.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise StageError(
                "the rivals could not be computed",
                code="demo.command-failed",
                log_tail=done.stderr.splitlines()[-15:],
            )
        rivals = pd.read_parquet(target)
    mine = served[["request_id", "row", "prediction", "version"]]
    mine = mine.rename(columns={"prediction": PENSTOCK})
    return rivals.merge(mine, on=["request_id", "row"], how="inner", validate="one_to_one")


def _losses(scored: pd.DataFrame, name: str) -> dict[str, Any]:
    surprise, square = _surprise(scored, name), (scored[name] - scored["late"]) ** 2
    return {
        "log_loss": round(float(surprise.mean()), 5),
        "brier": round(float(square.mean()), 5),
        "flights": len(scored),
    }


def _surprise(scored: pd.DataFrame, name: str) -> Any:
    chance = scored[name].clip(_SURE, 1.0 - _SURE)
    return -np.log(np.where(scored["late"] > 0.5, chance, 1.0 - chance))


def _weeks(scored: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the log loss of each policy, week by week, and what it gained since the start."""
    frame = pd.DataFrame({one: _surprise(scored, one) for one in POLICIES})
    day = pd.to_datetime(scored["date"].to_numpy())
    frame["week"] = (day - day.min()).days // 7
    first = day.min()
    sums = frame.groupby("week")[list(POLICIES)].agg(["mean", "sum"])
    gained = dict.fromkeys(POLICIES, 0.0)
    found = []
    for week, row in sums.iterrows():
        for one in POLICIES:
            gained[one] += float(row[NEVER, "sum"] - row[one, "sum"])
        found.append(
            {
                "date": str((first + pd.Timedelta(days=7 * int(str(week)))).date()),
                "log_loss": {one: round(float(row[one, "mean"]), 5) for one in POLICIES},
                "gained": {one: round(gained[one], 1) for one in POLICIES},
            }
        )
    return found


def _weights(stepped: Sequence[Event], rollouts: dict[str, Any]) -> dict[str, float]:
    """Return the highest weight that each version reached below all traffic, in percent."""
    found: dict[str, float] = {}
    for one in stepped:
        version = str(rollouts[one.subject]["challenger"]["version"])
        weight = float(one.data.get("weight") or 0.0)
        if weight < 100.0:
            found[version] = max(found.get(version, 0.0), weight)
    return found


def _planted(
    one: Offered, served: pd.DataFrame, weights: dict[str, float], promoted: set[str]
) -> dict[str, Any]:
    """Return what became of a bad candidate; its largest share is that of a day's answers."""
    mine = served[served["version"] == one.version] if one.version else served.iloc[:0]
    share = 0.0
    if len(mine):
        day = (served["time"] // 86_400).astype(int)
        of_day = served.groupby(day)["row"].size()
        share = float((mine.groupby(day)["row"].size() / of_day).max())
    return {
        "name": one.name,
        "date": str(one.date),
        "guard": one.guard,
        "version": one.version,
        "stopped": one.stopped,
        "served": len(mine),
        "largest_share": round(share, 4),
        "weight": weights.get(one.version, 0.0),
        "promoted": one.version in promoted,
    }


def _retraining(value: dict[str, Any]) -> dict[str, Any]:
    kinds = sorted({one["kind"] for one in value["requests"]})
    found = value.get("found") or {}
    return {
        "date": _date(value["started"]),
        "ended": _date(value["finished"]) if value["finished"] else None,
        "kinds": kinds,
        "outcome": value.get("outcome") or value["phase"],
        "words": value.get("words", ""),
        "version": value.get("version"),
        "rows": value.get("rows"),
        "params": found.get("params") or {},
        "predicted": value.get("predicted"),
        "realised": value.get("realised"),
    }


def _labels(observations: Observations) -> int:
    table = observations.read()
    if "label" not in table.column_names:
        return 0
    frame = table.select(["request_id", "row", "label"]).to_pandas().dropna()
    return len(frame.drop_duplicates(["request_id", "row"]))


def _dated(journal: Journal, kind: EventType) -> list[dict[str, Any]]:
    return [
        {"date": _date(one.time), "about": one.subject, "features": one.data.get("features", [])}
        for one in journal.events(type=kind)
    ]


def _date(moment: float) -> str:
    return str(datetime.fromtimestamp(math.floor(moment), UTC).date())


def table(found: dict[str, Any]) -> list[Sequence[str]]:
    """Return the comparison as rows of texts, the first is the head."""
    head = ("policy", "log loss", "Brier score", "trainings", "flights")
    rows: list[Sequence[str]] = [head]
    for name in POLICIES:
        one = found["policies"][name]
        rows.append(
            (
                WORDS[name],
                f"{one['log_loss']:.5f}",
                f"{one['brier']:.5f}",
                str(one["trainings"]),
                f"{one['flights']:,}",
            )
        )
    return rows
