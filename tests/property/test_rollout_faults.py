"""Rollouts in a world where everything fails: one champion, never too much traffic, always an end.

The real controller, decision, analysis and journal; simulated traffic, time and trouble.
"""

import contextlib
import random
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from penstock.domain.event import EventType
from penstock.domain.rollout import RolloutPhase
from penstock.errors import PenstockError
from penstock.rollouts import Controller
from penstock.rollouts.strategy import effective_steps
from penstock.testing.fakes import Behaviour, FakeClock
from penstock.testing.fakes.faults import (
    Crash,
    Faults,
    FaultyJournal,
    FaultyRegistrar,
    FaultyTarget,
)
from penstock.testing.simulation import QUICK, bundle

STRATEGY = replace(QUICK, interval=0.5, probation=3.0, start_seconds=30.0, max_seconds=120.0)
GOOD = Behaviour(start_seconds=0.5)
BAD = Behaviour(error_rate=0.4, start_seconds=0.5)
UNSTARTABLE = Behaviour(starts="it is broken")
CHANCES = ("crash", "lost", "stale", "down", "doubled", "refused")
MOVED = {"promoting", "probation", "promoted", "rolling-back"}


def folder():
    """A directory that is fast to write to: in memory where the machine has that."""
    shared = Path("/dev/shm")
    return tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None)


class World:
    """One rollout, its world, and what must hold at every moment."""

    def __init__(self, path, behaviour, faults, seed):
        self.faults = faults
        self.clock = FakeClock()
        self.target = FaultyTarget({"1": GOOD, "2": behaviour}, faults, rate=200.0, seed=seed)
        self.clock.watch(self.target.pass_time)
        self.registrar = FaultyRegistrar("1", faults)
        self.journal = FaultyJournal(path / "journal.db", faults, clock=self.clock.time)
        self.reached = 0.0
        self.aborted = self.helped = False
        self.crashes = 0
        loud = {name: getattr(faults, name) for name in CHANCES}
        faults.stop()
        self.id = self.controller().start(STRATEGY, bundle("1"), bundle("2"))
        for name, chance in loud.items():
            setattr(faults, name, chance)

    def controller(self):
        """A new process."""
        return Controller(self.journal, self.target, self.registrar, self.clock)

    def state(self):
        return self.controller().state(self.id)

    def step(self):
        with contextlib.suppress(PenstockError):
            self.alive(lambda: self.controller().step(self.id))
        self.check()

    def command(self, verb):
        def order():
            controller = self.controller()
            return getattr(controller, verb)(self.id, "asked for")

        ended = self.state().phase.ended
        with contextlib.suppress(PenstockError):
            self.alive(order)
        pending = self.state().pending
        self.aborted = self.aborted or (not ended and pending == "aborted")
        self.helped = self.helped or verb == "promote"
        self.check()

    def alive(self, what):
        try:
            what()
        except Crash:
            self.crashes += 1

    def check(self):
        state, table = self.state(), self.target.table
        steps = effective_steps(STRATEGY)
        if state.phase not in (RolloutPhase.STARTING, RolloutPhase.ROLLING_BACK):
            reached = steps[state.step].weight if state.step >= 0 else 0.0
            self.reached = max(self.reached, reached)
        assert table.champion in ("1", "2", None)
        assert table.weight <= self.reached, "more traffic than the step allows"
        if table.champion == "2":
            assert state.phase.value in MOVED or state.phase.ended
            assert table.weight == 0.0, "two versions want all the traffic"
        generations = [one.generation for one in self.target.history]
        assert generations == sorted(set(generations)), "a table was put in force twice"
        if state.phase.ended:
            self.check_end(state, table)

    def check_end(self, state, table):
        holder = "2" if state.phase is RolloutPhase.PROMOTED else "1"
        if self.target.history:  # else it never got as far as giving the target a table
            assert table.champion == holder
            assert [one.version for one in table.bundles] == [holder]
        assert self.registrar.champion == holder, "traffic and registry disagree"
        deployment = self.journal.get("deployment", "production").value
        assert deployment["champion"]["version"] == holder
        assert deployment["rollout"] == ""
        changes = list(self.journal.events(type=EventType.CHAMPION_CHANGED))
        assert [one.data["version"] for one in changes] in ([], ["2"], ["2", "1"], ["1"])
        assert not changes or changes[-1].data["version"] == holder
        assert len(set(self.registrar.tags)) == len(self.registrar.tags)

    def settle(self):
        """Let the world be at peace; the rollout must come to its end by itself."""
        self.faults.stop()
        for _ in range(400):
            state = self.state()
            if state.phase is RolloutPhase.PAUSED:
                self.command("resume")
            if state.phase.ended:
                return state
            self.step()
            self.clock.sleep(STRATEGY.interval)
        raise AssertionError(f"it never ends: {self.state().phase} {self.state().words}")


def simulate(seed):
    """One rollout with trouble of every kind; returns how it ended."""
    dice = random.Random(seed)
    behaviour = dice.choice([GOOD, GOOD, BAD, UNSTARTABLE])
    faults = Faults(
        dice,
        crash=dice.choice([0.0, 0.03, 0.1]),
        lost=dice.choice([0.0, 0.05, 0.2]),
        stale=dice.choice([0.0, 0.1]),
        down=dice.choice([0.0, 0.02, 0.1]),
        doubled=dice.choice([0.0, 0.1, 0.3]),
        refused=dice.choice([0.0, 0.1, 0.3]),
    )
    jumps = 0
    with folder() as name:
        world = World(Path(name), behaviour, faults, seed)
        try:
            for _ in range(dice.randrange(15, 45)):
                if dice.random() < 0.03:
                    world.command(dice.choice(["pause", "resume", "promote", "abort"]))
                if dice.random() < 0.05:
                    world.clock.jump(dice.choice([-3_600.0, -5.0, 60.0, 86_400.0]))
                    jumps += 1
                world.step()
                world.clock.sleep(STRATEGY.interval)
            state = world.settle()
        finally:
            world.journal.close()
    if world.aborted:
        assert state.phase is RolloutPhase.ABORTED
    if behaviour is BAD and not world.helped:
        assert state.phase is not RolloutPhase.PROMOTED
    if behaviour is UNSTARTABLE:
        assert state.phase is not RolloutPhase.PROMOTED
    faults.hit_by["jump"] = jumps
    faults.hit_by["unstartable"] = behaviour is UNSTARTABLE
    return state.phase, faults.hit_by


@pytest.mark.parametrize("chunk", range(10))
def test_a_hundred_rollouts_in_trouble(chunk):
    ends = [simulate(100 * chunk + number) for number in range(100)]
    assert {phase for phase, _ in ends} >= {RolloutPhase.PROMOTED, RolloutPhase.ROLLED_BACK}
    happened = sum((faults for _, faults in ends), Counter())
    assert happened["crash"] > 50
    # Every kind of trouble that is spoken of has really been there, and often.
    assert all(happened[name] >= 20 for name in (*CHANCES[:-1], "jump", "unstartable")), happened
    assert happened["refused"] >= 1


class Machine(RuleBasedStateMachine):
    """Whatever happens, in whatever order hypothesis likes."""

    def __init__(self):
        super().__init__()
        self.folder = folder()
        self.faults = Faults(random.Random(0))
        self.world = World(Path(self.folder.name), GOOD, self.faults, 0)

    @rule(seconds=st.sampled_from([0.0, 0.25, 0.5, 1.0, 4.0]))
    def look(self, seconds):
        self.world.clock.sleep(seconds)
        self.world.step()

    @rule(seconds=st.sampled_from([-1e6, -3.0, 3.0, 1e6]))
    def jump(self, seconds):
        self.world.clock.jump(seconds)

    @rule(verb=st.sampled_from(["pause", "resume", "promote", "abort"]))
    def command(self, verb):
        self.world.command(verb)

    @rule(seed=st.integers(0, 99))
    def look_and_crash(self, seed):
        self.faults.random, self.faults.crash = random.Random(seed), 0.3
        self.world.step()
        self.faults.crash = 0.0

    @rule(seed=st.integers(0, 99))
    def look_and_lose(self, seed):
        self.faults.random, self.faults.lost = random.Random(seed), 0.5
        self.world.step()
        self.faults.lost = 0.0

    @rule(seed=st.integers(0, 99))
    def look_and_double(self, seed):
        self.faults.random, self.faults.doubled = random.Random(seed), 0.5
        self.world.step()
        self.faults.doubled = 0.0

    @rule()
    def gateway_dies(self):
        self.world.target.running = False

    @rule(behaviour=st.sampled_from([GOOD, BAD]))
    def challenger_changes(self, behaviour):
        self.world.target.behaviours["2"] = behaviour

    @precondition(lambda self: self.world.state().phase.ended)
    @rule()
    def nothing_happens_after_the_end(self):
        before = self.world.state()
        self.world.step()
        assert self.world.state() == before

    @invariant()
    def holds(self):
        self.world.check()

    def teardown(self):
        state = self.world.settle()
        assert not self.world.aborted or state.phase is RolloutPhase.ABORTED
        self.world.journal.close()
        self.folder.cleanup()


TestMachine = Machine.TestCase
TestMachine.settings = settings(
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
