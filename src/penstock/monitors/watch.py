"""The watcher: one look at a project's live traffic, that may be repeated and killed anywhere.

A look judges every window that has become complete since the last one, then quality and age of the
champion. What a window said, the events of it and the alerts that it raised are written down in
one transaction; alerts are told afterwards, from an outbox in the same record, so that none is
lost when the process dies in between.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.config.settings import Settings
from penstock.domain.event import Event, EventType
from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import PenstockError, StateError
from penstock.journal import Journal
from penstock.monitors import notify, origin, unknown
from penstock.monitors.alerts import Alert, update
from penstock.monitors.culprits import Culprits, find
from penstock.monitors.drift import PREDICTION
from penstock.monitors.endpoint import ServedModel
from penstock.monitors.findings import Findings, drift_findings, extended, stale
from penstock.monitors.origin import Champion
from penstock.monitors.quality import QualityMonitor
from penstock.monitors.reference import Feature, Reference, build_reference, read_rows
from penstock.monitors.skew import LiveEndpoint, SkewMonitor
from penstock.monitors.state import KIND, WatchState
from penstock.monitors.traffic import Part, named, settling, windows
from penstock.observations import Observations

MOST_WINDOWS = 100
"""Windows judged in one look; the next look takes up the rest."""
SKEW_EVERY = 86_400.0
"""Seconds between two replays of training rows ..."""
SKEW_AGAIN = 600.0
"""... and before the next one when nothing could be compared."""


class Watcher:
    """Watches the champion of one project.

    Args:
        root: of the project.
        settings: of the project.
        journal: where its memory and the events go.
        observations: the prediction log; by default the project's.
        settle: seconds after which the log has all of a moment; by default the time-out of
            requests and a flush.
        endpoint: the live endpoint, for training/serving skew; by default the project's gateway.
    """

    def __init__(
        self,
        root: Path,
        settings: Settings,
        journal: Journal,
        *,
        observations: Observations | None = None,
        settle: float | None = None,
        endpoint: LiveEndpoint | None = None,
    ) -> None:
        self.root = root
        self.settings = settings
        self.journal = journal
        self.observations = observations or Observations(root / ".penstock" / "observations")
        self._settle = settling(settings) if settle is None else settle
        self._endpoint = endpoint or ServedModel(root / ".penstock" / "serve")
        self._reference: tuple[str, Reference] | None = None

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.settings.model.name

    def state(self) -> WatchState:
        """Return what the last look left behind."""
        record = self.journal.get(KIND, self.model)
        return WatchState() if record is None else WatchState.from_dict(record.value)

    def reference(self, version: str) -> Reference:
        """Return the reference of a version, with the one of its own answers if there is one.

        Raises:
            StateError: ``monitor.no-reference``.
        """
        if self._reference is None or self._reference[0] != version:
            made = origin.reference_of(self.root, self.settings, self.journal, version)
            self._reference = (version, made)
        return self._reference[1]

    def culprits(self) -> Culprits | None:
        """Let a classifier tell the last window from the training data; None without a window.

        Raises:
            StateError: ``monitor.no-reference``, ``monitor.no-classifier``, ``monitor.too-few``.
        """
        state = self.state()
        if not state.windows:
            return None
        last = state.windows[-1]
        live = self.observations.read(
            last["since"], last["until"], version=state.version, role="champion", labels=False
        )
        name = f"{self.model}/{state.version}"
        path, _, _ = origin.rows_of(self.root, self.settings, self.journal, name)
        return find(self.reference(state.version), read_rows(path), named(live))

    def look(self, now: float | None = None) -> tuple[Verdict, ...]:
        """Take one look; return the newest verdict of every monitor.

        Args:
            now: seconds since the epoch; rows that came later are not looked at.

        Raises:
            UnavailableError: the journal cannot be written; nothing was lost, look again.
        """
        now = time.time() if now is None else now
        holder = origin.champion(self.journal)
        if holder is None or not holder.version:
            words = "no version has been deployed yet"
            return (Verdict("drift", Outcome.INCONCLUSIVE, words, kind="drift", blocking=False),)
        try:
            self._watch(holder, now)
        except StateError as error:
            if error.code != "journal.conflict":
                raise
            # Somebody else took the same look; what it wrote is as good as ours.
        self.tell(now)
        return self.state().said()

    def tell(self, now: float) -> int:
        """Tell what is in the outbox; return how much could not be told and is kept."""
        record = self.journal.get(KIND, self.model)
        if record is None or not record.value.get("outbox"):
            return 0
        kept = []
        for item in record.value["outbox"]:
            alert, left = Alert.from_dict(item["alert"]), []
            for index in item["to"]:
                if index < len(self.settings.monitor.notify):
                    receiver = self.settings.monitor.notify[index]
                    left += [] if self._told(receiver, alert, item["status"]) else [index]
            # What nobody took for a day is old news.
            if left and now - item["at"] < 86_400.0:
                kept.append({**item, "to": left})
        with self.journal.transaction() as tx:
            present = tx.get(KIND, self.model)
            if present is not None and present.generation == record.generation:
                tx.put(KIND, self.model, {**present.value, "outbox": kept})
        return len(kept)

    def _told(self, receiver: Any, alert: Alert, status: str) -> bool:
        try:
            notify.tell(receiver, alert, status, root=self.root)
        except PenstockError:
            return False  # it stays in the outbox, which `penstock monitor status` shows
        return True

    def _watch(self, holder: Champion, now: float) -> None:
        state, generation = self._remembered(holder)
        if self.settings.monitor.enabled:
            for count, part in enumerate(self._windows(holder, state, now)):
                if count >= MOST_WINDOWS:
                    break
                generation = self._judge(holder, state, part, generation, now)
        found = Findings()
        QualityMonitor(self.settings, self.journal, self.observations).look(
            holder, state, found, now, settle=self._settle
        )
        stale(self.settings, holder, state, found, now)
        self._skew(holder, state, found, now)
        self._write(holder, state, found, generation, now)

    def _remembered(self, holder: Champion) -> tuple[WatchState, int]:
        """Return the memory, begun anew when another version holds the traffic."""
        record = self.journal.get(KIND, self.model)
        state = WatchState() if record is None else WatchState.from_dict(record.value)
        if state.version != holder.version or state.began != holder.since:
            old = state
            state = WatchState(holder.version, holder.since, holder.since)
            state.alerts, state.outbox = old.alerts, old.outbox
        return state, record.generation if record else 0

    def _windows(self, holder: Champion, state: WatchState, now: float) -> Any:
        return windows(
            self.observations,
            version=holder.version,
            since=state.since,
            until=now - self._settle,
            rows=self.settings.monitor.window,
        )

    def _judge(
        self, holder: Champion, state: WatchState, part: Part, generation: int, now: float
    ) -> int:
        """Judge one window and write down what it said."""
        found = Findings()
        try:
            reference = self.reference(holder.version)
        except StateError as error:
            verdict = Verdict(
                "drift", Outcome.ERROR, error.message, kind="drift", blocking=False,
                hint=error.hint,
            )  # fmt: skip
            found.add("drift", (verdict,))
        else:
            wrong = unknown.features(self.settings.monitor.drift, reference.features)
            if wrong or state.verdicts.get("settings"):
                found.add("settings", unknown.said(wrong))
            reference = self._with_answers(reference, state, part)
            drift_findings(self.settings.monitor, reference, state, part, found)
            extended(self.settings.monitor, reference, part, found)
        state.since = part.until
        state.judged += 1
        return self._write(holder, state, found, generation, now)

    def _with_answers(self, reference: Reference, state: WatchState, part: Part) -> Reference:
        """Add the champion's answers as a feature; its first window says what is normal."""
        if PREDICTION not in part.table.column_names or PREDICTION in reference.features:
            return reference
        if state.prediction is None:
            rows = {PREDICTION: part.table[PREDICTION]}
            if rows[PREDICTION].null_count == part.table.num_rows:
                return reference
            made = build_reference(rows, window=part.table.num_rows)
            state.prediction = made.features[PREDICTION].to_dict()
        feature = Feature.from_dict(state.prediction)
        return replace(reference, features={**reference.features, PREDICTION: feature})

    def _skew(self, holder: Champion, state: WatchState, found: Findings, now: float) -> None:
        if not self.settings.monitor.skew:
            found.switched_off("skew", state)
            return
        if now - state.skew < SKEW_EVERY:
            return
        verdict = SkewMonitor(self.root, self.settings, self.journal, self._endpoint).judge(
            holder.version
        )
        if verdict is not None:
            again = SKEW_EVERY - SKEW_AGAIN if verdict.outcome is Outcome.ERROR else 0.0
            state.skew = now - again
            found.skew(self.settings, holder, verdict, now)

    def _write(
        self, holder: Champion, state: WatchState, found: Findings, generation: int, now: float
    ) -> int:
        """Write state, events and alerts in one transaction; return the new generation."""
        named = [replace(one, model=self.model, version=holder.version) for one in found.alerts]
        # An alert is about a version: with its traffic it is over, and another one's begins anew.
        change = update(
            state.open_alerts(), named, found.asked, now,
            gone=[key for key, one in state.alerts.items() if one["version"] != holder.version],
        )  # fmt: skip
        for kind, verdicts in found.verdicts.items():
            state.say(kind, verdicts)
        state.alerts = {key: one.to_dict() for key, one in change.open.items()}
        state.outbox += self._to_tell(change.raised, notify.FIRING, now)
        state.outbox += self._to_tell(change.resolved, notify.RESOLVED, now)
        subject = f"{self.model}/{holder.version}"
        before = self.journal.get(KIND, self.model)
        silent = not found.events and not change.raised and not change.resolved
        if silent and before is not None and before.value == state.to_dict():
            return generation
        with self.journal.transaction() as tx:
            causes: dict[str, int] = {}
            for kind, data, after in found.events:
                cause = causes.get(after, holder.event)
                event = tx.append(Event(kind, subject, data, cause=cause, time=now))
                causes[str(data.get("monitor", kind.value))] = event.id
            for kind, alerts in (
                (EventType.ALERT_RAISED, change.raised),
                (EventType.ALERT_RESOLVED, change.resolved),
            ):
                for one in alerts:
                    cause = causes.get(one.key.partition(":")[0], holder.event)
                    tx.append(Event(kind, subject, one.to_dict(), cause=cause, time=now))
            return tx.put(KIND, self.model, state.to_dict(), expected=generation)

    def _to_tell(self, alerts: Sequence[Alert], status: str, now: float) -> list[dict[str, Any]]:
        receivers = self.settings.monitor.notify
        items = []
        for alert in alerts:
            to = [k for k, one in enumerate(receivers) if notify.wanted(one, alert)]
            if to:
                items.append({"alert": alert.to_dict(), "status": status, "to": to, "at": now})
        return items
