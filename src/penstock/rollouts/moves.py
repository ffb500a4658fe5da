"""The legal moves of a rollout, each a new state and the events that tell of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from penstock.domain.event import EventType
from penstock.domain.rollout import RolloutPhase, StepKind
from penstock.rollouts.state import Effect, Record, RolloutState
from penstock.rollouts.strategy import effective_steps, table_of

_Move = tuple[RolloutState, tuple[Effect, ...]]


def move(state: RolloutState, phase: RolloutPhase, **changes: Any) -> RolloutState:
    """Return the state with another wanted table: a new generation, its clock at zero."""
    fresh = {"held": 0.0, "step_requests": 0, "said": False, "needs": None}
    return replace(
        state, **{**fresh, "phase": phase, "generation": state.generation + 1, **changes}
    )


def enter(state: RolloutState, index: int, words: str) -> _Move:
    """Begin a step; beginning the last one is the promotion."""
    step = effective_steps(state.strategy)[index]
    data: dict[str, Any] = {"step": index, "from": state.weight, "why": words}
    if index == len(effective_steps(state.strategy)) - 1:
        state = move(
            state,
            RolloutPhase.PROMOTING,
            step=index,
            weight=100.0,
            shadow=False,
            touched=True,
            reason=words,
            words=words,
        )
        data |= {"weight": 100.0, "words": f"all traffic to version {state.challenger.version}"}
        return state, (Record(EventType.ROLLOUT_STEPPED, data),)
    if step.kind is StepKind.PAUSE:
        said = "waiting for a person: `penstock rollout resume`"
        state = replace(state, phase=RolloutPhase.PAUSED, step=index, words=said, needs=None)
        return state, (Record(EventType.ROLLOUT_HELD, {**data, "words": said}),)
    shadow = step.kind is StepKind.SHADOW
    passed = effective_steps(state.strategy)[:index]
    mirror = state.strategy.mirror and any(one.kind is StepKind.SHADOW for one in passed)
    weight = 0.0 if shadow else step.weight
    place = "shadow" if shadow else f"{weight:g} %"
    state = move(
        state,
        RolloutPhase.STEPPING,
        step=index,
        weight=weight,
        shadow=shadow or mirror,
        words=f"{place}: begun",
    )
    data |= {"weight": weight, "shadow": shadow, "words": f"{place}, after {words}"}
    return state, (Record(EventType.ROLLOUT_STEPPED, data),)


def hold(state: RolloutState, words: str) -> _Move:
    """Stay; say so once per step."""
    if state.said:
        return state, ()
    data = {"step": state.step, "weight": state.weight, "words": words, "needs": state.needs}
    return replace(state, said=True), (Record(EventType.ROLLOUT_HELD, data),)


def roll_back(
    state: RolloutState, reason: str, *, ending: RolloutPhase = RolloutPhase.ROLLED_BACK
) -> _Move:
    """Want the champion alone; the events follow when the target reports it."""
    state = move(
        state,
        RolloutPhase.ROLLING_BACK,
        pending=ending.value,
        weight=0.0,
        shadow=False,
        closing=False,
        reason=reason,
        words=f"back to the champion: {reason}",
    )
    return state, ()


def registered(state: RolloutState, version: str) -> _Move:
    """Go on after alias and tag were pointed at a version; nothing if that is not wanted now."""
    if state.phase.ended or table_of(state).champion != version:
        return state, ()
    if state.phase is RolloutPhase.ROLLING_BACK:
        return end(state)
    if state.phase is not RolloutPhase.PROMOTING:
        return state, ()
    watched = state.champion is not None and state.strategy.probation > 0
    phase = RolloutPhase.PROBATION if watched else RolloutPhase.PROMOTED
    state = replace(state, phase=phase, held=0.0, words=f"version {version} is the champion")
    promoted = {"version": version, "reason": state.reason, "warnings": _warnings(state)}
    return state, (Record(EventType.ROLLOUT_PROMOTED, promoted), _changed(state, version))


def end(state: RolloutState) -> _Move:
    """End a return to the champion (or, of a rollback by hand, to the wanted version)."""
    kept = table_of(state).champion
    phase = RolloutPhase(state.pending) if state.pending else RolloutPhase.ROLLED_BACK
    aborted = phase is RolloutPhase.ABORTED
    type = EventType.ROLLOUT_ABORTED if aborted else EventType.ROLLOUT_ROLLED_BACK
    left = state.champion if state.is_rollback and not state.pending else state.challenger
    data = {
        "from": left.version if left else None,
        "to": kept,
        "reason": state.reason,
        "verdicts": [one.to_dict() for one in state.verdicts],
    }
    records: tuple[Effect, ...] = (Record(type, data),)
    if state.touched and kept is not None:
        records += (_changed(state, kept),)
    where = f"version {kept} holds the traffic" if kept else "nothing serves"
    return replace(state, phase=phase, words=f"{where}: {state.reason}", needs=None), records


def give_up(state: RolloutState, reason: str) -> _Move:
    """Close a rollout that could not even begin; what served goes on serving."""
    state, _ = roll_back(state, reason, ending=RolloutPhase.ABORTED)
    return end(state)


def _changed(state: RolloutState, version: str) -> Record:
    bundles = [one for one in (state.champion, state.challenger) if one is not None]
    before = next((one.version for one in bundles if one.version != version), None)
    words = f"version {version} is the champion" + (f", after version {before}" if before else "")
    data = {
        "model": state.model,
        "version": version,
        "before": before,
        "rollout": state.id,
        "words": words,
    }
    return Record(EventType.CHAMPION_CHANGED, data, subject=f"{state.model}/{version}")


def _warnings(state: RolloutState) -> list[str]:
    return [one.words for one in state.verdicts if not one.blocking and one.outcome == "failed"]
