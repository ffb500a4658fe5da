"""A world for rollouts: simulated traffic, a real journal, a clock that stands still."""

from dataclasses import dataclass, field

import pytest

from penstock.journal import Journal
from penstock.rollouts import Controller
from penstock.testing.fakes import Behaviour, FakeClock, FakeRegistrar, FakeTarget
from penstock.testing.simulation import QUICK, bundle


@dataclass
class World:
    journal: Journal
    target: FakeTarget
    registrar: FakeRegistrar
    clock: FakeClock
    controller: Controller
    phases: list[str] = field(default_factory=list)

    def start(self, strategy=QUICK, champion="1", challenger="2"):
        return self.controller.start(
            strategy, bundle(champion) if champion else None, bundle(challenger)
        )

    def run(self, id, until="ended"):
        def listen(state):
            if not self.phases or self.phases[-1] != state.phase.value:
                self.phases.append(state.phase.value)

        return self.controller.run_until(id, until, listener=listen)

    def until(self, id, wanted, looks=400):
        """Step until a condition on the state holds."""
        for _ in range(looks):
            state = self.controller.step(id)
            if wanted(state):
                return state
            self.clock.sleep(0.25)
        raise AssertionError(f"never: {state.phase} {state.words}")

    def events(self, subject=None):
        return [one.type.value for one in self.journal.events(subject=subject)]


@pytest.fixture
def make(tmp_path):
    worlds = []

    def made(behaviours=None, *, rate=200.0, seed=0, registrar=None, target=None):
        clock = FakeClock()
        target = target or FakeTarget(behaviours or {}, rate=rate, seed=seed)
        clock.watch(target.pass_time)
        journal = Journal(tmp_path / f"world-{len(worlds)}" / "journal.db", clock=clock.time)
        registrar = registrar or FakeRegistrar("1")
        controller = Controller(journal, target, registrar, clock)
        worlds.append(World(journal, target, registrar, clock, controller))
        return worlds[-1]

    yield made
    for one in worlds:
        one.journal.close()


@pytest.fixture
def world(make):
    return make()


@pytest.fixture
def broken(make):
    return make({"2": Behaviour(error_rate=0.3)})
