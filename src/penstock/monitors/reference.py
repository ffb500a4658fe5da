"""The reference: how the champion's training data is distributed, and how much that scatters.

It is made once, from the very rows that the champion learnt from, and holds counts, not rows. To
know how much windows of live traffic may differ without any drift, the training data is cut into
contiguous blocks, and each is compared with the rest: rows that come in bursts, from the same
users or in the same hour make blocks scatter more than independent rows would. That factor is the
*design effect*. With fewer than twenty blocks it is not known, and the reference says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import StateError
from penstock.monitors.cells import Cells, Counts, as_floats, cells_from_dict, fit, is_number
from penstock.stats import distance

LEAST_BLOCKS = 20
LEAST_ROWS = 100
"""Rows of a block, at least."""
_MOST_BLOCKS = 320
_FORM = 1


@dataclass(frozen=True, slots=True)
class Effect:
    """Design effects of one feature at one size of window.

    Attributes:
        rows: of a block.
        blocks: that it was estimated from.
        spread: of the chi-squared statistic.
        trend: of the shift to one side; 1 for texts.
    """

    rows: int
    blocks: int
    spread: float
    trend: float


@dataclass(frozen=True)
class Feature:
    """One feature of the reference.

    Attributes:
        name: of the column.
        cells: that it is counted in.
        counts: rows of the reference per cell.
        places: mean of the values in each cell, for numbers.
        mean, deviation, low, high: of the values, for numbers.
        effects: for several sizes of window, the smallest first; empty: not calibrated.
    """

    name: str
    cells: Cells
    counts: Counts
    places: NDArray[np.float64] | None = None
    mean: float = 0.0
    deviation: float = 0.0
    low: float = 0.0
    high: float = 0.0
    effects: tuple[Effect, ...] = ()

    def effect(self, rows: int) -> Effect | None:
        """Return the design effects for a window of so many rows, None when not calibrated.

        Small blocks are many and say it precisely; large ones also feel what varies slowly. So a
        larger block's effect counts only where it is greater by more than its own noise.
        """
        if not self.effects:
            return None
        near = min(self.effects, key=lambda one: abs(np.log(one.rows / max(rows, 1))))
        spread, trend, blocks = 1.0, 1.0, self.effects[0].blocks
        free = max(len(self.counts) - 1, 1)
        for one in self.effects:
            if one.rows > near.rows:
                break
            if one.spread > spread * (1.0 + np.sqrt(2.0 / (one.blocks * free))):
                spread = one.spread
            if one.trend > trend * (1.0 + np.sqrt(2.0 / one.blocks)):
                trend, blocks = one.trend, one.blocks
        return Effect(near.rows, blocks, spread, trend)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        names = ("mean", "deviation", "low", "high")
        return {
            "name": self.name,
            "cells": self.cells.to_dict(),
            "counts": self.counts.tolist(),
            "places": None if self.places is None else self.places.tolist(),
            **{name: float(getattr(self, name)) for name in names},
            "effects": [[one.rows, one.blocks, one.spread, one.trend] for one in self.effects],
        }

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Feature:
        """Read what `to_dict` wrote."""
        places = item["places"]
        return cls(
            **{
                **item,
                "cells": cells_from_dict(item["cells"]),
                "counts": np.asarray(item["counts"], np.int64),
                "places": None if places is None else np.asarray(places, np.float64),
                "effects": tuple(Effect(*one) for one in item["effects"]),
            }
        )


@dataclass(frozen=True)
class Joint:
    """What principal components leave unexplained in the reference.

    Attributes:
        names: of the numeric features, in order.
        components: fitted on them.
        mean: of the rows' squared distances.
        deviation: of the mean over a block, scaled to one row (times the root of its rows).
        blocks: that the deviation was estimated from, 0: not calibrated.
        rows: that the mean was taken over; they were not fitted on.
    """

    names: tuple[str, ...]
    components: distance.Components
    mean: float
    deviation: float
    blocks: int
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        fitted = self.components
        parts = {"mean": fitted.mean, "scale": fitted.scale, "axes": fitted.axes}
        item: dict[str, Any] = {key: one.tolist() for key, one in parts.items()}
        names = ("names", "mean", "deviation", "blocks", "rows")
        return {"components": item, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Joint:
        """Read what `to_dict` wrote."""
        parts = {key: np.asarray(one, np.float64) for key, one in item["components"].items()}
        fitted = distance.Components(**parts)
        return cls(**{**item, "names": tuple(item["names"]), "components": fitted})


@dataclass(frozen=True)
class Reference:
    """How the champion's training data is distributed.

    Attributes:
        rows: that it was made from.
        features: by name.
        joint: of all numeric features together, None with fewer than two.
        source: of the rows, in words.
        digest: of the rows, "" when unknown.
    """

    rows: int
    features: dict[str, Feature] = field(default_factory=dict)
    joint: Joint | None = None
    source: str = "training data"
    digest: str = ""

    @property
    def calibrated(self) -> bool:
        """Whether it is known how much windows scatter without drift."""
        return all(one.effects for one in self.features.values())

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "form": _FORM,
            "rows": self.rows,
            "features": [one.to_dict() for one in self.features.values()],
            "joint": None if self.joint is None else self.joint.to_dict(),
            "source": self.source,
            "digest": self.digest,
        }

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Reference:
        """Read what `to_dict` wrote."""
        features = [Feature.from_dict(one) for one in item["features"]]
        joint = None if item["joint"] is None else Joint.from_dict(item["joint"])
        names = {one.name: one for one in features}
        return cls(item["rows"], names, joint, item["source"], item["digest"])


def build_reference(
    data: Path | Any,
    target: str = "",
    *,
    window: int = 5000,
    exclude: Collection[str] = (),
    only: Collection[str] = (),
    time_column: str | None = None,
    source: str = "training data",
    digest: str = "",
) -> Reference:
    """Make the reference of a model from the rows that it was trained on.

    Args:
        data: a Parquet or CSV file, a pandas DataFrame, or columns by name.
        target: column that the model does not see.
        window: rows of a window of live traffic.
        exclude: further columns that are no features.
        only: the features to watch; none of these means all.
        time_column: puts the rows into the order of time, which the blocks need.
        source, digest: of the rows.

    Raises:
        StateError: ``monitor.no-reference`` when the file cannot be read or has no rows.
    """
    table = read_rows(data) if isinstance(data, str | Path) else data
    if time_column and time_column in table:
        table = table.sort_values(time_column, kind="stable")
    skipped = {target, *exclude}
    features: dict[str, Feature] = {}
    rows = 0
    for name, column in columns_of(table):
        rows = max(rows, len(column))
        if name in skipped or (only and name not in only):
            continue
        made = _feature(name, column, window)
        if made is not None:
            features[name] = made
    if not rows or not features:
        raise StateError(
            "the reference of drift has no rows, or no feature with a value",
            code="monitor.no-reference",
            hint="model.train_data in penstock.yaml must name the rows that the model learnt from",
        )
    numeric = [name for name, one in features.items() if one.cells.kind == "number"]
    joint = _joint(table, numeric) if len(numeric) > 1 else None
    return Reference(rows, features, joint, source, digest)


def read_rows(path: Path | str) -> Any:
    """Read a Parquet or CSV file as a pandas DataFrame.

    Raises:
        StateError: ``monitor.no-reference``.
    """
    import pandas as pd

    path = Path(path)
    try:
        csv = path.suffix.lower() in {".csv", ".tsv", ".gz"}
        return pd.read_csv(path, sep=None, engine="python") if path.suffix == ".tsv" else (
            pd.read_csv(path) if csv else pd.read_parquet(path)
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise StateError(
            f"cannot read {path}: {str(error).splitlines()[0] if str(error) else error!r}",
            code="monitor.no-reference",
            hint="it must be a Parquet or CSV file with a column per feature",
        ) from error


def columns_of(table: Any) -> Iterator[tuple[str, Any]]:
    """Yield name and values of each column of a DataFrame, an arrow table or a mapping."""
    if isinstance(table, Mapping):
        yield from ((str(name), column) for name, column in table.items())
    elif hasattr(table, "column_names"):
        yield from ((str(name), table[name]) for name in table.column_names)
    else:
        yield from ((str(name), table[name]) for name in table.columns)


def _feature(name: str, column: Any, window: int) -> Feature | None:
    cells = fit(column, window)
    if cells is None:
        return None
    codes = cells.place(column)
    counts = np.bincount(codes, minlength=cells.size).astype(np.int64)
    number = cells.kind == "number"
    effects = tuple(_effects(codes, cells.size, number=number))
    if not number:
        return Feature(name, cells, counts, effects=effects)
    floats, _ = as_floats(column)
    known = np.isfinite(floats)
    values = floats[known]
    sums = np.bincount(codes[known], weights=values, minlength=cells.size)[:-1]
    inside = np.concatenate([[values.min()], cells.edges])  # type: ignore[union-attr]
    places = np.where(counts[:-1] > 0, sums / np.maximum(counts[:-1], 1), inside)
    facts = (float(values.mean()), float(values.std()), float(values.min()), float(values.max()))
    return Feature(name, cells, counts, places, *facts, effects=effects)


def _effects(codes: Counts, size: int, *, number: bool) -> Iterator[Effect]:
    """Yield the design effects for blocks of several sizes, the smallest first."""
    blocks = LEAST_BLOCKS
    if len(codes) < blocks * LEAST_ROWS:
        return
    while blocks * 2 <= _MOST_BLOCKS and len(codes) >= blocks * 2 * LEAST_ROWS:
        blocks *= 2
    rows = len(codes) // blocks
    block = np.repeat(np.arange(blocks), rows)
    counts = np.bincount(block * size + codes[: blocks * rows], minlength=blocks * size)
    table = counts.reshape(blocks, size).astype(np.float64)
    while blocks >= LEAST_BLOCKS:
        rough = _block_chi(table, 1.0) or 1.0
        # Where blocks hold one season each, no cells are left that are full enough for so great an
        # effect: the rough idea of it stands.
        spread = (_block_chi(table, rough) if rough > 1.1 else None) or rough
        trends = _block_trend(table[:, :-1]) if number else 1.0
        yield Effect(rows, blocks, round(float(spread), 4), round(float(trends), 4))
        table = table.reshape(blocks // 2, 2, size).sum(axis=1)
        blocks, rows = blocks // 2, rows * 2


def _block_chi(table: NDArray[np.float64], effect: float) -> float | None:
    """Return the design effect of chi-squared: each block against the rest of them.

    None where fewer than two cells have rows enough.

    Args:
        table: counts, shape (blocks, cells).
        effect: a first idea of it, for how many rows a cell needs.
    """
    total = table.sum(axis=0)
    least = distance.LEAST_EXPECTED * effect
    groups = distance.pool(total * (1 - 1 / len(table)), total / len(table), least=least)
    pooled = table @ (groups[:, None] == np.arange(groups.max() + 1))
    if pooled.shape[1] < 2:
        return None
    n = pooled.sum(axis=1, keepdims=True)
    rest = pooled.sum(axis=0) - pooled
    m = rest.sum(axis=1, keepdims=True)
    gap = rest * np.sqrt(n / m) - pooled * np.sqrt(m / n)
    statistics = (gap**2 / np.maximum(pooled.sum(axis=0), 1e-300)).sum(axis=1)
    return distance.design_effect(statistics, [pooled.shape[1] - 1] * len(table))


def _block_trend(table: NDArray[np.float64]) -> float:
    """Return the design effect of `distance.trend`, of all blocks at once: the pool is the same."""
    total = table.sum(axis=0)
    rows = total.sum()
    ridit = (np.cumsum(total) - total / 2.0) / rows
    variance = float((total * (ridit - 0.5) ** 2).sum() / rows)
    n = table.sum(axis=1)
    if variance <= 0 or not (n > 0).all():
        return 1.0
    ranks = table @ ridit
    gap = ranks / n - (ranks.sum() - ranks) / (rows - n)
    statistics = gap**2 / (variance * (1.0 / n + 1.0 / (rows - n)))
    return distance.design_effect(statistics, [1] * len(table))


def _joint(table: Any, names: list[str]) -> Joint:
    """Fit principal components on every other block; measure what they leave out on the rest.

    Rows that were fitted are nearer to the components than new ones ever will be.
    """
    rows = matrix(table, names)
    blocks = LEAST_BLOCKS if len(rows) >= 2 * LEAST_BLOCKS * LEAST_ROWS else 0
    size = len(rows) // (2 * blocks) if blocks else max(len(rows) // 2, 1)
    held = np.arange(len(rows)) // size % 2 == 1
    if not held.any():
        held[:] = True
    fitted = distance.components(rows[~held] if (~held).any() else rows)
    errors = fitted.errors(rows[held])
    deviation = float(errors.std())
    if blocks:
        means = errors[: blocks * size].reshape(blocks, size).mean(axis=1)
        deviation = max(deviation, float(means.std(ddof=1)) * size**0.5)
    mean = float(errors.mean())
    return Joint(tuple(names), fitted, mean, deviation, blocks, len(errors))


def matrix(table: Any, names: Collection[str]) -> NDArray[np.float64]:
    """Return numeric columns side by side, shape (rows, columns); what is no number is NaN."""
    wanted = dict.fromkeys(names)
    columns = {name: as_floats(column)[0] for name, column in columns_of(table) if name in wanted}
    length = max((len(one) for one in columns.values()), default=0)
    gap = np.full(length, np.nan)
    return np.column_stack([columns.get(name, gap) for name in names])


__all__ = ["Effect", "Feature", "Joint", "Reference", "build_reference", "is_number", "matrix"]
