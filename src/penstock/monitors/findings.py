"""What one look found: verdicts, events to write, conditions to alert of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from penstock.config.settings import MonitorSettings, Settings
from penstock.domain.event import EventType
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.monitors.alerts import Alert, span
from penstock.monitors.causes import likely_cause
from penstock.monitors.data import judge_data
from penstock.monitors.drift import JOINT, LASTING, DriftMonitor, Shift
from penstock.monitors.interface import Monitor
from penstock.monitors.origin import Champion
from penstock.monitors.reference import Reference
from penstock.monitors.state import WatchState
from penstock.monitors.traffic import Part
from penstock.monitors.window import Window, count_rows

_MOST = 50
"""Features named in one event."""
_QUIET = 3
"""An alert about data is over after this many times `drift.windows` good windows: a share that is
just about what is tolerated must not be told again and again."""
_MOST_KEPT = 500
"""Features of which the counts of several windows are kept, at most."""
TOGETHER = "(together)"
"""The streak of all features together."""


@dataclass
class Findings:
    """Gathered during one look.

    Attributes:
        verdicts: by kind; they take the place of older ones of the same kind.
        events: (type, data, monitor whose event caused it).
        alerts: conditions that hold.
        asked: prefixes of the keys of alerts that were looked at.
    """

    verdicts: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    events: list[tuple[EventType, dict[str, Any], str]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def add(self, kind: str, verdicts: tuple[Verdict, ...]) -> None:
        """Keep the verdicts of a kind."""
        self.verdicts[kind] = verdicts

    def switched_off(self, kind: str, state: WatchState) -> None:
        """Forget what a monitor said that nobody wants any more; its alerts are over."""
        self.asked.append(kind)
        if state.verdicts.get(kind):
            self.add(kind, ())

    def judged(self, monitor: str, verdict: Verdict, data: dict[str, Any]) -> None:
        """Write down that a monitor answered."""
        said = {"monitor": monitor, "outcome": verdict.outcome.value, "words": verdict.words}
        self.events.append((EventType.MONITOR_JUDGED, {**said, **data}, ""))

    def skew(self, settings: Settings, holder: Champion, verdict: Verdict, now: float) -> None:
        """Keep the verdict on training/serving skew."""
        self.add("skew", (verdict,))
        self.judged("skew", verdict, {})
        if verdict.outcome is Outcome.ERROR:
            return
        self.asked.append("skew")
        if verdict.outcome is Outcome.FAILED:
            name = settings.model.name
            alert = Alert(
                "skew", "severe", verdict.words, now,
                value=verdict.evidence[0].value, threshold=0.0, model=name,
                cause="features are computed in another way for serving than for training",
                command="mend what computes them for requests; until then: penstock rollback",
                version=holder.version, unit="rows",
                subjects=tuple(verdict.evidence[0].details["features"]),
            )  # fmt: skip
            self.alerts.append(alert)


def drift_findings(
    settings: MonitorSettings, reference: Reference, state: WatchState, part: Part, found: Findings
) -> None:
    """Judge drift and data of one window; the state's streaks and history move on.

    Args:
        settings: of the monitors.
        reference: of the champion.
        state: changed in place.
        part: the window.
        found: what it says is added here.
    """
    monitor = DriftMonitor(reference, settings.drift)
    window = monitor.count(part.table, since=part.since, until=part.until)
    before = [Window.from_dict(one) for one in state.recent]
    verdicts = monitor.judge(window, before)
    shifts = monitor.shifts(window, before)
    exceedances = {one.name: round(monitor.exceedance(one), 3) for one in shifts}
    alarmed = {name for name, value in exceedances.items() if value > 1.0}
    together = any(one.name == JOINT and one.outcome is Outcome.FAILED for one in verdicts)
    alarmed |= {TOGETHER} if together else set()
    state.streaks = {name: state.streaks.get(name, 0) + 1 for name in sorted(alarmed)}
    state.last = {name: counts.tolist() for name, counts in window.counts.items()}
    kept = [*state.recent, window.to_dict()][-LASTING + 1 :]
    state.recent = kept if len(window.counts) <= _MOST_KEPT else []
    state.keep(_numbers(window, verdicts[0], exceedances))
    found.add("drift", verdicts)
    about = {"since": part.since, "until": part.until, "rows": window.rows}
    top = dict(list(exceedances.items())[:_MOST])
    found.judged("drift", verdicts[0], {**about, "exceedance": top})
    _drift_alert(settings, reference, state, window, shifts, found)
    _data(settings, reference, state, window, found)


def extended(settings: MonitorSettings, reference: Reference, part: Part, found: Findings) -> None:
    """Let the monitors of extensions judge a window; each that fails is an alert of its own.

    Raises:
        PluginError: nobody provides a monitor that penstock.yaml names.
    """
    from penstock import plugins

    if not settings.more:
        return
    window = count_rows(reference, part.table, since=part.since, until=part.until)
    for name in settings.more:
        monitor: Monitor = plugins.load("penstock.monitors", name)(settings)
        verdicts = tuple(monitor.judge(reference, window, part.table))
        found.add(f"further: {name}", verdicts)
        for one in verdicts:
            key = f"{name}: {one.name}"
            found.judged(name, one, {"rows": window.rows})
            found.asked.append(key)
            if one.outcome is Outcome.FAILED:
                top = one.evidence[0] if one.evidence else None
                found.alerts.append(
                    Alert(
                        key, "warning", one.words, part.since,
                        top.value if top else None, top.threshold if top else None,
                        one.hint or "", "penstock monitor report --open",
                    )
                )  # fmt: skip


def _numbers(window: Window, overall: Verdict, exceedances: dict[str, float]) -> dict[str, Any]:
    return {
        "since": window.since,
        "until": window.until,
        "rows": window.rows,
        "outcome": overall.outcome.value,
        "exceedance": {name: value for name, value in exceedances.items() if value > 0},
    }


def _drift_alert(
    settings: MonitorSettings,
    reference: Reference,
    state: WatchState,
    window: Window,
    shifts: list[Shift],
    found: Findings,
) -> None:
    needed = max(settings.drift.windows, 1)
    confirmed = [name for name, count in state.streaks.items() if count >= needed]
    recent = state.windows[-needed:]
    quiet = len(recent) >= needed and not any(
        value > 1.0 for one in recent for value in one["exceedance"].values()
    )
    if quiet and TOGETHER not in state.streaks:
        found.asked.append("drift")
    if not confirmed:
        return
    found.asked.append("drift")
    monitor = DriftMonitor(reference, settings.drift)
    drifted = [one for one in shifts if one.name in confirmed]
    severe = [one for one in drifted if monitor.severe(one)]
    severity = "severe" if severe else "warning"
    longest = max(state.streaks[name] for name in confirmed)
    since = state.windows[-min(longest, len(state.windows))]["since"]
    what = found.verdicts["drift"][0].words
    if not drifted:
        what = f"features have gone together in another way for {longest} windows; the last: {what}"
    value = max((monitor.exceedance(one) for one in drifted), default=None)
    cause = likely_cause(reference, window, drifted)
    command = "penstock monitor report --open; then penstock retrain"
    alert = Alert(
        "drift", severity, what, since, value, 1.0, cause, command, unit="times",
        subjects=tuple(one if one != TOGETHER else "features together" for one in confirmed),
    )  # fmt: skip
    found.alerts.append(alert)
    known = state.alerts.get("drift")
    ours = known is not None and known["version"] == state.version
    if known is None or not ours or (known["severity"] != "severe" and severe):
        data = {
            "monitor": "drift",
            "features": [one.name for one in drifted],
            "together": TOGETHER in confirmed,
            "severity": severity,
            "exceedance": value,
            "windows": longest,
            "since": since,
            "until": window.until,
            "cause": cause,
        }
        found.events.append((EventType.DRIFT_DETECTED, data, "drift"))


def _data(
    settings: MonitorSettings,
    reference: Reference,
    state: WatchState,
    window: Window,
    found: Findings,
) -> None:
    """Say what is wrong with the data; an alert ends after some good windows, not at the first."""
    answers = judge_data(reference, window)
    if not answers:
        return
    found.add("data", answers)
    worst = Outcome.worst(one.outcome for one in answers)
    failed = [one for one in answers if one.outcome is Outcome.FAILED]
    words = "; ".join(one.words for one in failed) or "requests look like the training data"
    found.judged("data", Verdict("data", worst, words, kind="data"), {"rows": window.rows})
    state.windows[-1]["failed"] = [one.name for one in failed]
    recent = state.windows[-_QUIET * max(settings.drift.windows, 1) :]
    bad = {name for one in recent for name in one.get("failed", [])}
    found.asked += [f"data: {one.name}" for one in answers if one.name not in bad]
    for one in failed:
        top = one.evidence[0]
        columns = one.name == "columns"
        alert = Alert(
            f"data: {one.name}", "warning", one.words, window.since,
            top.value, top.threshold, one.hint or "", "penstock monitor report --open",
            unit="columns" if columns else "ratio",
            subjects=tuple(top.details["absent"] if columns else top.details),
        )  # fmt: skip
        found.alerts.append(alert)


def stale(
    settings: Settings, holder: Champion, state: WatchState, found: Findings, now: float
) -> None:
    """Say whether the champion is too old."""
    limit = settings.monitor.stale_after
    if limit <= 0:
        found.switched_off("stale", state)
        return
    age = now - holder.since
    outcome = Outcome.FAILED if age > limit else Outcome.PASSED
    words = f"version {holder.version} has been champion for {span(age)}"
    words += f", more than {span(limit)}" if age > limit else ""
    evidence = Evidence("age", age, threshold=limit, comparison="<", unit="s")
    verdict = Verdict("age of the champion", outcome, words, kind="stale", evidence=(evidence,),
                      blocking=False)  # fmt: skip
    found.add("stale", (verdict,))
    found.asked.append("stale")
    if outcome is Outcome.FAILED:
        alert = Alert(
            "stale", "warning", words, holder.since + limit, age, limit,
            "nothing better passed the gates, or nothing was trained", "penstock retrain",
            unit="s",
        )  # fmt: skip
        found.alerts.append(alert)
