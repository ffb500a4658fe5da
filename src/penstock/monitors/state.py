"""What a watcher remembers between two looks: one record of the journal, bounded in size."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from penstock.domain.verdict import Verdict
from penstock.monitors.alerts import Alert

KIND = "monitor"
"""Kind of the journal's record; the id is the model's name."""
KEPT_WINDOWS = 200
"""Windows whose numbers are kept, for reports; events keep the rest."""


@dataclass
class WatchState:
    """The memory of a watcher.

    Attributes:
        version: the champion that is watched.
        began: when it became champion, in seconds since the epoch.
        since: where the next window begins.
        judged: windows judged of this champion.
        streaks: feature -> windows in a row in which it was in alarm.
        windows: numbers of the last windows, the newest last.
        verdicts: of the last window and the last looks, by kind.
        last: counts of the last window per feature, for the report.
        recent: counts of the last windows, in which small shifts that last are sought.
        prediction: the reference of the champion's own answers, None before its first window.
        quality: memory of the quality monitor.
        alerts: that are open, by key.
        outbox: alerts that are to be told still: {"alert": ..., "status": "firing"|"resolved"}.
        skew: when training rows were last replayed, in seconds since the epoch.
    """

    version: str = ""
    began: float = 0.0
    since: float = 0.0
    judged: int = 0
    streaks: dict[str, int] = field(default_factory=dict)
    windows: list[dict[str, Any]] = field(default_factory=list)
    verdicts: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    last: dict[str, list[int]] = field(default_factory=dict)
    recent: list[dict[str, Any]] = field(default_factory=list)
    prediction: dict[str, Any] | None = None
    quality: dict[str, Any] = field(default_factory=dict)
    alerts: dict[str, dict[str, Any]] = field(default_factory=dict)
    outbox: list[dict[str, Any]] = field(default_factory=list)
    skew: float = 0.0

    def open_alerts(self) -> dict[str, Alert]:
        """Return the alerts that are open, by key."""
        return {key: Alert.from_dict(one) for key, one in self.alerts.items()}

    def keep(self, numbers: dict[str, Any]) -> None:
        """Keep the numbers of one more window; the oldest are forgotten."""
        self.windows = [*self.windows, numbers][-KEPT_WINDOWS:]

    def say(self, kind: str, verdicts: tuple[Verdict, ...]) -> None:
        """Keep the newest verdicts of a kind."""
        self.verdicts[kind] = [one.to_dict() for one in verdicts]

    def said(self, kind: str | None = None) -> tuple[Verdict, ...]:
        """Return the newest verdicts, of one kind or of all."""
        chosen = [self.verdicts.get(kind, [])] if kind else self.verdicts.values()
        return tuple(Verdict.from_dict(one) for part in chosen for one in part)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> WatchState:
        """Read what `to_dict` wrote; what a later version wrote besides is left out."""
        known = {name: item[name] for name in cls.__dataclass_fields__ if name in item}
        return cls(**known)
