"""The exam of a target: what a rollout relies on, asked of any implementation.

Whoever writes a target subclasses `TargetExam` in a test and gives two fixtures; pytest does the
rest. Penstock's own targets take the same exam.

    class TestMyTarget(TargetExam):
        @pytest.fixture
        def target(self):
            return MyTarget(...)

        @pytest.fixture
        def bundles(self):
            return good_bundle_1, good_bundle_2, bundle_that_cannot_start
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.domain.version import Bundle
from penstock.errors import StateError
from penstock.rollouts import Target

Bundles = tuple[Bundle, Bundle, Bundle]


class TargetExam:
    """Tests for a target.

    Fixtures to give: ``target``, one that does not run yet, and ``bundles``: two that can be served
    and one that cannot.

    Attributes:
        patience: seconds that a version may take to start.
    """

    patience: float = 120.0

    def pass_time(self, target: Target) -> None:
        """Wait a little; a simulated target lets its own time pass instead."""
        del target
        time.sleep(0.05)

    def until(self, target: Target, wanted: Callable[[TargetStatus], bool]) -> TargetStatus:
        """Observe until a condition holds."""
        deadline = time.monotonic() + self.patience
        while True:
            status = target.observe()
            if wanted(status):
                return status
            assert time.monotonic() < deadline, f"it did not come about: {status}"
            self.pass_time(target)

    def test_what_does_not_run_says_so(self, target: Target) -> None:
        """Observing never raises, and stopping what does not run does nothing."""
        assert not target.observe().running
        target.stop()
        assert not target.observe().running

    def test_starting_and_stopping_may_be_repeated(self, target: Target) -> None:
        """Both are idempotent."""
        target.start()
        target.start()
        assert self.until(target, lambda status: status.running).running
        target.stop()
        target.stop()
        self.until(target, lambda status: not status.running)

    def test_a_table_comes_into_force(self, target: Target, bundles: Bundles) -> None:
        """The generation is reported, and what must run gets ready, with or without weight."""
        first, second, _ = bundles
        target.start()
        table = TrafficTable(1, (first, second), champion=first.version)
        target.apply(table)
        target.apply(table)
        assert target.observe().generation == 1
        self.until(target, lambda status: status.ready == {first.version, second.version})
        target.apply(TrafficTable(2, (second,), champion=second.version))
        assert target.observe().generation == 2
        self.until(target, lambda status: status.ready == {second.version})

    def test_an_older_table_changes_nothing(self, target: Target, bundles: Bundles) -> None:
        """It is refused, silently or not."""
        first, second, _ = bundles
        target.start()
        target.apply(TrafficTable(5, (first,), champion=first.version))
        with contextlib.suppress(StateError):
            target.apply(TrafficTable(4, (second,), champion=second.version))
        assert target.observe().generation == 5
        self.until(target, lambda status: status.ready == {first.version})

    def test_the_table_survives_a_restart(self, target: Target, bundles: Bundles) -> None:
        """It was recorded durably before `apply` returned."""
        first, _, _ = bundles
        target.start()
        target.apply(TrafficTable(7, (first,), champion=first.version))
        target.stop()
        target.start()
        status = self.until(target, lambda status: first.version in status.ready)
        assert status.generation == 7

    def test_what_cannot_start_is_named_with_its_reason(
        self, target: Target, bundles: Bundles
    ) -> None:
        """The others serve meanwhile."""
        first, _, broken = bundles
        target.start()
        both = TrafficTable(1, (first, broken), first.version, broken.version)
        target.apply(both)
        status = self.until(target, lambda status: broken.version in status.failed)
        assert status.failed[broken.version]
        assert broken.version not in status.ready
        self.until(target, lambda status: first.version in status.ready)
