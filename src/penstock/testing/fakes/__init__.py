"""Stand-ins that behave: a clock, a target with simulated traffic, a registrar.

They keep the contracts of the real parts (`penstock.rollouts.interface`), so a rollout can be
simulated as a whole in milliseconds.
"""

from penstock.testing.fakes.clock import FakeClock
from penstock.testing.fakes.registrar import FakeRegistrar
from penstock.testing.fakes.target import Behaviour, FakeTarget

__all__ = ["Behaviour", "FakeClock", "FakeRegistrar", "FakeTarget"]
