"""Skew between training and serving: the same row must get the same answer on both paths.

Rows of the training data are sent through the live endpoint, and given to the same model file at
rest. Where the answers differ, one feature after the other is set to its usual value on both
paths; the one whose change makes the answers agree is the one that serving reads differently. A
difference that no input changes, such as another intercept, is told without a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from penstock.config.settings import Settings
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.errors import StateError, UnavailableError
from penstock.journal import Journal
from penstock.monitors import origin
from penstock.monitors.reference import is_number, read_rows

ROWS = 50
"""Training rows that are replayed."""
_ASKED = 5
"""Rows whose difference is followed to a feature."""
_NAME = "training and serving agree"


class LiveEndpoint(Protocol):
    """Both paths to a model's answers.

    `served` goes the way that requests go, `offline` loads the same model file in a process of its
    own. Both return one answer per row, and raise `UnavailableError` when there is none to be had.
    """

    def ready(self) -> bool:
        """Tell whether both can be asked now."""

    def served(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the live answers."""

    def offline(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the answers of the model at rest."""


class SkewMonitor:
    """Replays training rows.

    Args:
        root: of the project.
        settings: of the project.
        journal: where the champion's training data is named.
        endpoint: both paths.
    """

    def __init__(
        self, root: Path, settings: Settings, journal: Journal, endpoint: LiveEndpoint
    ) -> None:
        self._root = root
        self._settings = settings
        self._journal = journal
        self._endpoint = endpoint

    def judge(self, version: str) -> Verdict | None:
        """Return whether both paths agree; None when the endpoint cannot be asked now."""
        if not self._endpoint.ready():
            return None
        name = f"{self._settings.model.name}/{version}"
        try:
            path, _, _ = origin.rows_of(self._root, self._settings, self._journal, name)
            table = read_rows(path)
        except StateError as error:
            return _verdict(Outcome.ERROR, error.message)
        inputs = origin.inputs_of(self._journal, name)
        model = self._settings.model
        skipped = {model.target, *model.id_columns}
        columns = [str(one) for one in table.columns if str(one) not in skipped]
        columns = [one for one in columns if not inputs or one in inputs]
        step = max(len(table) // ROWS, 1)
        sample = table[columns].iloc[::step].head(ROWS)
        usual = [_usual(table[one]) for one in columns]
        rows = [[_plain(v) for v in row] for row in sample.itertuples(index=False)]
        try:
            return compare(self._endpoint, columns, rows, usual)
        except UnavailableError as error:
            return _verdict(Outcome.ERROR, error.message)


def compare(
    endpoint: LiveEndpoint,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    usual: Sequence[Any],
) -> Verdict:
    """Compare both paths on some rows, and name the features that differ.

    Args:
        endpoint: both paths.
        columns: names of the features.
        rows: of the training data.
        usual: a usual value of each feature.
    """
    served, offline = endpoint.served(columns, rows), endpoint.offline(columns, rows)
    differ = [k for k, pair in enumerate(zip(served, offline, strict=True)) if not _same(*pair)]
    blamed = _blame(endpoint, columns, [rows[k] for k in differ[:_ASKED]], usual) if differ else {}
    evidence = Evidence(
        "answers that differ", float(len(differ)), threshold=0.0, comparison="<", n=len(rows),
        method="replay of training rows",
        details={
            "features": blamed,
            "examples": [{"served": served[k], "offline": offline[k]} for k in differ[:3]],
        },
    )  # fmt: skip
    if not differ:
        words = f"{len(rows)} rows of the training data get the same answer live as at rest"
        return _verdict(Outcome.PASSED, words, evidence)
    words = f"{len(differ)} of {len(rows)} rows of the training data get another answer live"
    shown = ", ".join(blamed)
    words += f"; what differs is {shown}" if blamed else "; no single feature explains it"
    return _verdict(Outcome.FAILED, words, evidence)


def _blame(
    endpoint: LiveEndpoint,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    usual: Sequence[Any],
) -> dict[str, int]:
    """Return how many of some rows agree once a feature has its usual value, the most first."""
    tries = [[*row[:k], usual[k], *row[k + 1 :]] for k in range(len(columns)) for row in rows]
    served, offline = endpoint.served(columns, tries), endpoint.offline(columns, tries)
    agree = [_same(a, b) for a, b in zip(served, offline, strict=True)]
    count = len(rows)
    sums = {name: sum(agree[k * count : (k + 1) * count]) for k, name in enumerate(columns)}
    most = max(sums.values(), default=0)
    ranked = sorted(sums.items(), key=lambda pair: -pair[1])
    return {name: value for name, value in ranked if value and value >= most / 2}


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(_same(x, y) for x, y in zip(a, b, strict=True))
    try:
        return bool(np.isclose(float(a), float(b), rtol=1e-4, atol=1e-6, equal_nan=True))
    except (TypeError, ValueError):
        return str(a) == str(b)


def _usual(column: Any) -> Any:
    known = column.dropna()
    if not len(known):
        return None
    return float(known.median()) if is_number(known) else _plain(known.mode().iloc[0])


def _plain(value: Any) -> Any:
    if value is None or value != value:  # noqa: PLR0124 - NaN alone is so
        return None
    return value.item() if hasattr(value, "item") else value


def _verdict(outcome: Outcome, words: str, evidence: Evidence | None = None) -> Verdict:
    hint = "compare how features are computed for training and for requests"
    return Verdict(
        _NAME, outcome, words, kind="skew", evidence=(evidence,) if evidence else (),
        blocking=False, hint=hint if outcome is Outcome.FAILED else None,
    )  # fmt: skip
