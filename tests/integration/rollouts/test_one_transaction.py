"""A return is one transaction over traffic, registry alias, release tag and journal.

With a real MLflow registry, a real Git repository and a real journal the controller dies between
each pair of effects; whoever comes next finishes what was begun, and all four tell one truth.
"""

import subprocess
import time

import pytest
from mlflow import MlflowClient

from penstock.domain.event import EventType
from penstock.domain.rollout import RolloutPhase
from penstock.domain.run import Candidate, Run
from penstock.journal import Journal
from penstock.pipeline import revision
from penstock.registry import Registry, ReleaseRegistrar, ReleaseTags
from penstock.rollouts import Controller
from penstock.testing.fakes import FakeClock, FakeTarget
from penstock.testing.simulation import QUICK, bundle

pytestmark = pytest.mark.timeout(240)


class Died(BaseException):
    """The process is no more."""


class Fuse:
    """Dies at the n-th place where two effects meet, and tells how many there were."""

    def __init__(self):
        self.at = None
        self.passed = 0

    def arm(self, at):
        self.at, self.passed = at, 0

    def place(self):
        self.passed += 1
        if self.passed == self.at:
            raise Died

    def guard(self, owner, *names):
        """Make each of an object's methods a place before and a place after."""
        for name in names:
            setattr(owner, name, self._guarded(getattr(owner, name)))

    def _guarded(self, method):
        def guarded(*args, **kwargs):
            self.place()
            result = method(*args, **kwargs)
            self.place()
            return result

        return guarded


@pytest.fixture
def root(tmp_path):
    for words in (
        ["init", "-q", "-b", "main"],
        ["config", "user.name", "A"],
        ["config", "user.email", "a@example.org"],
        ["commit", "-q", "--allow-empty", "-m", "first"],
    ):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}\n")
    return tmp_path


class World:
    def __init__(self, root):
        self.root = root
        self.fuse = Fuse()
        self.registry = Registry(root)
        for number in ("a", "b"):
            run = Run(f"run-{number}", revision(root), started=time.time())
            made = Candidate(run.id, "churn", str(root / "model"), number * 32)
            self.registry.register(made, run, ())
        self.registrar = ReleaseRegistrar(self.registry, root, "churn")
        self.clock = FakeClock()
        self.target = FakeTarget({}, rate=200.0)
        self.clock.watch(self.target.pass_time)
        self.journal = Journal(root / "journal.db", clock=self.clock.time)
        self.fuse.guard(self.registry, "set_alias")
        self.fuse.guard(self.registrar._tags, "register", "assign")
        self.fuse.guard(self.target, "apply")

    def controller(self):
        made = Controller(self.journal, self.target, self.registrar, self.clock)
        self.fuse.guard(made._records, "write")
        return made

    def truths(self):
        """What each of the four says: who is champion?"""
        client = MlflowClient(f"sqlite:///{self.root}/mlflow.db")
        deployment = self.journal.get("deployment", "production").value
        last = list(self.journal.events(type=EventType.CHAMPION_CHANGED))[-1]
        return {
            "traffic": self.target.table.champion,
            "alias": str(client.get_model_version_by_alias("churn", "champion").version),
            "tag": str(ReleaseTags(self.root).current("churn", "production")),
            "journal": deployment["champion"]["version"],
            "events": last.data["version"],
        }

    def tags(self):
        return [one.tag for one in ReleaseTags(self.root).all() if one.action == "assign"]


def test_the_controller_dies_between_each_pair_of_effects(root):
    world = World(root)
    first = world.controller()
    first.run_until(first.start(QUICK, None, bundle("1", "churn")), "ended")
    assert set(world.truths().values()) == {"1"}
    place, died = 0, True
    while died:
        place += 1
        world.fuse.arm(None)
        up = world.controller()
        id = up.start(QUICK, bundle("1", "churn"), bundle("2", "churn"))
        up.run_until(id, "probation")
        assert set(world.truths().values()) == {"2"}
        before = len(world.tags())
        world.fuse.arm(place)
        died = False
        try:
            back = world.controller().rollback(bundle("1", "churn"), "it is bad")
            world.controller().run_until(back, "ended")
        except Died:
            died = True
        world.fuse.arm(None)
        # Somebody else comes along: the same wish again, or only the process that drives.
        active = world.controller().active()
        if active is None and world.truths()["journal"] == "2":
            active = world.controller().state(world.controller().rollback(bundle("1", "churn")))
        elif active is not None and active.phase is RolloutPhase.PROBATION:
            world.controller().rollback(bundle("1", "churn"), "it is bad")
        if active is not None:
            world.controller().run_until(active.id, "ended")
        assert set(world.truths().values()) == {"1"}, (place, world.truths())
        assert len(world.tags()) == before + 1, "one return is one tag"
    assert place > 10
    world.journal.close()
