"""The simulated target takes the exam of targets."""

import pytest

from penstock.testing.fakes import Behaviour, FakeTarget
from penstock.testing.simulation import bundle
from penstock.testing.targets import TargetExam


class TestFakeTarget(TargetExam):
    @pytest.fixture
    def target(self):
        return FakeTarget({"3": Behaviour(starts="it is broken")})

    @pytest.fixture
    def bundles(self):
        return bundle("1"), bundle("2"), bundle("3")

    def pass_time(self, target):
        target.pass_time(0.25)
