"""Drift: which features of the live traffic are no longer distributed as in the training data.

A feature is in alarm when the difference is both *real* and *large enough to matter*:

- real: a chi-squared test over its cells, and for numbers a test for a shift to one side, each
  divided by its design effect, are combined into one p-value (Cauchy combination), and
  Benjamini and Hochberg's procedure keeps the share of false alarms over all features at `level`;
- large: the population stability index, less what chance alone would give, is above `min_effect`,
  or the whole distribution moved by more than ``sqrt(min_effect) / 2`` standard deviations (0.07 by
  default). A shift needs less than a change of shape, because it moves all answers the same way.

Small shifts that last are sought in the last few windows together, at a fifth of the level, so that
they hardly add false alarms: five windows see shifts less than half as large as one does. What they
find counts only while the newest window shows some of it, so that it ends when the drift does.

One number sums it up: the *exceedance*, how many times the effect is what is tolerated; 0 when it
is not significant. Wasserstein and Jensen-Shannon distances are reported and decide nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from penstock.config.settings import DriftSettings, MonitorSettings
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.monitors.reference import Feature, Joint, Reference
from penstock.monitors.window import Window, count_rows
from penstock.stats import distance
from penstock.stats.multiple import benjamini_hochberg

PREDICTION = "prediction"
"""Feature that stands for the model's own answers."""
OVERALL = "drift"
JOINT = "drift of features together"
LEAST_ROWS = 200
"""Rows of a window, below which nothing is said."""
_WEIGHTS = (0.3, 0.7)
"""Of the tests of shape and of shift: most drifts are shifts."""
LASTING = 5
"""Windows that small shifts are sought in, at most."""
_SHARE = 0.2
"""Of the level, for windows together."""
_STILL = 0.5
"""Of the tolerated effect, that the newest window must show of what the windows together do."""
_LONGER = 1.1
_BLIND = 1.0
"""Standard deviations: a feature whose smaller shifts could not be told from its usual ways."""
_JOINT_Z = 5.0
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Shift:
    """How far one feature is from the reference.

    Attributes:
        name: of the feature.
        index: population stability index, less what chance would give.
        moved: shift to one side, in standard deviations; 0 for texts.
        p: chance of such a difference without drift.
        adjusted: the same, for many features.
        effect: design effects that it was divided by: of the spread and of the trend.
        blocks: behind them, 0: not calibrated.
        w1: Wasserstein distance in standard deviations, None for texts.
        js: Jensen-Shannon distance.
        rows: that were compared with the reference.
        lasting: the same over the last windows together, None when they are not looked at.
    """

    name: str
    index: float
    moved: float
    p: float
    adjusted: float
    effect: tuple[float, float]
    blocks: int
    w1: float | None
    js: float
    rows: int = 0
    lasting: Shift | None = None


class DriftMonitor:
    """Judges windows against a reference.

    Args:
        reference: of the champion.
        settings: level and least effect.
    """

    def __init__(self, reference: Reference, settings: DriftSettings | None = None) -> None:
        self.reference = reference
        self.settings = settings or DriftSettings()

    def count(self, table: Any, *, since: float = 0.0, until: float = 0.0) -> Window:
        """Return rows as counts; see `penstock.monitors.window.count_rows`."""
        return count_rows(self.reference, table, since=since, until=until)

    def shifts(self, window: Window, before: Sequence[Window] = ()) -> list[Shift]:
        """Return how far each watched feature is from the reference, the furthest first.

        Args:
            window: the newest.
            before: windows just before it, the oldest first.
        """
        found = self._compared(window)
        together = self.lasting(window, before)
        if together is not None:
            known = {one.name: one for one in self._compared(together) if self._knows(one)}
            found = [replace(one, lasting=known.get(one.name)) for one in found]
        return sorted(found, key=lambda one: (-self.exceedance(one), one.p))

    def lasting(self, window: Window, before: Sequence[Window]) -> Window | None:
        """Return the last windows as one, None when that would say nothing.

        They are hardly more rows than the longest blocks of the reference that are many enough to
        know how much so many rows differ without drift.
        """
        most = max(_longest(one) for one in self.reference.features.values())
        together = window
        for earlier in reversed(before[-LASTING + 1 :]):
            if not _alike(together, earlier) or together.rows + earlier.rows > most:
                break
            together = together + earlier
        return together if together.rows > window.rows else None

    def _knows(self, shift: Shift) -> bool:
        return shift.rows <= _longest(self.reference.features[shift.name])

    def _compared(self, window: Window) -> list[Shift]:
        names = [one for one in window.counts if self._watched(one) and one not in window.absent]
        parts = [_compare(self.reference.features[one], window) for one in names]
        adjusted = benjamini_hochberg([one.p for one in parts])
        return [replace(one, adjusted=p) for one, p in zip(parts, adjusted, strict=True)]

    def exceedance(self, shift: Shift) -> float:
        """Return how many times the effect is what is tolerated; 0 when it is not significant."""
        shift = self.told(shift)
        level = self.settings.level
        return self._size(shift, self.settings.min_effect) if shift.adjusted <= level else 0.0

    def told(self, shift: Shift) -> Shift:
        """Return what is to be told of a feature: of its newest window, or of the last together."""
        lasting, tolerated = shift.lasting, self.settings.min_effect
        if shift.adjusted <= self.settings.level or lasting is None:
            return shift
        real = lasting.adjusted <= self.settings.level * _SHARE
        still = self._size(shift, tolerated) > _STILL and shift.moved * lasting.moved >= 0.0
        return lasting if real and still else shift

    def judge(self, window: Window | Any, before: Sequence[Window] = ()) -> tuple[Verdict, ...]:
        """Return a verdict on the whole, one on all features together, and one per feature.

        Args:
            window: counts, or rows as a DataFrame, an arrow table or columns by name.
            before: windows just before it, the oldest first.
        """
        if not isinstance(window, Window):
            window = self.count(window)
        if window.rows < LEAST_ROWS:
            words = f"{window.rows:,} rows are too few to compare distributions"
            needs = LEAST_ROWS - window.rows
            return (_verdict(OVERALL, Outcome.INCONCLUSIVE, words, (), needs=needs),)
        shifts = self.shifts(window, before)
        verdicts = [self._feature(one, window.rows) for one in shifts]
        joint = self._joint(window)
        together = [joint] if joint is not None else []
        return (self._overall(shifts, window, joint), *together, *verdicts)

    def blind(self, shifts: Sequence[Shift], rows: int) -> dict[str, float | None]:
        """Return the features that vary too much by themselves to be judged, the worst first.

        Such as a temperature over the seasons: blocks of the reference are as far apart as any
        drift. With each comes the shift, in standard deviations, from which on it would be seen;
        None with texts that no change would be seen of.
        """
        level = self.settings.level / max(len(shifts), 1)
        texts: dict[str, float | None] = {}
        numbers: dict[str, float] = {}
        for one in (each for each in shifts if each.blocks):
            if self.reference.features[one.name].places is None:
                if rows < 2.0 * distance.LEAST_EXPECTED * one.effect[0]:
                    texts[one.name] = None
                continue
            least = distance.least_shift(
                rows, self.reference.rows, level, effect=one.effect[1], blocks=one.blocks
            )
            if least > _BLIND:
                numbers[one.name] = round(least, 2)
        return texts | dict(sorted(numbers.items(), key=lambda pair: -pair[1]))

    def _watched(self, name: str) -> bool:
        only, without = self.settings.features, self.settings.exclude
        known = name in self.reference.features and name not in without
        return known and (not only or name in only)

    @staticmethod
    def _size(shift: Shift, tolerated: float) -> float:
        tolerated = max(tolerated, 1e-9)
        return max(shift.index / tolerated, abs(shift.moved) / (math.sqrt(tolerated) / 2.0), 0.0)

    def severe(self, shift: Shift) -> bool:
        """Tell whether the effect is above the severe limit."""
        return self._size(shift, self.settings.severe) > 1.0

    def _overall(self, shifts: list[Shift], window: Window, joint: Verdict | None) -> Verdict:
        bad = [self.told(one) for one in shifts if self.exceedance(one) > 1.0]
        largest = shifts[0] if shifts else None
        value = self.exceedance(largest) if largest else 0.0
        # Answers are known of the test data, which may be short; features say how rows scatter.
        calibrated = all(one.blocks for one in shifts if one.name != PREDICTION)
        blind = self.blind(shifts, window.rows)
        details = {
            "drifted": [one.name for one in bad],
            "severe": [one.name for one in bad if self.severe(one)],
            "features": len(shifts),
            "calibrated": calibrated,
            "blind": blind,
            "since": window.since,
            "until": window.until,
        }
        evidence = Evidence(
            "exceedance", value, threshold=1.0, comparison="<", n=window.rows,
            method="chi-squared and trend, Benjamini-Hochberg", details=details,
        )  # fmt: skip
        together = joint is not None and joint.outcome is Outcome.FAILED
        if not bad and not together:
            words = f"{len(shifts)} features are distributed as in the {self.reference.source}"
            words += _unseen(blind)
        elif not bad:
            words = "each feature is as it was, but not how they go together"
        else:
            shown = ", ".join(_said(one, window.rows) for one in bad[:_SHOWN])
            more = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
            words = f"{len(bad)} of {len(shifts)} features drifted: {shown}{more}"
        if not calibrated:
            words += "; not calibrated: the reference has too few rows to say how much is normal"
        outcome = Outcome.FAILED if bad or together else Outcome.PASSED
        hint = "see what changed: penstock monitor drift; train on newer data: penstock retrain"
        return _verdict(
            OVERALL, outcome, words, (evidence,), hint=None if outcome is Outcome.PASSED else hint
        )

    def _feature(self, shift: Shift, rows: int) -> Verdict:
        exceedance, shift = self.exceedance(shift), self.told(shift)
        bad = exceedance > 1.0
        details = {
            "exceedance": exceedance,
            "p_value": shift.p,
            "adjusted": shift.adjusted,
            "shift": shift.moved,
            "wasserstein": shift.w1,
            "jensen_shannon": shift.js,
            "design_effect": list(shift.effect),
            "blocks": shift.blocks,
            "severe": bad and self.severe(shift),
        }
        evidence = Evidence(
            shift.name, shift.index, threshold=self.settings.min_effect, comparison="<",
            n=shift.rows, method="corrected population stability index", details=details,
        )  # fmt: skip
        if bad:
            words = f"{_said(shift, rows)}; {exceedance:.1f} times what is tolerated"
        elif shift.adjusted <= self.settings.level:
            words = "a difference that is real, but too small to matter"
        else:
            words = "no difference beyond chance"
        outcome = Outcome.FAILED if bad else Outcome.PASSED
        return _verdict(f"drift of {shift.name}", outcome, words, (evidence,))

    def _joint(self, window: Window) -> Verdict | None:
        joint = self.reference.joint
        if joint is None or window.joint[0] < LEAST_ROWS:
            return None
        z = joint_z(joint, window)
        n, total = window.joint
        evidence = Evidence(
            "reconstruction error", total / n, threshold=joint.mean, n=n,
            method="principal components", details={"z": z, "blocks": joint.blocks},
        )  # fmt: skip
        known = joint.blocks > 0
        bad = known and abs(z) > _JOINT_Z
        words = (
            f"rows are {abs(z):.1f} standard errors {'further from' if z > 0 else 'nearer to'} the "
            f"principal components than the {self.reference.source}"
        )
        if not known:
            words += "; not calibrated"
        outcome = Outcome.FAILED if bad else Outcome.PASSED
        return _verdict(JOINT, outcome, words, (evidence,))


def joint_z(joint: Joint, window: Window) -> float:
    """Return by how many standard errors a window's reconstruction error differs."""
    n, total = window.joint
    noise = joint.deviation * math.sqrt(1.0 / n + 1.0 / joint.rows)
    return (total / n - joint.mean) / max(noise, 1e-300)


def _compare(feature: Feature, window: Window) -> Shift:
    before, after = feature.counts, window.counts[feature.name]
    known = feature.effect(window.rows)
    spread, side, blocks = (known.spread, known.trend, known.blocks) if known else (1.0, 1.0, 0)
    statistic, free = distance.chi_squared(before, after, effect=spread)
    p = distance.p_value(statistic, free, effect=spread, blocks=blocks)
    moved, wasserstein = 0.0, None
    if feature.places is not None:
        found = distance.trend(before[:-1], after[:-1])
        moved = found.shift
        aside = distance.p_value(found.statistic, 1, effect=side, blocks=blocks)
        p = distance.cauchy([p, aside], _WEIGHTS)
        scale = feature.deviation or 1.0
        wasserstein = distance.w1(before[:-1], after[:-1], feature.places) / scale
    return Shift(
        feature.name,
        distance.psi_corrected(before, after, effect=spread),
        moved,
        p,
        p,
        (spread, side),
        blocks,
        wasserstein,
        distance.js_distance(before, after),
        window.rows,
    )


def _longest(feature: Feature) -> float:
    """Return about how many rows it is known for how much they differ without drift."""
    return feature.effects[-1].rows * _LONGER if feature.effects else 0.0


def _alike(one: Window, other: Window) -> bool:
    """Whether two windows were counted in the same cells, and follow each other."""
    sizes = ({name: len(counts) for name, counts in each.counts.items()} for each in (one, other))
    return bool(one.rows and other.rows) and next(sizes) == next(sizes)


def _unseen(blind: dict[str, float | None]) -> str:
    if not blind:
        return ""
    parts = [name if least is None else f"{name} (above {least:.1f} sd)"
             for name, least in blind.items()]  # fmt: skip
    shown = ", ".join(parts[:3]) + (f" and {len(parts) - 3} more" if len(parts) > 3 else "")
    return f"; what varies by itself is hardly watched: {shown}"


def _said(shift: Shift, rows: int) -> str:
    facts = [f"index {shift.index:.3f}"]
    if abs(shift.moved) >= 0.05:
        side = "up" if shift.moved > 0 else "down"
        facts.insert(0, f"{side} by {abs(shift.moved):.2f} sd")
    if shift.rows > rows:
        facts.append(f"in the last {shift.rows:,} rows")
    return f"{shift.name} ({', '.join(facts)})"


def _verdict(
    name: str,
    outcome: Outcome,
    words: str,
    evidence: tuple[Evidence, ...],
    *,
    needs: int | None = None,
    hint: str | None = None,
) -> Verdict:
    return Verdict(
        name,
        outcome,
        words,
        kind="drift",
        evidence=evidence,
        blocking=False,
        needs=needs,
        hint=hint,
    )


class Drift:
    """Judges windows against whatever reference they come with; see `DriftMonitor`.

    Args:
        settings: of the project's monitors.
    """

    def __init__(self, settings: MonitorSettings) -> None:
        self._settings = settings.drift

    def judge(self, reference: Reference, window: Window, rows: Any) -> tuple[Verdict, ...]:
        """Return a verdict on the whole, one on all features together, and one per feature."""
        del rows
        return DriftMonitor(reference, self._settings).judge(window)
