"""Trouble of the world outside: taken ports, older records, data that is not there."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from penstock.domain.event import Event, EventType
from penstock.domain.rollout import DEFAULT_RULES, RolloutPhase, Rule, RuleKind, Step, StepKind
from penstock.domain.traffic import Counters
from penstock.errors import StateError, UnavailableError
from penstock.rollouts import RolloutState
from penstock.rollouts.history import previous_champion
from penstock.testing.fakes import Behaviour, FakeTarget
from penstock.testing.simulation import QUICK, bundle

RECORDS = Path(__file__).parent / "records"
HOLDS = (Step(StepKind.WEIGHT, 30.0, 1.0, 10), Step(StepKind.WEIGHT, 100.0))


class Taken(FakeTarget):
    """A target whose port may be taken by somebody else."""

    taken = False

    def start(self):
        if self.taken and not self.running:
            raise StateError("port 8080 is taken", code="gateway.port-busy")
        super().start()


def test_a_taken_port_closes_a_rollout_that_has_only_begun(make):
    world = make(target=Taken())
    world.target.taken = True
    id = world.start()
    with pytest.raises(StateError, match="port 8080"):
        world.controller.step(id)
    state = world.controller.state(id)
    assert state.phase is RolloutPhase.ABORTED
    assert "port 8080 is taken" in state.words
    assert state.trouble == ""
    assert world.controller.active() is None
    assert world.events(id)[-1] == "rollout.aborted"
    assert EventType.CHAMPION_CHANGED.value not in world.events()
    world.target.taken = False
    again = world.start()
    assert again != id
    assert world.run(again).phase is RolloutPhase.PROMOTED


def test_a_taken_port_in_the_middle_is_said_and_waited_for(make):
    world = make(target=Taken())
    id = world.start()
    world.until(id, lambda state: state.weight == 5.0)
    world.target.stop()
    world.target.taken = True
    with pytest.raises(StateError, match="port 8080"):
        world.controller.step(id)
    state = world.controller.state(id)
    assert not state.phase.ended
    assert "port 8080" in state.trouble
    world.target.taken = False
    assert world.run(id).phase is RolloutPhase.PROMOTED
    assert world.target.table.champion == "2"


def test_a_target_that_has_a_table_of_the_rollout_is_not_left_with_it(make):
    world = make({"2": Behaviour(start_seconds=1e6)}, target=Taken({}))
    world.target.behaviours = {"2": Behaviour(start_seconds=1e6)}
    id = world.start()
    world.until(id, lambda state: state.sent)
    world.target.stop()
    world.target.taken = True
    with pytest.raises(StateError, match="port 8080"):
        world.controller.step(id)
    assert world.controller.state(id).phase is RolloutPhase.STARTING
    world.target.taken = False
    world.controller.step(id)
    assert world.controller.abort(id).phase is RolloutPhase.ABORTED
    assert [one.version for one in world.target.table.bundles] == ["1"]


def test_a_return_that_cannot_begin_leaves_what_serves(make):
    world = make(target=Taken())
    world.run(world.start())
    world.target.stop()
    world.target.taken = True
    back = world.controller.rollback(bundle("1"), "complaints")
    with pytest.raises(StateError, match="port 8080"):
        world.controller.step(back)
    assert world.controller.state(back).phase is RolloutPhase.ABORTED
    assert world.registrar.champion == "2"
    assert world.journal.get("deployment", "production").value["champion"]["version"] == "2"


@pytest.mark.parametrize("record", sorted(RECORDS.iterdir()), ids=lambda one: one.stem)
def test_a_rollout_of_another_release_goes_on(make, record):
    world = make()
    id = world.start()
    world.until(id, lambda state: state.weight == 25.0)
    old = {**json.loads(record.read_text()), "id": id, "updated": world.clock.time()}
    with world.journal.transaction() as tx:
        tx.put("rollout", id, old)
    state = world.controller.step(id)
    assert state.challenger.version == "2"
    assert state.requests >= old["requests"]
    assert world.run(id).phase is RolloutPhase.PROMOTED


@pytest.mark.parametrize("record", sorted(RECORDS.iterdir()), ids=lambda one: one.stem)
def test_entries_that_a_release_did_not_write_or_does_not_know(record):
    whole = json.loads(record.read_text())
    needed = {"id", "model", "strategy", "challenger", "phase"}
    for name in set(whole) - needed:
        state = RolloutState.from_dict({k: v for k, v in whole.items() if k != name})
        assert state.id == whole["id"]
    strategy = {**whole["strategy"], "of a later release": 1}
    strategy["rules"] = [{**one, "more": 2} for one in strategy["rules"]]
    look = {**whole["looks"][0], "more": 3}
    verdict = {**whole["verdicts"][0], "more": 4}
    item = {**whole, "strategy": strategy, "looks": [look], "verdicts": [verdict]}
    assert RolloutState.from_dict(item).strategy.rules[0].name == "errors"


def changed(world, version, before, rollout, operation="rollout", challenger=None):
    item = {"operation": operation, "challenger": {"version": challenger or version}}
    with world.journal.transaction() as tx:
        tx.put("rollout", rollout, item)
        data = {"version": version, "before": before, "rollout": rollout}
        tx.append(Event(EventType.CHAMPION_CHANGED, f"model/{version}", data))


def test_the_previous_champion_is_never_one_that_was_taken_back(world):
    assert previous_champion(world.journal) is None
    changed(world, "1", None, "rollout-1")
    assert previous_champion(world.journal) is None
    changed(world, "2", "1", "rollout-2")
    assert previous_champion(world.journal) == "1"
    changed(world, "3", "2", "rollout-3")
    assert previous_champion(world.journal) == "2"
    # Taken back on probation: its own rollout names the champion of before.
    changed(world, "2", "3", "rollout-3", challenger="3")
    assert previous_champion(world.journal) == "1"
    changed(world, "4", "2", "rollout-4")
    assert previous_champion(world.journal) == "2"
    changed(world, "1", "4", "rollback-5", operation="rollback")
    assert previous_champion(world.journal) is None
    # Rolled out anew, a version that was champion before is the newest of the line.
    changed(world, "5", "1", "rollout-6")
    changed(world, "1", "5", "rollout-7")
    assert previous_champion(world.journal) == "5"


def test_counters_that_are_gone_are_no_verdict(make):
    class Mute(FakeTarget):
        mute = False

        def observe(self):
            status = super().observe()
            return replace(status, counters=()) if self.mute else status

    world = make(target=Mute())
    id = world.start(replace(QUICK, max_seconds=1e9))
    world.until(id, lambda state: state.weight == 5.0)
    world.target.mute = True
    world.controller.step(id)
    before = world.controller.state(id)
    for _ in range(100):
        world.clock.sleep(0.5)
        state = world.controller.step(id)
    assert (state.phase, state.weight) == (RolloutPhase.STEPPING, 5.0)
    assert state.requests == before.requests
    assert "more requests" in state.words
    world.target.mute = False
    assert world.run(id).phase is RolloutPhase.PROMOTED


def test_a_champion_without_traffic_is_nothing_to_compare_with(make):
    class Alone(FakeTarget):
        """All callers keep to the challenger's side of the split."""

        def _serve(self, version, role, amount):
            if version == "2":
                super()._serve(version, role, amount)

    world = make({"2": Behaviour(error_rate=0.5)}, target=Alone({}))
    world.target.behaviours = {"2": Behaviour(error_rate=0.5)}
    id = world.start(replace(QUICK, steps=HOLDS, max_seconds=1e9))
    world.until(id, lambda state: state.requests > 500)
    state = world.controller.state(id)
    assert state.phase is RolloutPhase.STEPPING
    assert all(one.outcome.value == "inconclusive" for one in state.verdicts)
    assert "champion to compare with" in state.words


def test_counters_that_begin_again_at_zero_are_no_verdict(make):
    world = make({"1": Behaviour(error_rate=0.02), "2": Behaviour(error_rate=0.02)})
    id = world.start(replace(QUICK, steps=HOLDS[:1], max_seconds=1e9))
    world.until(id, lambda state: state.requests > 100)
    before = world.controller.state(id)
    for key, one in list(world.target._counters.items()):
        world.target._counters[key] = Counters(one.version, one.role, epoch="another life")
    state = world.controller.step(id)
    assert state.requests >= before.requests
    assert state.phase is not RolloutPhase.ROLLED_BACK
    assert all(one.outcome.value != "failed" for one in state.verdicts)


def test_labels_that_cannot_be_read_are_trouble_and_no_verdict(make):
    class Broken:
        def fresh(self, state, now):
            raise UnavailableError("labels cannot be read: a broken file", code="rollout.labels")

    world = make()
    world.controller._truth = Broken()
    id = world.start()
    state = world.until(id, lambda state: state.weight == 5.0)
    assert "labels cannot be read" in state.trouble
    assert world.run(id).phase is RolloutPhase.PROMOTED


def test_a_step_may_wait_for_labels(make):
    rules = (*DEFAULT_RULES[:2], Rule("quality", RuleKind.QUALITY, margin=0.05, min_labels=300))
    strategy = replace(QUICK, steps=HOLDS, rules=rules, probation=0.0)
    told = {version: Behaviour(means={"quality": 0.9}) for version in ("1", "2")}
    world = make()
    id = world.start(strategy)
    state = world.until(id, lambda state: "labels" in state.words)
    assert state.needs == 300
    assert "needs labels of about 300 more" in state.words
    for _ in range(40):
        world.clock.sleep(0.5)
        assert world.controller.step(id).phase is RolloutPhase.STEPPING
    world.target.behaviours = told
    assert world.run(id).phase is RolloutPhase.PROMOTED


def test_wrong_answers_roll_back_in_the_canary_and_on_probation(make):
    told = {"1": Behaviour(means={"quality": 0.9}), "2": Behaviour(means={"quality": 0.6})}
    world = make(told)
    state = world.run(world.start(replace(QUICK, steps=HOLDS, early=False)))
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert state.reason.startswith("quality: right on ")
    world = make()
    id = world.start(replace(QUICK, probation=600.0))
    world.run(id, "probation")
    world.target.behaviours = told
    assert world.run(id).reason.startswith("quality: ")
    assert world.target.table.champion == "1"


def test_where_proof_is_wanted_the_last_step_waits_for_it(make):
    strategy = replace(QUICK, proof=True, early=False, probation=0.0)
    world = make()
    id = world.start(strategy)
    state = world.until(id, lambda state: "to decide on" in state.words)
    assert state.weight == 25.0
    assert "25 %: needs about" in state.words
    assert "errors, latency" in state.words
    assert state.needs > 100
    seen = state.requests
    state = world.run(id)
    assert state.phase is RolloutPhase.PROMOTED
    assert state.requests - seen > 100
    # What nobody can tell holds until the longest duration is over.
    poor = make({"1": Behaviour(error_rate=0.02), "2": Behaviour(error_rate=0.02)}, rate=20.0)
    state = poor.run(poor.start(replace(strategy, max_seconds=30.0)))
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert "without enough evidence" in state.reason


def truths(world):
    """Who is champion, by traffic, alias, newest tag, and journal."""
    deployment = world.journal.get("deployment", "production").value
    assert deployment["rollout"] == ""
    tags = list(world.registrar.tags.values())
    return {
        world.target.table.champion,
        world.registrar.champion,
        deployment["champion"]["version"],
        *tags[-1:],
    }


@pytest.mark.parametrize("up", [True, False], ids=["gateway-up", "gateway-down"])
@pytest.mark.parametrize("when", ["starting", "stepping", "paused", "probation", "promoted"])
def test_a_return_leaves_one_truth_whenever_it_comes(make, when, up):
    world = make()
    world.run(world.start(QUICK, champion=None, challenger="1"))
    id = world.start(replace(QUICK, probation=30.0))
    if when == "stepping":
        world.until(id, lambda state: state.weight == 25.0)
    elif when == "paused":
        world.until(id, lambda state: state.weight == 5.0)
        world.controller.pause(id, "let me look")
    elif when in ("probation", "promoted"):
        world.run(id, "probation" if when == "probation" else "ended")
    if not up:
        world.target.stop()
    if when in ("probation", "promoted"):
        back = world.controller.rollback(bundle("1"), "by night, by a program")
        world.run(back)
    else:
        world.controller.abort(id, "by night, by a program")
    assert truths(world) == {"1"}
    assert [one.version for one in world.target.table.bundles] == ["1"]
    assert world.target.running
    assert world.controller.active() is None
