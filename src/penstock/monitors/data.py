"""Live data that the model was never meant to see: columns, types, gaps, ranges, categories."""

from __future__ import annotations

from typing import Any

from penstock.config.settings import MonitorSettings
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.monitors.reference import Feature, Reference
from penstock.monitors.window import Window

LEVEL = 0.001
"""Chance of a false alarm of one check in one window, over all features together."""
TOLERATED = {"missing": 0.01, "outside": 0.005, "unseen": 0.01, "wrong": 0.001}
"""Shares of rows, above the reference's own, that are not worth an alarm."""
_HINTS = {
    "missing": "is a source upstream down, or a join empty?",
    "outside": "has a unit or a sensor changed?",
    "unseen": "has a code list been extended? The model guesses for what it never saw",
    "wrong": "do all callers send the same types as the training data had?",
    "absent": "does a caller leave columns out, or call them by another name?",
}
_WORDS = {
    "missing": "missing values",
    "outside": "values out of range",
    "unseen": "unseen categories",
    "wrong": "values of the wrong type",
}


class DataMonitor:
    """Holds the data of a window against the reference; see `judge_data`.

    Args:
        settings: of the project's monitors.
    """

    def __init__(self, settings: MonitorSettings) -> None:
        del settings  # its limits are what training data and chance allow

    def judge(self, reference: Reference, window: Window, rows: Any) -> tuple[Verdict, ...]:
        """Return one verdict per check."""
        del rows
        return judge_data(reference, window)


def judge_data(reference: Reference, window: Window) -> tuple[Verdict, ...]:
    """Return one verdict per check of a window.

    Args:
        reference: what is normal.
        window: counts of live rows.
    """
    if not window.rows:
        return ()
    return (_columns(reference, window), *(_check(reference, window, one) for one in TOLERATED))


def _columns(reference: Reference, window: Window) -> Verdict:
    known = [one for one in window.absent if reference.features[one].counts[:-1].sum() > 0]
    evidence = Evidence(
        "columns that no request has", float(len(known)), threshold=0.0, comparison="<",
        n=window.rows, details={"absent": known, "unknown": list(window.unknown)},
    )  # fmt: skip
    if known:
        words = f"no request has {_list(known)}"
        return _verdict("columns", Outcome.FAILED, words, evidence, _HINTS["absent"])
    words = "requests have all columns of the training data"
    if window.unknown:
        words += f"; and further ones: {_list(window.unknown)}"
    return _verdict("columns", Outcome.PASSED, words, evidence, None)


def _check(reference: Reference, window: Window, kind: str) -> Verdict:
    names = [one for one in reference.features if one not in window.absent]
    found = []
    for name in names:
        before, after = _shares(reference.features[name], window, kind)
        if after is None or before is None:
            continue
        k, expected = round(after * window.rows), before * reference.rows
        p = _chance(k, window.rows, expected, reference.rows)
        if p * max(len(names), 1) < LEVEL and after - before > TOLERATED[kind]:
            found.append((after - before, name, before, after))
    found.sort(reverse=True)
    top = found[0] if found else None
    evidence = Evidence(
        f"{_WORDS[kind]}: {top[1]}" if top else _WORDS[kind],
        top[3] if top else 0.0,
        threshold=(top[2] if top else 0.0) + TOLERATED[kind],
        comparison="<",
        n=window.rows,
        unit="ratio",
        method="binomial tail",
        details={name: {"reference": b, "live": a} for _, name, b, a in found[:50]},
    )
    if not found:
        return _verdict(_WORDS[kind], Outcome.PASSED, f"no more {_WORDS[kind]} than before",
                        evidence, None)  # fmt: skip
    said = [f"{name} {after:.1%} (before {before:.1%}{_ends(window, name, kind)})"
            for _, name, before, after in found[:3]]  # fmt: skip
    more = f" and {len(found) - 3} more" if len(found) > 3 else ""
    words = f"{_WORDS[kind]}: {', '.join(said)}{more}"
    return _verdict(_WORDS[kind], Outcome.FAILED, words, evidence, _HINTS[kind])


def _ends(window: Window, name: str, kind: str) -> str:
    if kind != "outside" or name not in window.outside:
        return ""
    low, high = window.outside[name]
    return f"; from {low:g} to {high:g}"


def _shares(feature: Feature, window: Window, kind: str) -> tuple[float | None, float | None]:
    """Return the share of such rows in the reference and in the window; None: not asked."""
    counts = window.counts[feature.name]
    total = float(feature.counts.sum())
    number = feature.cells.kind == "number"
    wrong = window.wrong.get(feature.name, 0)
    if kind == "wrong":
        return (0.0, wrong / window.rows) if number else (None, None)
    if kind == "missing":
        return feature.counts[-1] / total, (int(counts[-1]) - wrong) / window.rows
    if kind == "outside" and number:
        return 0.0, (int(counts[0]) + int(counts[-2])) / window.rows
    complete = not number and getattr(feature.cells, "complete", False)
    if kind == "unseen" and complete:
        return 0.0, int(counts[-2]) / window.rows
    return None, None


def _chance(k: int, n: int, expected: float, m: int) -> float:
    """Return the chance of k or more such rows among n, when the reference had `expected` of m.

    Two rows are added to the reference's, for what it may have missed by chance.
    """
    from scipy.stats import binom

    rate = min((expected + 2.0) / max(m, 1), 1.0)
    return float(binom.sf(k - 1, n, rate)) if k else 1.0


def _list(names: tuple[str, ...] | list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _verdict(
    name: str, outcome: Outcome, words: str, evidence: Evidence, hint: str | None
) -> Verdict:
    return Verdict(
        name, outcome, words, kind="data", evidence=(evidence,), blocking=False, hint=hint
    )
