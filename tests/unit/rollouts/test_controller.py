"""The controller on a simulated world: whole rollouts, crashes, commands, returns."""

from dataclasses import replace

import pytest

from penstock.domain.event import Event, EventType
from penstock.domain.rollout import (
    DEFAULT_RULES,
    RolloutPhase,
    Rule,
    RuleKind,
    Step,
    StepKind,
    Strategy,
    StrategyKind,
)
from penstock.domain.verdict import Outcome, Verdict
from penstock.errors import ConfigError, StateError, UnavailableError
from penstock.journal import Journal
from penstock.rollouts import Controller, RolloutState
from penstock.testing.fakes import Behaviour, FakeClock, FakeRegistrar, FakeTarget
from penstock.testing.simulation import QUICK, bundle


def test_a_healthy_challenger_becomes_champion(world):
    id = world.start()
    state = world.run(id)
    assert world.phases == ["starting", "stepping", "promoting", "probation", "promoted"]
    assert state.phase is RolloutPhase.PROMOTED
    assert [table.weight for table in world.target.history] == [0.0, 0.0, 5.0, 25.0, 0.0, 0.0]
    assert world.target.table.champion == "2"
    assert [one.version for one in world.target.table.bundles] == ["2"]
    assert world.registrar.champion == "2"
    assert world.registrar.tags == {id: "2"}
    types = [one.type for one in world.journal.events()]
    assert types.count(EventType.CHAMPION_CHANGED) == 1
    assert types[-1] is EventType.ROLLOUT_STEPPED
    assert world.controller.active() is None


def test_probation_keeps_the_previous_champion_warm_and_watched(world):
    id = world.start()
    world.run(id, "probation")
    table = world.target.table
    assert (table.champion, table.challenger, table.weight) == ("2", "1", 0.0)
    assert table.shadow
    assert table.shadow_percent == 25.0
    assert {one.version for one in table.bundles} == {"1", "2"}


def test_who_ends_a_probation_does_not_wait_for_the_next_look(make):
    world = make(rate=0.1)
    id = world.start(replace(QUICK, steps=QUICK.steps[-1:], probation=86_400.0, interval=18_000.0))
    world.run(id, "probation")
    begun = world.clock.time()
    assert world.controller.promote(id, "good enough").phase is RolloutPhase.PROMOTED
    assert world.clock.time() - begun < 1.0


def test_the_default_strategy_promotes_within_fifteen_seconds(make):
    world = make(rate=200.0)
    begun = world.clock.time()
    state = world.run(world.start(Strategy()), "probation")
    assert state.phase is RolloutPhase.PROBATION
    assert world.clock.time() - begun < 15.0


@pytest.mark.parametrize("rate", [100.0, 500.0])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_failures_on_rare_rows_roll_back_in_seconds(make, rate, seed):
    world = make({"2": Behaviour(error_rate=0.03)}, rate=rate, seed=seed)
    begun = world.clock.time()
    state = world.run(world.start(Strategy()))
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert state.reason.startswith("errors: ")
    assert state.reason.endswith(": rolled back")
    assert world.clock.time() - begun < 12.0
    assert world.target.table.champion == "1"
    assert world.registrar.calls == []


def test_a_model_twenty_times_slower_gets_no_further_than_the_first_step(make):
    world = make({"2": Behaviour(latency=0.04)})
    state = world.run(world.start(Strategy()))
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert state.reason.startswith("latency: ")
    assert max(table.weight for table in world.target.history) <= 5.0


def test_what_cannot_start_is_rolled_back_with_the_reason(make):
    world = make({"2": Behaviour(starts="no module named 'sklearn'")})
    state = world.run(world.start())
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert "no module named 'sklearn'" in state.reason


def test_what_never_gets_ready_is_rolled_back(make):
    world = make({"2": Behaviour(start_seconds=1e9)})
    state = world.run(world.start(replace(QUICK, start_seconds=5.0)))
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert "not ready within 5 s" in state.reason


def test_the_first_deployment_is_promoted_at_once_and_says_so(make):
    world = make(registrar=FakeRegistrar())
    state = world.run(world.start(champion=None))
    assert world.phases[-2:] == ["promoting", "promoted"]
    assert "no champion to compare with" in state.reason
    assert world.registrar.champion == "2"


def test_a_first_deployment_that_fails_leaves_nothing_behind(make):
    world = make({"2": Behaviour(starts="broken")}, registrar=FakeRegistrar())
    state = world.run(world.start(champion=None))
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert world.target.table.champion is None
    assert world.target.table.bundles == ()
    assert "champion.changed" not in world.events()


def test_no_traffic_means_no_verdict(make):
    world = make(rate=0.0)
    id = world.start(Strategy(max_seconds=60.0))
    for _ in range(100):
        state = world.controller.step(id)
        world.clock.sleep(0.5)
    assert state.phase is RolloutPhase.STEPPING
    assert state.needs == 50
    assert "needs about 50 more requests" in state.words
    assert world.events().count("rollout.held") == 1
    state = world.run(id)
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert "without enough evidence" in state.reason


def test_promoting_when_inconclusive_still_needs_requests(make):
    world = make(rate=0.0)
    state = world.run(
        world.start(Strategy(max_seconds=20.0, on_inconclusive="promote", probation=4.0))
    )
    assert state.phase is RolloutPhase.ROLLED_BACK
    world = make(rate=5.0)
    state = world.run(
        world.start(Strategy(max_seconds=20.0, on_inconclusive="promote", probation=4.0))
    )
    assert state.phase is RolloutPhase.PROMOTED


def test_a_gateway_that_does_not_answer_holds(make):
    class Dead(FakeTarget):
        def start(self):
            raise UnavailableError("no luck", code="gateway.not-started")

    world = make(target=Dead())
    id = world.start()
    for _ in range(30):
        state = world.controller.step(id)
        world.clock.sleep(0.5)
    assert state.phase is RolloutPhase.STARTING
    assert state.trouble == "no luck"
    assert "does not answer" in state.words


def test_what_a_person_must_mend_is_raised(make):
    class Busy(FakeTarget):
        def start(self):
            raise StateError("port 8080 is taken", code="gateway.port-busy")

    world = make(target=Busy())
    with pytest.raises(StateError, match="port 8080"):
        world.run(world.start())


def test_late_errors_on_probation_return_at_once(world):
    id = world.start(replace(QUICK, probation=60.0))
    world.run(id, "probation")
    world.clock.sleep(5.0)
    world.target.behaviours["2"] = Behaviour(error_rate=0.2)
    begun = world.clock.time()
    state = world.run(id)
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert world.clock.time() - begun < 6.0
    assert world.target.table.champion == "1"
    assert world.registrar.champion == "1"
    assert list(world.registrar.tags.values()) == ["2", "1"]
    assert world.events().count("champion.changed") == 2


def test_the_return_is_instant(world):
    id = world.start()
    world.run(id, "probation")
    before = world.clock.time()
    world.controller.step(id, (Verdict("quality", Outcome.FAILED, "quality: 0.61 < 0.7"),))
    assert world.clock.time() == before
    assert world.target.table.champion == "1"
    state = world.run(id)
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert state.reason == "quality: 0.61 < 0.7"


def test_a_warning_does_not_stop_anything_but_is_told(make):
    world = make({"2": Behaviour(classes=(0.2, 0.8))})
    id = world.start()
    state = world.run(id)
    assert state.phase is RolloutPhase.PROMOTED
    promoted = next(iter(world.journal.events(type=EventType.ROLLOUT_PROMOTED)))
    assert "scores" in promoted.data["warnings"][0]


def test_pause_step_waits_for_a_person(world):
    steps = (QUICK.steps[0], Step(StepKind.PAUSE), *QUICK.steps[1:])
    id = world.start(replace(QUICK, steps=steps))
    state = world.run(id, "paused")
    assert state.phase is RolloutPhase.PAUSED
    world.clock.sleep(100.0)
    assert world.controller.step(id).phase is RolloutPhase.PAUSED
    assert world.controller.resume(id).phase is RolloutPhase.STEPPING
    assert world.run(id).phase is RolloutPhase.PROMOTED


def test_early_promotion_does_not_pass_a_pause(make):
    world = make(rate=500.0)
    steps = (Step(StepKind.WEIGHT, 10.0, 1e6, 10), Step(StepKind.PAUSE), QUICK.steps[-1])
    id = world.start(replace(QUICK, steps=steps, max_seconds=1e9))
    state = world.run(id, "paused")
    assert state.phase is RolloutPhase.PAUSED
    assert state.watched < 120


def test_evidence_ends_the_waiting_early(make):
    world = make(rate=500.0)
    steps = (Step(StepKind.WEIGHT, 10.0, 3_600.0, 10), QUICK.steps[-1])
    state = world.run(world.start(replace(QUICK, steps=steps)), "probation")
    assert "evidence suffices" in state.reason
    assert state.watched < 120


def test_pause_resume_promote_abort(world):
    id = world.start()
    world.until(id, lambda state: state.weight == 5.0)
    paused = world.controller.pause(id, "let us look")
    assert paused.phase is RolloutPhase.PAUSED
    assert world.target.table.weight == 5.0
    world.clock.sleep(50.0)
    assert world.controller.step(id).phase is RolloutPhase.PAUSED
    assert world.controller.pause(id).phase is RolloutPhase.PAUSED
    assert world.controller.resume(id).phase is RolloutPhase.STEPPING
    with pytest.raises(StateError, match="cannot be resumed"):
        world.controller.resume(id)
    assert world.controller.promote(id, "hotfix").phase is RolloutPhase.PROMOTING
    state = world.run(id, "probation")
    assert state.reason == "hotfix"
    state = world.controller.abort(id, "changed my mind")
    assert state.phase is RolloutPhase.ABORTED
    assert world.target.table.champion == "1"
    assert world.registrar.champion == "1"
    with pytest.raises(StateError, match="has ended"):
        world.controller.pause(id)


def test_a_paused_rollout_is_still_watched(world):
    id = world.start()
    world.until(id, lambda state: state.weight == 25.0)
    world.controller.pause(id)
    world.target.behaviours["2"] = Behaviour(error_rate=0.3)
    assert world.run(id).phase is RolloutPhase.ROLLED_BACK


@pytest.mark.parametrize("looks", range(0, 40, 3))
def test_abort_ends_at_the_champion_from_anywhere(make, looks):
    world = make()
    id = world.start()
    for _ in range(looks):
        world.controller.step(id)
        world.clock.sleep(0.25)
    if world.controller.state(id).phase.ended:
        pytest.fail("the rollout was over before it could be aborted")
    state = world.controller.abort(id, "no")
    assert state.phase is RolloutPhase.ABORTED
    assert world.target.table.champion == "1"
    assert world.target.table.weight == 0.0
    assert world.registrar.champion == "1"


def test_commands_that_come_too_early_or_too_late(make):
    world = make({"2": Behaviour(start_seconds=5.0)})
    id = world.start()
    world.controller.step(id)
    with pytest.raises(StateError, match="cannot be promoted"):
        world.controller.promote(id)
    assert world.controller.pause(id).phase is RolloutPhase.PAUSED
    assert world.controller.resume(id).phase is RolloutPhase.STARTING
    world.run(id, "probation")
    with pytest.raises(StateError, match="cannot be paused"):
        world.controller.pause(id)
    assert world.controller.promote(id).phase is RolloutPhase.PROMOTED


def test_one_rollout_at_a_time(world):
    id = world.start()
    assert world.start() == id
    with pytest.raises(StateError, match="is under way"):
        world.start(challenger="3")
    with pytest.raises(StateError, match="champion already"):
        world.start(champion="2")
    world.run(id, "probation")
    second = world.start(champion="2", challenger="3")
    assert world.controller.state(id).phase is RolloutPhase.PROMOTED
    assert second != id
    assert world.run(second).phase is RolloutPhase.PROMOTED
    assert world.target.table.champion == "3"


def test_unreadable_freeze_window(world):
    with pytest.raises(ConfigError, match="freeze window"):
        world.start(replace(QUICK, freeze=("whenever",)))


def test_nothing_moves_forward_in_a_freeze_window_but_back_it_may(make):
    always = replace(QUICK, freeze=("Mon 00:00-Sun 23:59", "23:59-00:00"), max_seconds=1e9)
    world = make()
    id = world.start(always)
    for _ in range(40):
        state = world.controller.step(id)
        world.clock.sleep(0.5)
    assert state.phase is RolloutPhase.STARTING
    assert "nothing moves during" in state.words
    assert world.controller.promote(id, "a person may").phase is RolloutPhase.PROMOTING
    assert world.controller.abort(id).phase is RolloutPhase.ABORTED


def test_blue_green_moves_all_at_once(world):
    strategy = replace(QUICK, kind=StrategyKind.BLUE_GREEN)
    world.run(world.start(strategy))
    assert {table.weight for table in world.target.history} == {0.0}
    assert world.target.table.champion == "2"


def ab(margin=0.0, **more):
    rule = Rule("conversion", RuleKind.MEAN, margin=margin)
    steps = (Step(StepKind.WEIGHT, 50.0, 2.0, 100), Step(StepKind.WEIGHT, 100.0))
    return Strategy(
        kind=StrategyKind.AB, steps=steps, rules=(*DEFAULT_RULES, rule), probation=2.0, **more
    )


def test_ab_waits_for_its_metric_and_takes_the_better_one(make):
    better = {"1": Behaviour(means={"conversion": 0.10}), "2": Behaviour(means={"conversion": 0.2})}
    world = make(better)
    state = world.run(world.start(ab()))
    assert state.phase is RolloutPhase.PROMOTED
    assert state.watched > 4


def test_ab_rolls_back_the_worse_one(make):
    worse = {"1": Behaviour(means={"conversion": 0.2}), "2": Behaviour(means={"conversion": 0.1})}
    world = make(worse)
    state = world.run(world.start(ab()))
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert state.reason.startswith("conversion: mean 0.")


def test_ab_holds_while_it_cannot_tell(make):
    same = {v: Behaviour(means={"conversion": 0.2}) for v in ("1", "2")}
    world = make(same)
    id = world.start(ab(max_seconds=60.0))
    state = world.until(id, lambda state: "to decide on" in state.words)
    assert "conversion" in state.words
    state = world.run(id)
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert "without enough evidence" in state.reason


def test_return_to_an_earlier_version_that_is_cold(world):
    world.run(world.start())
    id = world.controller.rollback(bundle("1"), "complaints")
    state = world.run(id)
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert state.is_rollback
    assert world.target.table.champion == "1"
    assert world.registrar.champion == "1"
    assert world.events()[-2:] == ["rollout.rolledback", "champion.changed"]
    with pytest.raises(StateError, match="champion already"):
        world.controller.rollback(bundle("1"), "again")


def test_return_to_a_version_that_cannot_start_keeps_what_serves(world):
    world.run(world.start())
    world.target.behaviours["1"] = Behaviour(starts="its environment is gone")
    state = world.run(world.controller.rollback(bundle("1"), "complaints"))
    assert state.phase is RolloutPhase.ROLLED_BACK
    assert "environment is gone" in state.reason
    assert world.target.table.champion == "2"
    assert world.registrar.champion == "2"


def test_return_during_probation_uses_the_warm_champion(world):
    id = world.start()
    world.run(id, "probation")
    assert world.controller.rollback(bundle("1"), "complaints") == id
    assert world.target.table.champion == "1"
    assert world.run(id).phase is RolloutPhase.ROLLED_BACK


def test_return_to_a_third_version_aborts_what_is_under_way(world):
    id = world.start()
    world.until(id, lambda state: state.weight == 5.0)
    back = world.controller.rollback(bundle("0"), "older is better")
    assert world.controller.state(id).phase is RolloutPhase.ABORTED
    assert world.run(back).phase is RolloutPhase.ROLLED_BACK
    assert world.target.table.champion == "0"


def test_the_registry_may_be_away_for_a_while(make):
    class Away(FakeRegistrar):
        away = 5

        def promote(self, version, rollout_id, reason):
            if self.away:
                self.away -= 1
                raise UnavailableError("no registry", code="registry.unavailable")
            super().promote(version, rollout_id, reason)

    world = make(registrar=Away("1"))
    id = world.start()
    world.until(id, lambda state: state.trouble == "no registry")
    assert world.target.table.champion == "2"
    state = world.run(id)
    assert state.phase is RolloutPhase.PROMOTED
    assert state.trouble == ""
    assert world.registrar.tags == {id: "2"}


def test_a_table_that_somebody_else_wrote_is_replaced(world):
    id = world.start()
    world.until(id, lambda state: state.weight == 5.0)
    alien = replace(world.target.table, generation=99, weight=77.0, rollout_id="")
    world.target.apply(alien)
    world.controller.step(id)
    assert world.target.table.generation == 100
    assert world.target.table.weight == 5.0


def test_a_table_of_the_same_generation_is_outdone(make):
    class Strict(FakeTarget):
        alien = None

        def apply(self, table):
            if self.alien is None and table.weight == 5.0:
                self.alien = replace(table, weight=50.0, rollout_id="")
                super().apply(self.alien)
            if table.generation == self.table.generation and table != self.table:
                raise StateError("another table of this generation", code="gateway.conflict")
            super().apply(table)

    world = make(target=Strict())
    id = world.start()
    state = world.until(id, lambda state: state.weight == 5.0)
    assert world.target.table.weight == 50.0
    world.controller.step(id)
    assert world.target.table.weight == 5.0
    assert world.controller.step(id).generation == state.generation


def test_a_restarted_gateway_is_taken_up_again(world):
    id = world.start()
    world.until(id, lambda state: state.weight == 5.0)
    world.target.stop()
    world.controller.step(id)
    assert world.target.running
    assert world.run(id).phase is RolloutPhase.PROMOTED


def test_another_process_carries_on(world):
    id = world.start()
    world.until(id, lambda state: state.weight == 25.0)
    with Journal(world.journal.path, clock=world.clock.time) as journal:
        other = Controller(journal, world.target, world.registrar, world.clock)
        assert other.run_until(id, "ended").phase is RolloutPhase.PROMOTED
    assert world.controller.step(id).phase is RolloutPhase.PROMOTED


def test_a_driver_that_looks_seldom_notices_that_another_has_ended_the_rollout(world):
    id = world.start(replace(QUICK, interval=18_000.0))
    begun = world.clock.time()
    with Journal(world.journal.path, clock=world.clock.time) as journal:
        other = Controller(journal, world.target, world.registrar, FakeClock(begun))

        def abort(_):
            if world.clock.time() > begun + 60.0 and not other.state(id).phase.ended:
                other.abort(id, "no")

        world.clock.watch(abort)
        assert world.run(id).phase is RolloutPhase.ABORTED
    assert world.clock.time() < begun + 120.0


def test_state_survives_json(world):
    id = world.start()
    world.until(id, lambda state: state.weight == 25.0)
    state = world.controller.state(id)
    assert RolloutState.from_dict(state.to_dict()) == state
    assert RolloutState.from_dict({**state.to_dict(), "of a later release": 1}) == state
    assert len(state.looks) > 5
    with pytest.raises(StateError, match="no rollout nowhere"):
        world.controller.state("nowhere")


def test_the_timeline_stays_short(make):
    world = make()
    id = world.start(replace(QUICK, probation=1e6, early=False))
    world.run(id, "probation")
    for _ in range(300):
        world.controller.step(id)
        world.clock.sleep(0.5)
    assert len(world.controller.state(id).looks) <= 241


def test_causes_go_back_to_what_asked_for_it(world):
    asked = world.journal.append(Event(EventType.VERSION_REGISTERED, "model/2"))
    id = world.controller.start(QUICK, bundle("1"), bundle("2"), cause=asked)
    world.run(id)
    changed = next(iter(world.journal.events(type=EventType.CHAMPION_CHANGED)))
    chain = [one.type for one in world.journal.causes(changed.id)]
    assert chain[0] is EventType.CHAMPION_CHANGED
    assert chain[-1] is EventType.VERSION_REGISTERED
