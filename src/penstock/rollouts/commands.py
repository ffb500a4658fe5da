"""What a person may ask of a rollout, and when."""

from __future__ import annotations

from dataclasses import replace

from penstock.domain.event import EventType
from penstock.domain.rollout import RolloutPhase, StepKind
from penstock.domain.traffic import TargetStatus
from penstock.errors import StateError
from penstock.rollouts.moves import enter, move, roll_back
from penstock.rollouts.state import Command, CommandKind, Effect, Record, RolloutState
from penstock.rollouts.strategy import effective_steps

_Obeyed = tuple[RolloutState, tuple[Effect, ...]]


def obey(state: RolloutState, observed: TargetStatus, command: Command) -> _Obeyed:
    """Return the state after a command, which takes effect at once or is refused.

    Raises:
        StateError: ``rollout.ended`` or ``rollout.not-now``.
    """
    if state.phase.ended:
        raise StateError(
            f"rollout {state.id} has ended: {state.phase.value}",
            code="rollout.ended",
            hint="`penstock rollback` returns to an earlier version",
        )
    match command.kind:
        case CommandKind.PAUSE:
            return _pause(state, command)
        case CommandKind.RESUME:
            return _resume(state)
        case CommandKind.PROMOTE:
            return _promote(state, observed, command)
        case _:
            return _abort(state, command)


def _pause(state: RolloutState, command: Command) -> _Obeyed:
    if state.phase is RolloutPhase.PAUSED:
        return state, ()
    if state.phase not in (RolloutPhase.STARTING, RolloutPhase.STEPPING):
        raise _not_now(state, "paused", "only a rollout that is still stepping can be paused")
    words = f"paused: {command.reason}" if command.reason else "paused"
    data = {"step": state.step, "weight": state.weight, "words": words}
    state = replace(state, phase=RolloutPhase.PAUSED, words=words, needs=None)
    return state, (Record(EventType.ROLLOUT_HELD, data),)


def _resume(state: RolloutState) -> _Obeyed:
    if state.phase is not RolloutPhase.PAUSED:
        raise _not_now(state, "resumed", "only a paused rollout can be resumed")
    if state.step < 0:
        return replace(state, phase=RolloutPhase.STARTING, words="resumed"), ()
    if effective_steps(state.strategy)[state.step].kind is StepKind.PAUSE:
        return enter(state, state.step + 1, "resumed by a person")
    data = {"step": state.step, "weight": state.weight, "words": "resumed by a person"}
    state = replace(state, phase=RolloutPhase.STEPPING, words="resumed")
    return state, (Record(EventType.ROLLOUT_STEPPED, data),)


def _promote(state: RolloutState, observed: TargetStatus, command: Command) -> _Obeyed:
    if state.phase is RolloutPhase.PROMOTING or state.closing:
        return state, ()
    if state.phase is RolloutPhase.PROBATION:
        return move(state, RolloutPhase.PROBATION, closing=True), ()
    if state.phase is RolloutPhase.ROLLING_BACK or state.is_rollback:
        raise _not_now(state, "promoted", "it is on its way back")
    if state.challenger.version not in observed.ready:
        raise _not_now(state, "promoted", f"version {state.challenger.version} is not ready yet")
    reason = command.reason or "promoted by a person"
    return enter(state, len(effective_steps(state.strategy)) - 1, reason)


def _abort(state: RolloutState, command: Command) -> _Obeyed:
    if state.phase is RolloutPhase.ROLLING_BACK:
        return state, ()
    if state.champion is None and state.touched:
        raise _not_now(
            state, "aborted", "it is the first deployment: there is nothing to return to"
        )
    aborted = command.kind is CommandKind.ABORT
    ending = RolloutPhase.ABORTED if aborted else RolloutPhase.ROLLED_BACK
    reason = command.reason or f"{'aborted' if aborted else 'rolled back'} by a person"
    return roll_back(state, reason, ending=ending)


def _not_now(state: RolloutState, what: str, why: str) -> StateError:
    return StateError(
        f"rollout {state.id} cannot be {what} while it is {state.phase.value}",
        code="rollout.not-now",
        hint=why,
    )
