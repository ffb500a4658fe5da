"""Tests of the data: overlap, leakage, balance and drift; each answers with one verdict."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.errors import ConfigError
from penstock.gates.columns import codes, is_numeric, shares
from penstock.gates.leakage import target_leakage, time_leakage

POLICIES = {
    "schema": "block",
    "overlap": "warn",
    "leakage": "warn",
    "balance": "warn",
    "drift": "warn",
}
"""What a bad outcome does by default: ``block`` or ``warn``; ``off`` does not ask."""
_MODERATE, _SEVERE = 0.1, 0.25
_FEW = 30
_SHOWN = 3


def data_tests(
    test: Path,
    target: str,
    *,
    train: Path | None = None,
    reference: Path | None = None,
    schema: Path | None = None,
    time_column: str | None = None,
    id_columns: Collection[str] = (),
    policies: Mapping[str, str] | None = None,
) -> tuple[Verdict, ...]:
    """Ask all that can be asked of the data with what is given.

    Args:
        test: held-out rows, parquet or csv.
        target: the column that is predicted.
        train: rows that the candidate learnt from: for overlap, and better for leakage.
        reference: rows that the champion learnt from: for drift.
        schema: a schema file, for the test and the training data.
        time_column: when each row happened.
        id_columns: names of things rather than features; the same one in both sets is overlap.
        policies: what a bad outcome of each test does, see `POLICIES`.

    Raises:
        ConfigError: a file is missing or cannot be read, or has no column `target`.
        PluginError: a schema is given and pandera is not installed.
    """
    policy = {**POLICIES, **(policies or {})}
    held_out = read_rows(test, target)
    learnt = read_rows(train, target) if train is not None else None
    found: list[tuple[str, Verdict]] = []
    if schema is not None and policy["schema"] != "off":
        from penstock.gates.pandera_schema import schema_gate

        sets = [("test data", held_out), ("training data", learnt)]
        found += [
            ("schema", schema_gate(rows, schema, what=what))
            for what, rows in sets
            if rows is not None
        ]
    if learnt is not None and policy["overlap"] != "off":
        found.append(("overlap", overlap(learnt, held_out, id_columns=id_columns)))
    if policy["leakage"] != "off":
        rows = learnt if learnt is not None else held_out
        found.append(("leakage", target_leakage(rows, target, ignore=id_columns)))
        if learnt is not None and time_column is not None:
            found.append(
                ("leakage", time_leakage(learnt, held_out, time_column, ignore=id_columns))
            )
    if policy["balance"] != "off":
        known = None if learnt is None else learnt[target]
        found.append(("balance", balance(held_out[target], known)))
    if reference is not None and policy["drift"] != "off":
        past = read_rows(reference, target)
        found.append(
            ("drift", drift(past, held_out, ignore=(target, time_column or target, *id_columns)))
        )
    return tuple(replace(one, blocking=policy[kind] == "block") for kind, one in found)


def read_rows(path: Path, target: str) -> pd.DataFrame:
    """Read parquet or csv.

    Raises:
        ConfigError: ``data.not-found``, ``data.unreadable`` or ``data.no-target``.
    """
    if not path.is_file():
        raise ConfigError(
            f"the data {path} does not exist",
            code="data.not-found",
            hint="run the stage that makes it, or correct the path in penstock.yaml",
        )
    try:
        parquet = path.suffix in {".parquet", ".pq"}
        frame = pd.read_parquet(path) if parquet else pd.read_csv(path)
    except (OSError, ValueError) as error:  # the parsers' own errors are ValueErrors
        raise ConfigError(
            f"the data {path} cannot be read: {str(error).splitlines()[0]}",
            code="data.unreadable",
            hint="parquet files end in .parquet, everything else is read as csv",
        ) from error
    if target not in frame:
        raise ConfigError(
            f"the data {path} has no column {target}",
            code="data.no-target",
            hint=f"its columns are {', '.join(map(str, frame.columns[:20]))}",
        )
    return frame


def overlap(
    train: pd.DataFrame,
    test: pd.DataFrame,
    *,
    id_columns: Collection[str] = (),
    at_most: float = 0.01,
) -> Verdict:
    """Ask whether test rows were trained on.

    With identifiers the same one in both sets is overlap. Without them rows are compared as a
    whole, and as many copies are expected as the training rows have among themselves: where a
    few coarse columns repeat by nature, that is no leak.

    Args:
        train, test: the rows.
        id_columns: columns that name a row, together.
        at_most: share of test rows, beyond what is expected, that may be found in `train`.
    """
    name = "test rows were not trained on"
    keys = [one for one in id_columns if one in train and one in test]
    columns = keys or [one for one in test.columns if one in train]
    known, asked = _hashes(train[columns]), _hashes(test[columns])
    n = len(asked)
    if n == 0 or len(known) == 0:
        words = "there are no rows to compare"
        return Verdict(name, Outcome.INCONCLUSIVE, words, kind="data-test")
    share = float(np.isin(asked, known).mean())
    _, inverse, counts = np.unique(known, return_inverse=True, return_counts=True)
    expected = 0.0 if keys else float((counts[inverse] > 1).mean())
    noise = 3 * float(np.sqrt(max(expected * (1 - expected), 1 / n) / n)) if expected else 0.0
    excess = share - expected
    bad = share > 0 if keys else excess > at_most + noise
    evidence = Evidence(
        "share of test rows found in the training rows",
        share,
        threshold=0.0 if keys else expected + at_most + noise,
        comparison="<",
        n=n,
        method="row hashes",
        unit="ratio",
        details={"expected": expected, "columns": [str(one) for one in columns]},
    )
    by = f" by {', '.join(map(str, keys))}" if keys else ""
    usual = f" ({expected:.2%} repeat by nature)" if expected else ""
    words = f"{round(share * n):,} of {n:,} test rows ({share:.2%}) stand in the training rows{by}"
    hint = "split before anything is duplicated or oversampled, and by group where rows belong"
    outcome = Outcome.FAILED if bad else Outcome.PASSED
    return Verdict(
        name,
        outcome,
        words + usual,
        kind="data-test",
        evidence=(evidence,),
        hint=hint if bad else None,
    )


def balance(test: pd.Series[Any], train: pd.Series[Any] | None = None) -> Verdict:
    """Ask whether the labels can carry a judgement: present, of more kinds than one, not rare."""
    name = "labels are balanced enough"
    make = partial(Verdict, name, kind="data-test")
    missing = float(test.isna().mean()) if len(test) else 1.0
    counts = test.value_counts()
    measured = is_numeric(test) and len(counts) > 20
    smallest = int(counts.min()) if len(counts) else 0
    evidence = Evidence(
        "rows of the rarest class" if not measured else "distinct values",
        float(smallest if not measured else len(counts)),
        threshold=float(_FEW) if not measured else 1.0,
        comparison=">",
        n=len(test),
        method="count",
        details={"missing": missing, "classes": {str(k): int(v) for k, v in counts[:20].items()}},
    )
    if missing > 0:
        words = f"{missing:.2%} of the {len(test):,} test rows have no label"
        return make(Outcome.FAILED, words, evidence=(evidence,))
    if len(counts) < 2:
        words = f"all {len(test):,} test rows have the same label"
        return make(Outcome.FAILED, words, evidence=(evidence,))
    if measured:
        words = f"{len(counts):,} distinct values, none missing"
        return make(Outcome.PASSED, words, evidence=(evidence,))
    strange = sorted(map(str, set(counts.index) - set(train.unique()))) if train is not None else []
    if strange:
        words = f"the test data has labels that nothing was trained on: {', '.join(strange[:5])}"
        return make(Outcome.FAILED, words, evidence=(evidence,))
    rarest = counts.index[-1]
    words = f"the rarest of {len(counts)} labels, {rarest}, has {smallest:,} of {len(test):,} rows"
    if smallest < _FEW:
        words += f"; below {_FEW} nothing can be said about it"
        few = _FEW - smallest
        return make(Outcome.INCONCLUSIVE, words, evidence=(evidence,), needs=few)
    return make(Outcome.PASSED, words, evidence=(evidence,))


def drift(
    reference: pd.DataFrame,
    now: pd.DataFrame,
    *,
    ignore: Collection[str] = (),
    severe: float = _SEVERE,
    level: float = 0.01,
) -> Verdict:
    """Ask whether features are distributed as in the rows that the champion learnt from.

    The population stability index over deciles (or the 50 most frequent names), less what it
    would be by chance, with a chi-squared test behind it: a shift must be large and real.

    Args:
        reference, now: the rows.
        ignore: columns that are not compared.
        severe: index from which a shift fails; 0.1 is usually called moderate, 0.25 severe.
        level: chance of a false alarm over all features together (Bonferroni).
    """
    name = "features are as in the champion's training data"
    columns = [one for one in now.columns if one in reference and one not in ignore]
    gone = [str(one) for one in reference if one not in now and one not in ignore]
    found = {str(one): _shift(reference[one], now[one]) for one in columns}
    ranked = sorted(found.items(), key=lambda pair: -pair[1][0])
    real = [(one, psi) for one, (psi, p) in ranked if p * len(found) < level]
    bad = [(one, psi) for one, psi in real if psi >= severe]
    top, (psi, p) = ranked[0] if ranked else ("none", (0.0, 1.0))
    evidence = Evidence(
        f"largest shift: {top}",
        psi,
        threshold=severe,
        comparison="<",
        n=len(now),
        method="population stability index",
        details={"p_value": p, "features": {one: pair[0] for one, pair in ranked[:20]}},
    )
    if bad or gone:
        shown = [f"{one} shifted by {value:.2f}" for one, value in bad[:_SHOWN]]
        shown += [f"{one} is gone" for one in gone[:_SHOWN]]
        words = "; ".join(shown)
        hint = "look at the champion on these rows before you trust a comparison of models"
        return Verdict(
            name, Outcome.FAILED, words, kind="data-test", evidence=(evidence,), hint=hint
        )
    moderate = [f"{one} ({value:.2f})" for one, value in real if value >= _MODERATE]
    words = f"{len(found)} features compared; the largest shift is {psi:.3f} in {top}"
    words += f"; moderate: {', '.join(moderate[:_SHOWN])}" if moderate else ""
    return Verdict(name, Outcome.PASSED, words, kind="data-test", evidence=(evidence,))


def _shift(reference: pd.Series[Any], now: pd.Series[Any]) -> tuple[float, float]:
    """Return the stability index, less its expectation by chance, and a p-value."""
    from scipy.stats import chi2

    before, after, names = codes(reference, now)
    assert after is not None
    a, b = shares(before, len(names)), shares(after, len(names))
    kept = (a + b) > 0
    a, b = a[kept], b[kept]
    free = len(a) - 1
    if free < 1 or a.sum() == 0 or b.sum() == 0:
        return 0.0, 1.0
    p, q = (a + 0.5) / (a + 0.5).sum(), (b + 0.5) / (b + 0.5).sum()
    index = float(((q - p) * np.log(q / p)).sum()) - free * (1 / a.sum() + 1 / b.sum())
    pooled = (a + b) / (a.sum() + b.sum())
    statistic = sum(
        float((((one - one.sum() * pooled) ** 2) / (one.sum() * pooled)).sum()) for one in (a, b)
    )
    return max(0.0, index), float(chi2.sf(statistic, free))


def _hashes(frame: pd.DataFrame) -> NDArray[np.uint64]:
    plain = frame.copy(deep=False)
    for one in plain.columns:
        if plain[one].dtype.kind in "iuf":  # the same number must hash alike as int and as float
            plain[one] = plain[one].astype(np.float64)
        elif not is_numeric(plain[one]):
            plain[one] = plain[one].astype(str)
    return np.asarray(pd.util.hash_pandas_object(plain, index=False).to_numpy())


__all__ = ["balance", "data_tests", "drift", "overlap", "read_rows"]
