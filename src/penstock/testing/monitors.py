"""The exams of monitors and notifiers: what penstock relies on, asked of any implementation.

Whoever writes one subclasses the exam in a test and gives a fixture; pytest does the rest.
Penstock's own take the same exams.

    class TestMyMonitor(MonitorExam):
        @pytest.fixture
        def factory(self):
            return MyMonitor

    class TestMyNotifier(NotifierExam):
        @pytest.fixture
        def receiver(self, my_server):
            return Receiver(MyNotifier, my_server.url, my_server.messages, my_server.stop)
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from penstock.config.settings import MonitorSettings
from penstock.domain.verdict import Verdict
from penstock.errors import UnavailableError
from penstock.monitors.alerts import Alert
from penstock.monitors.interface import MonitorFactory, NotifierFactory
from penstock.monitors.reference import Reference, build_reference
from penstock.monitors.window import Window, count_rows

ALERT = Alert(
    "drift",
    "severe",
    "1 of 9 features drifted: größe (up by 0.50 sd)",
    1_700_000_000.0,
    12.5,
    1.0,
    "größe alone moved",
    "penstock retrain",
    "mini",
    "3",
    1_700_000_500.0,
)


class MonitorExam:
    """Tests for a monitor. The fixture to give: ``factory``, what its entry point names."""

    def rows(self, seed: int, count: int, shift: float = 0.0) -> Any:
        """Return rows of a number, a text and the model's answers, as a `pyarrow.Table`."""
        import pyarrow as pa

        rng = np.random.default_rng(seed)
        town = rng.choice(["Bonn", "Ulm", "Kiel"], count).tolist()
        values = {"size": rng.normal(shift, 1.0, count), "town": town}
        return pa.table({**values, "prediction": rng.random(count)})

    def judged(
        self, factory: MonitorFactory, table: Any
    ) -> tuple[Sequence[Verdict], Reference, Window]:
        """Let a monitor judge a window."""
        reference = build_reference(self.rows(1, 5000), window=500)
        window = count_rows(reference, table, since=10.0, until=20.0)
        return factory(MonitorSettings()).judge(reference, window, table), reference, window

    def test_each_verdict_has_a_name_of_its_own_and_words(self, factory: MonitorFactory) -> None:
        """It answers with verdicts that people can read."""
        verdicts, _, _ = self.judged(factory, self.rows(2, 500))
        names = [one.name for one in verdicts]
        assert all(isinstance(one, Verdict) for one in verdicts)
        assert len(set(names)) == len(names)
        assert all(one.words for one in verdicts)

    def test_it_never_blocks(self, factory: MonitorFactory) -> None:
        """A verdict on the world stops nothing."""
        verdicts, _, _ = self.judged(factory, self.rows(2, 500, shift=3.0))
        assert not any(one.blocking for one in verdicts)

    def test_the_same_window_gets_the_same_verdicts(self, factory: MonitorFactory) -> None:
        """A look that was killed is taken again."""
        first, _, _ = self.judged(factory, self.rows(2, 500))
        again, _, _ = self.judged(factory, self.rows(2, 500))
        assert [one.to_dict() for one in first] == [one.to_dict() for one in again]

    def test_it_changes_nothing_that_it_is_given(self, factory: MonitorFactory) -> None:
        """Other monitors judge the same window."""
        table = self.rows(2, 500)
        _, reference, window = self.judged(factory, table)
        assert table.equals(self.rows(2, 500))
        assert reference.to_dict() == build_reference(self.rows(1, 5000), window=500).to_dict()
        again = count_rows(reference, table, since=10.0, until=20.0)
        counts = {name: one.tolist() for name, one in window.counts.items()}
        assert counts == {name: one.tolist() for name, one in again.counts.items()}

    def test_a_short_window_is_no_crash(self, factory: MonitorFactory) -> None:
        """So are a row of nothing, and columns that nobody knows."""
        import pyarrow as pa

        for count in (0, 1, 5):
            self.judged(factory, self.rows(3, count))
        self.judged(factory, pa.table({"size": [None, None], "new": [1.0, 2.0]}))


@dataclass(frozen=True)
class Receiver:
    """Whoever is told in an exam.

    Attributes:
        factory: of the notifier.
        to: the receiver's address.
        told: returns the texts that have arrived so far.
        stop: makes it unreachable.
    """

    factory: NotifierFactory
    to: str
    told: Callable[[], Sequence[str]]
    stop: Callable[[], None]


class NotifierExam:
    """Tests for a notifier. The fixture to give: ``receiver``, a `Receiver` of its own."""

    def tell(self, receiver: Receiver, alert: Alert, status: str, root: Path) -> None:
        """Tell of an alert, as the watcher does."""
        receiver.factory(receiver.to, root=root).tell(alert, status)

    def test_all_that_matters_arrives(self, receiver: Receiver, tmp_path: Path) -> None:
        """What, who, why, and the command to act."""
        self.tell(receiver, ALERT, "firing", tmp_path)
        (text,) = receiver.told()
        for word in ("größe", "mini", "3", "alone moved", "penstock retrain"):
            assert word in text

    def test_it_has_arrived_when_the_call_is_over(self, receiver: Receiver, tmp_path: Path) -> None:
        """Nothing is left for later, so nothing is lost with the process."""
        for number in range(3):
            self.tell(receiver, replace(ALERT, since=float(number)), "firing", tmp_path)
            assert len(receiver.told()) == number + 1

    def test_the_end_of_an_alert_is_told(self, receiver: Receiver, tmp_path: Path) -> None:
        """And can be told from its beginning."""
        self.tell(receiver, ALERT, "firing", tmp_path)
        self.tell(receiver, ALERT, "resolved", tmp_path)
        first, last = receiver.told()
        assert first != last

    def test_values_may_be_missing(self, receiver: Receiver, tmp_path: Path) -> None:
        """Not every alert has a number or a cause."""
        bare = replace(ALERT, value=None, threshold=None, cause="", command="")
        self.tell(receiver, bare, "firing", tmp_path)
        assert len(receiver.told()) == 1

    def test_a_receiver_that_is_gone(self, receiver: Receiver, tmp_path: Path) -> None:
        """It is an error that says so soon, not a silence: the alert is told again later."""
        receiver.stop()
        began = time.monotonic()
        try:
            self.tell(receiver, ALERT, "firing", tmp_path)
        except (UnavailableError, OSError):
            assert time.monotonic() - began < 60.0
            return
        raise AssertionError("nobody was told, and nothing said so")
