"""What extensions of the monitors must do; penstock's own do it in the same way."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from penstock.config.settings import MonitorSettings
from penstock.domain.verdict import Verdict
from penstock.monitors.alerts import Alert
from penstock.monitors.reference import Reference
from penstock.monitors.window import Window


class Monitor(Protocol):
    """Judges windows of live traffic; registered in the group ``penstock.monitors``.

    It is called by the process that watches, once per complete window, in one thread, and again
    for the same window when that process was killed: it keeps no state and has no effects. It
    changes none of its arguments. Verdicts are about the world, so they do not block; one that
    failed raises an alert that names it, and is over when a later window passes.
    """

    def judge(self, reference: Reference, window: Window, rows: Any) -> Sequence[Verdict]:
        """Return what it has to say of a window, each verdict with a name of its own.

        Args:
            reference: what is normal.
            window: counts of the live rows in the reference's cells.
            rows: the live rows as a `pyarrow.Table`: features, and ``prediction``.
        """
        ...


class MonitorFactory(Protocol):
    """What the entry point of a monitor names."""

    def __call__(self, settings: MonitorSettings) -> Monitor:
        """Return the monitor of a project."""
        ...


class Notifier(Protocol):
    """Tells somebody of alerts; registered in the group ``penstock.notifiers``.

    It is called by the process that watches, in one thread. An alert may be told twice after a
    crash, with an equal `Alert.id`. A call takes seconds at most, and is over when it returns:
    nothing is left for later. What could not be told raises `UnavailableError` and is told again
    at the next look. Addresses hold secrets: they are never written down.
    """

    def tell(self, alert: Alert, status: str) -> None:
        """Tell of one alert.

        Args:
            alert: what.
            status: ``firing`` or ``resolved``.

        Raises:
            UnavailableError: it was not received; an `OSError` is taken as that.
            ConfigError: the address is none; it is said at each look.
        """
        ...


class NotifierFactory(Protocol):
    """What the entry point of a notifier names."""

    def __call__(self, to: str, *, root: Path) -> Notifier:
        """Return the notifier of an address.

        Args:
            to: as in penstock.yaml; ``$NAME`` is filled in with `penstock.monitors.notify.address`
                when something is told, not before.
            root: of the project.
        """
        ...
