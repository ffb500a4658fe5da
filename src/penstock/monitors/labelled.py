"""Answers whose labels have become known, joined by request id, a slice of time at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from penstock.observations import Observations

_SLICE = 6 * 3600.0
_WANTED = ("request_id", "row", "time", "prediction")


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labels that became known, with the answers that they are about.

    Attributes:
        predictions, labels: arrays of numbers or texts, shape (rows,).
        times: of the requests, in seconds since the epoch, shape (rows,).
        known: labels that became known, with those about other versions or lost requests.
    """

    predictions: Any
    labels: Any
    times: Any
    known: int


def answered(
    observations: Observations, labels: Any, *, version: str, since: float, until: float
) -> Labelled:
    """Find the champion's answers that labels are about, newest first, and join them.

    Args:
        observations: the prediction log.
        labels: of `Observations.labels`.
        version: whose answers.
        since, until: when the requests may have been.
    """
    import numpy as np
    import pyarrow.compute as pc

    from penstock.observations.table import unified

    ids = labels["request_id"].combine_chunks()
    parts, found, end = [], 0, until
    while end > since and found < labels.num_rows:
        start = max(end - _SLICE, since)
        table = observations.read(
            start, end, version=version, role="champion", labels=False, columns=_WANTED
        )
        end = start
        if not table.num_rows:
            continue
        table = table.filter(pc.is_in(table["request_id"], value_set=ids))
        if table.num_rows:
            parts.append(table)
            found += table.num_rows
    if not parts:
        nothing = np.empty(0)
        return Labelled(nothing, nothing, nothing, labels.num_rows)
    joined = unified(parts).join(labels, ["request_id", "row"], join_type="inner")
    joined = joined.filter(pc.is_valid(joined["prediction"])).sort_by("time")
    return Labelled(
        joined["prediction"].to_numpy(),
        joined["label"].to_numpy(),
        joined["time"].to_numpy(),
        labels.num_rows,
    )
