"""Quality: what the champion's answers were worth, as labels arrive, and what they probably are.

Two numbers stand beside each other. The *realised* loss comes from labels, which may be days late;
an e-process says when it has declined, however often one looks. The *estimated* one needs no label
but assumes that the chance of the label given the features is as it was; a change of exactly that
is what it cannot see, so it never raises an alarm by itself. Labels that come later are held
against it, and it says so when they contradict it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from penstock.config.settings import Settings
from penstock.domain.event import EventType
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.journal import Journal
from penstock.monitors.alerts import Alert
from penstock.monitors.decline import DeclineProcess
from penstock.monitors.findings import Findings
from penstock.monitors.labelled import Labelled, answered
from penstock.monitors.losses import MOST, from_gate, is_probability, losses, named
from penstock.monitors.origin import Champion
from penstock.monitors.reckoning import CALIBRATION_ROWS, foreseen, reckon
from penstock.monitors.state import WatchState
from penstock.observations import Observations
from penstock.stats import estimate

BATCH = 100
"""Labels that are waited for before they are counted, unless they have waited an hour."""
LEAST_BASELINE = 300
"""Labelled rows that say what is normal, where no gate has measured it."""
_WAIT = 3600.0
_HORIZON = 7 * 86_400.0
_KEPT = 300
NAME = "quality"
ESTIMATED = "estimated quality"
ASSUMPTION = (
    "estimated, assuming that the chance of the label given the features is as it was; blind to a "
    "change of that (concept drift)"
)


class QualityMonitor:
    """Follows the champion's loss.

    Args:
        settings: of the project.
        journal: for what the gates measured.
        observations: the prediction log.
    """

    def __init__(self, settings: Settings, journal: Journal, observations: Observations) -> None:
        self.settings = settings
        self.journal = journal
        self.observations = observations

    def look(
        self,
        holder: Champion,
        state: WatchState,
        found: Findings,
        now: float,
        *,
        settle: float = 15.0,
    ) -> None:
        """Count labels that have become known; `state` moves on, `found` gets what they say.

        Args:
            holder: the champion.
            state: changed in place.
            found: what it says is added here.
            now: seconds since the epoch.
            settle: seconds after which the log has all of a moment.
        """
        memory = state.quality
        since, until = memory.get("seen", holder.since), now - settle
        labels = self.observations.labels(since, until) if until > since else None
        if labels is not None:
            waited = until - float(np.min(labels["label_time"].to_numpy()))
            if labels.num_rows >= BATCH or waited >= _WAIT:
                horizon = max(self.settings.monitor.quality.label_delay * 2.0, _HORIZON)
                start = max(holder.since, until - horizon)
                joined = answered(
                    self.observations, labels, version=holder.version, since=start, until=until
                )
                memory["seen"] = until
                self._count(holder, memory, joined, until)
                self._conclude(state, found, now)
        self._estimate(holder, state, found)

    def judge(self, memory: dict[str, Any]) -> Verdict:
        """Return what the labels so far say.

        Args:
            memory: of the monitor, as `look` keeps it in the state.
        """
        wanted = self.settings.monitor.quality
        rows, baseline = memory.get("rows", 0), memory.get("baseline")
        if not rows:
            words = "no labels have arrived yet; send them to /feedback"
            return _verdict(NAME, Outcome.INCONCLUSIVE, words)
        if baseline is None:
            needs = LEAST_BASELINE - memory.get("first", [0, 0.0, 0.0])[0]
            words = f"{rows:,} labelled rows; {max(needs, 1):,} more will say what is normal"
            return _verdict(NAME, Outcome.INCONCLUSIVE, words, needs=max(needs, 1))
        process = DeclineProcess.from_dict(memory["process"])
        recent = _recent(memory["history"])
        name = memory["loss"]
        limit = -math.log(wanted.alpha)
        evidence = Evidence(
            name, recent["value"], recent["low"], recent["high"], process.tolerated, "<",
            recent["rows"], "betting e-process",
            details={
                "baseline": baseline["value"], "baseline_from": baseline["from"],
                "log_e": process.log_e if process.batches else None, "limit": limit,
                "labelled": rows, "told": memory.get("told", rows), "alpha": wanted.alpha,
            },
        )  # fmt: skip
        said = (
            f"{name} {recent['value']:.4g} on the last {recent['rows']:,} labelled rows, "
            f"{baseline['value']:.4g} {baseline['from']}, {process.tolerated:.4g} tolerated"
        )
        if memory.get("declined"):
            words = f"quality declined: {said}"
            hint = "train on newer data: penstock retrain; or return: penstock rollback"
            return _verdict(NAME, Outcome.FAILED, words, evidence, hint=hint)
        if not process.batches:
            return _verdict(NAME, Outcome.INCONCLUSIVE, f"{said}; labels are awaited", evidence)
        return _verdict(NAME, Outcome.PASSED, f"no decline: {said}", evidence)

    def _count(
        self, holder: Champion, memory: dict[str, Any], joined: Labelled, until: float
    ) -> None:
        """Take labelled rows into the memory."""
        memory["told"] = memory.get("told", 0) + joined.known
        if not len(joined.labels):
            return
        p, y = joined.predictions, joined.labels
        if "loss" not in memory:
            memory["loss"] = named(self.settings.monitor.quality.metric, p, y)
            memory["scores"] = is_probability(p, y)
        name = memory["loss"]
        rows = losses(name, p, y)
        memory["rows"] = memory.get("rows", 0) + len(rows)
        before = None
        if memory["scores"]:
            before = foreseen(name, p, memory.get("calibration"))
            _calibrate(memory, p, y)
        history = memory.setdefault("history", [])
        history.append([until, len(rows), float(rows.mean()), float(rows.var()),
                        float(joined.times.min()), float(joined.times.mean()),
                        *(before or (None, None))])  # fmt: skip
        memory["history"] = history[-_KEPT:]
        if memory.get("baseline") is None:
            self._baseline(holder, memory, rows)
            if memory.get("baseline") is None or memory["baseline"]["from"] == _FIRST:
                return  # what says what is normal cannot be evidence against it
        process = DeclineProcess.from_dict(memory["process"])
        process.add(rows)
        memory["process"] = process.to_dict()
        if process.peak >= -math.log(self.settings.monitor.quality.alpha):
            memory["declined"] = True

    def _baseline(self, holder: Champion, memory: dict[str, Any], rows: Any) -> None:
        """Find out what is normal: from the gates, or else from the first labels."""
        name, wanted = memory["loss"], self.settings.monitor.quality
        measured = from_gate(name, self._gates(holder))
        if measured is not None:
            value, upper = measured
            memory["baseline"] = {"value": value, "from": "at the gates"}
        else:
            n, total, squares = memory.get("first", [0, 0.0, 0.0])
            n, total = n + len(rows), total + float(rows.sum())
            squares += float((rows**2).sum())
            memory["first"] = [n, total, squares]
            if n < LEAST_BASELINE:
                return
            value = total / n
            deviation = math.sqrt(max(squares / n - value**2, 0.0))
            upper = value + 2.33 * deviation / math.sqrt(n)  # the mean is above in 1 of 100 cases
            memory["baseline"] = {"value": value, "from": _FIRST}
        tolerated = upper + wanted.decline
        most = MOST.get(name, 20.0 * max(tolerated, 1e-12))
        memory["process"] = DeclineProcess(tolerated, most).to_dict()

    def _gates(self, holder: Champion) -> dict[str, tuple[float, float | None]]:
        """Return what the gates measured of the champion: metric -> (value, bad end)."""
        version = self.journal.get("version", f"{self.settings.model.name}/{holder.version}")
        run = str(version.value.get("run_id")) if version else ""
        judged = self.journal.get("judgement", run)
        found: dict[str, tuple[float, float | None]] = {}
        for item in judged.value.get("verdicts", []) if judged else []:
            for one in Verdict.from_dict(item).evidence:
                metric = one.name.removeprefix("candidate.")
                if one.value is not None and metric != one.name and metric.isidentifier():
                    bad = one.low if one.comparison == ">" else one.high
                    found[metric] = (one.value, bad)
        return found

    def _conclude(self, state: WatchState, found: Findings, now: float) -> None:
        memory = state.quality
        verdict = self.judge(memory)
        found.add("quality", (verdict,))
        found.judged("quality", verdict, {"labelled": memory.get("rows", 0)})
        found.asked.append("quality")
        if not memory.get("declined"):
            return
        evidence = verdict.evidence[0]
        since = _since(memory, evidence.threshold or 0.0, now)
        cause = self._cause(state, evidence.threshold or 0.0)
        alert = Alert(
            "quality", "severe", verdict.words, since, evidence.value, evidence.threshold, cause,
            "penstock retrain; or penstock rollback",
        )  # fmt: skip
        found.alerts.append(alert)
        if not memory.get("announced"):
            memory["announced"] = True
            data = {
                "monitor": "quality", "metric": memory["loss"], "value": evidence.value,
                "tolerated": evidence.threshold, "baseline": memory["baseline"]["value"],
                "log_e": evidence.details["log_e"], "labelled": memory["rows"], "since": since,
                "cause": cause,
            }  # fmt: skip
            found.events.append((EventType.QUALITY_DECLINED, data, "quality"))

    def _cause(self, state: WatchState, tolerated: float) -> str:
        """Return what a decline probably comes from."""
        same = reckon(state.quality["history"])
        if same is not None:
            said = f"{same.estimated:.4g} was to be expected of these requests"
            if same.estimated > tolerated:
                return f"harder requests than before: {said}"
            return f"the relation of features and label changed: {said}"
        bad = [one.name for one in state.said("drift") if one.outcome is Outcome.FAILED]
        drifted = [one.removeprefix("drift of ") for one in bad if one.startswith("drift of ")]
        if drifted:
            return f"requests changed: {', '.join(drifted[:3])} drifted"
        return "no feature drifted: the relation of features and label changed, or labels are wrong"

    def _against(self, memory: dict[str, Any]) -> tuple[str, bool]:
        """Return what labels say of the estimate, and whether they contradict it."""
        same = reckon(memory["history"])
        if same is None:
            return "", False
        said = (
            f"{same.estimated:.4g} was to be expected of the last {same.rows:,} labelled rows, "
            f"{same.realised:.4g} came of them"
        )
        if same.contradicts(self.settings.monitor.quality.decline):
            return f". Labels contradict it, the assumption does not hold: {said}", True
        return f". Labels agree: {said}", False

    def _estimate(self, holder: Champion, state: WatchState, found: Findings) -> None:
        """Estimate the loss of the newest window without its labels."""
        memory = state.quality
        if not memory.get("scores") or not state.windows:
            return
        window = state.windows[-1]
        rows, positives = (np.asarray(one) for one in memory["calibration"])
        done = [window["until"], memory["rows"]]
        if rows.sum() < CALIBRATION_ROWS or memory.get("estimated") == done:
            return
        table = self.observations.read(
            window["since"], window["until"], version=holder.version, role="champion", labels=False
        )
        scores = table["prediction"].to_numpy() if table.num_rows else np.empty(0)
        scores = scores[~np.isnan(scores)] if scores.dtype.kind == "f" else np.empty(0)
        if not len(scores):
            return
        memory["estimated"] = done
        metrics = estimate.expected(scores, estimate.calibration(rows, positives))
        loss = memory["loss"]
        value = 1.0 - metrics["accuracy"] if loss == "error_rate" else metrics.get(loss)
        memory["estimate"] = value
        known = [one for one in memory.get("estimates", []) if one[0] != window["until"]]
        memory["estimates"] = [*known, [window["until"], value]][-_KEPT:]
        baseline = memory.get("baseline")
        against, contradicted = self._against(memory)
        evidence = Evidence(
            f"estimated {loss}", value, n=len(scores), method="confidence-based estimation",
            threshold=DeclineProcess.from_dict(memory["process"]).tolerated if baseline else None,
            comparison="<" if baseline else "",
            details={**metrics, "assumes": ASSUMPTION, "contradicted": contradicted},
        )  # fmt: skip
        worse = evidence.threshold is not None and value is not None and value > evidence.threshold
        words = f"{loss} {value:.4g} on the last {len(scores):,} rows: {ASSUMPTION}{against}"
        outcome = Outcome.INCONCLUSIVE if worse or contradicted else Outcome.PASSED
        found.add("estimate", (_verdict(ESTIMATED, outcome, words, evidence),))


_FIRST = "on the first labels in production"


def _calibrate(memory: dict[str, Any], score: Any, label: Any) -> None:
    """Count scores and labels; rows beyond some thousands weigh the older ones down."""
    inside = (score >= 0) & (score <= 1)
    rows, positives = estimate.tally(score[inside], np.asarray(label)[inside] > 0.5)
    old = memory.get("calibration")
    if old is not None:
        fade = min(1.0, 20_000.0 / max(float(np.sum(old[0])), 1.0))
        rows, positives = rows + fade * np.asarray(old[0]), positives + fade * np.asarray(old[1])
    memory["calibration"] = [rows.round(3).tolist(), positives.round(3).tolist()]


def _recent(history: list[list[float]], most: int = 500) -> dict[str, Any]:
    """Return the mean loss of the last batches, with a 95 % interval."""
    n, total, squares = 0, 0.0, 0.0
    for _, rows, mean, variance, *_ in reversed(history):
        if n and n + rows > most:
            break
        n, total = n + int(rows), total + rows * mean
        squares += rows * (variance + mean**2)
    value = total / n
    half = 1.96 * math.sqrt(max(squares / n - value**2, 0.0) / n)
    return {"value": value, "low": value - half, "high": value + half, "rows": n}


def _since(memory: dict[str, Any], tolerated: float, now: float) -> float:
    """Return when the decline began: where the excess over what is tolerated last turned up."""
    best, excess, since = 0.0, 0.0, now
    start: float | None = None
    for _, rows, mean, _, first, *_ in memory["history"]:
        if excess <= 0.0:
            excess, start = 0.0, first
        excess += rows * (mean - tolerated)
        if excess >= best and start is not None:
            best, since = excess, start
    return since


def _verdict(
    name: str,
    outcome: Outcome,
    words: str,
    evidence: Evidence | None = None,
    *,
    needs: int | None = None,
    hint: str | None = None,
) -> Verdict:
    return Verdict(
        name, outcome, words, kind="quality", evidence=(evidence,) if evidence else (),
        blocking=False, needs=needs, hint=hint,
    )  # fmt: skip
