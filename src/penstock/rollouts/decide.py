"""What a rollout does next: a pure function of where it stands and of what is true now.

    starting ──► stepping ◄──► paused
                    │  │
                    │  └─────► promoting ──► probation ──► promoted
                    ▼              │             │
               rolling-back ◄──────┴─────────────┘ ──► rolled-back | aborted

No I/O, no clock, no randomness. The controller executes the effects; it may be killed before,
between or after them and calls again: a table that is not in force is applied again, and only what
the target *reports* moves the rollout on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from penstock.domain.event import EventType
from penstock.domain.rollout import RolloutPhase, Step, StepKind
from penstock.domain.traffic import TargetStatus
from penstock.domain.verdict import Verdict
from penstock.rollouts.analysis import worst_alarm
from penstock.rollouts.commands import obey
from penstock.rollouts.moves import end, enter, hold, move, roll_back
from penstock.rollouts.state import (
    ApplyTable,
    Command,
    Effect,
    Promote,
    Record,
    RolloutState,
    StartTarget,
)
from penstock.rollouts.strategy import effective_steps, frozen, table_of
from penstock.rollouts.waiting import missing_labels, open_rules, proved

Decision = tuple[RolloutState, tuple[Effect, ...]]

_WATCHED = (
    RolloutPhase.STARTING,
    RolloutPhase.STEPPING,
    RolloutPhase.PAUSED,
    RolloutPhase.PROMOTING,
    RolloutPhase.PROBATION,
)
_BEFORE = (RolloutPhase.STARTING, RolloutPhase.STEPPING, RolloutPhase.PAUSED)
_LONGEST_GAP = 5.0
"""Seconds that may pass for time under observation between two looks, at least ..."""
_LONGEST_LOOKS = 10.0
"""... and as a multiple of the strategy's interval."""
_PATIENCE = 10.0
"""Seconds that a step may wait for requests before it is said to be held."""


def decide(
    state: RolloutState,
    observed: TargetStatus,
    verdicts: Sequence[Verdict] = (),
    command: Command | None = None,
    now: float = 0.0,
) -> Decision:
    """Return the next state and what must be done to the world.

    Args:
        state: where the rollout stands.
        observed: what the target reports.
        verdicts: of the analysis at this look, and of anybody else who watches.
        command: what a person asks for.
        now: seconds since the epoch.

    Raises:
        StateError: ``rollout.ended`` or ``rollout.not-now`` for a command that makes no sense.
    """
    state = _pass_time(state, observed, now)
    effects: tuple[Effect, ...] = ()
    if command is not None:
        state, effects = obey(state, observed, command)
    if state.phase.ended:
        return state, effects
    watched, more = _watch(state, observed, verdicts)
    effects += more
    if watched.phase is state.phase:
        watched, more = _progress(watched, observed, verdicts, now)
        effects += more
    return _reconcile(watched, observed, effects)


def in_force(state: RolloutState, observed: TargetStatus) -> bool:
    """Return whether the target reports the wanted table."""
    return observed.running and observed.generation == state.generation


def _pass_time(state: RolloutState, observed: TargetStatus, now: float) -> RolloutState:
    """Count time under observation; downtime and jumps of the clock hardly count."""
    longest = max(_LONGEST_GAP, _LONGEST_LOOKS * state.strategy.interval)
    elapsed = min(max(now - state.updated, 0.0), longest)
    state = replace(state, updated=now, watched=state.watched + elapsed)
    if not in_force(state, observed):
        return state
    real = elapsed if state.weight > 0 else 0.0
    if state.challenger.version not in observed.ready:
        warm = 0.0
    else:
        warm = state.warm + (elapsed if state.phase is not RolloutPhase.STARTING else 0.0)
    return replace(state, held=state.held + elapsed, real=state.real + real, warm=warm)


def _watch(state: RolloutState, observed: TargetStatus, verdicts: Sequence[Verdict]) -> Decision:
    """Return to the champion when the challenger is found bad, broken, or out of time."""
    if state.phase not in _WATCHED or state.closing:
        return state, ()
    returnable = state.champion is not None or not state.touched
    alarm = worst_alarm(verdicts)
    if alarm is not None and returnable:
        return roll_back(state, alarm.words)
    broken = observed.failed.get(state.challenger.version)
    if broken is not None and returnable:
        return roll_back(state, f"version {state.challenger.version} cannot be served: {broken}")
    if state.phase is RolloutPhase.STARTING and state.held > state.strategy.start_seconds:
        limit = state.strategy.start_seconds
        return roll_back(
            state, f"version {state.challenger.version} was not ready within {limit:,.0f} s"
        )
    if state.phase in _BEFORE and state.watched > state.strategy.max_seconds:
        return _out_of_time(state, observed)
    return state, ()


def _out_of_time(state: RolloutState, observed: TargetStatus) -> Decision:
    limit = f"{state.strategy.max_seconds:,.0f} s"
    wanted = state.strategy.on_inconclusive == "promote"
    if wanted and _comparable(state) and _both_ready(state, observed):
        words = f"the longest duration of {limit} is over and nothing speaks against it"
        return enter(state, len(effective_steps(state.strategy)) - 1, words)
    return roll_back(state, f"the longest duration of {limit} is over without enough evidence")


def _progress(
    state: RolloutState, observed: TargetStatus, verdicts: Sequence[Verdict], now: float
) -> Decision:
    """Move forward what may move: only on what the target reports of the wanted table."""
    if not observed.running:
        return replace(state, words="the gateway does not answer: waiting for it"), ()
    if not in_force(state, observed):
        return replace(state, words="waiting for the gateway to take the new split"), ()
    match state.phase:
        case RolloutPhase.STARTING:
            return _start(state, observed, now)
        case RolloutPhase.STEPPING:
            return _step(state, observed, verdicts, now)
        case RolloutPhase.PAUSED:
            return state, ()
        case RolloutPhase.PROMOTING:
            words = f"pointing alias and release tag at version {state.challenger.version}"
            wish = Promote(state.challenger.version, state.id, state.reason)
            return replace(state, words=words), (wish,)
        case RolloutPhase.ROLLING_BACK:
            return _return(state)
        case _:
            return _probation(state)


def _start(state: RolloutState, observed: TargetStatus, now: float) -> Decision:
    version = state.challenger.version
    if version not in observed.ready:
        return replace(state, words=f"starting version {version}"), ()
    if state.is_rollback:
        return move(state, RolloutPhase.ROLLING_BACK, touched=True), ()
    window = frozen(state.strategy, now)
    if window is not None:
        return replace(state, words=f"ready; nothing moves during {window}"), ()
    if state.champion is None:
        words = "first deployment: there is no champion to compare with"
        return enter(state, len(effective_steps(state.strategy)) - 1, words)
    if not _both_ready(state, observed):
        return replace(state, words="waiting for the champion to be ready"), ()
    return enter(state, 0, f"version {version} is ready")


def _step(
    state: RolloutState, observed: TargetStatus, verdicts: Sequence[Verdict], now: float
) -> Decision:
    steps = effective_steps(state.strategy)
    step = steps[state.step]
    place = _place(step)
    if not _both_ready(state, observed):
        return replace(state, words=f"{place}: waiting until both versions are ready"), ()
    window = frozen(state.strategy, now)
    if window is not None:
        return replace(state, words=f"{place}: nothing moves forward during {window}"), ()
    if proved(state, verdicts):
        rest = range(state.step + 1, len(steps))
        target = next((i for i in rest if steps[i].kind is StepKind.PAUSE), len(steps) - 1)
        return enter(state, target, f"{place}: evidence suffices that it is no worse")
    missing = max(step.min_requests, 1) - state.step_requests
    left = step.seconds - state.held
    if missing <= 0 and left <= 0 and _comparable(state):
        undecided = open_rules(state, verdicts)
        if undecided:
            return _wait_for_proof(state, place, verdicts, undecided)
        labels = missing_labels(state, verdicts)
        if labels > 0:
            words = f"{place}: needs labels of about {labels:,} more of its answers"
            return hold(replace(state, words=words, needs=labels), words)
        return enter(state, state.step + 1, f"{place}: {_passed_words(state)}")
    return _wait(state, step, missing, left)


def _place(step: Step) -> str:
    return "shadow" if step.kind is StepKind.SHADOW else f"{step.weight:g} %"


def _wait(state: RolloutState, step: Step, missing: int, left: float) -> Decision:
    place = _place(step)
    wishes = [f"{left:.0f} s" if left >= 1 else "a moment"] if left > 0 else []
    wishes += [f"about {missing:,} more requests"] if missing > 0 else []
    if not wishes:
        wishes = ["requests at the champion to compare with"]
    words = f"{place}: needs {' and '.join(wishes)}"
    state = replace(state, words=words, needs=max(missing, 0) or None)
    late = -left > max(step.seconds, _PATIENCE)
    return hold(state, words) if late else (state, ())


def _wait_for_proof(
    state: RolloutState, place: str, verdicts: Sequence[Verdict], undecided: Sequence[str]
) -> Decision:
    needs = max((one.needs or 0 for one in verdicts if one.name in undecided), default=0)
    amount = f"about {needs:,} more requests" if needs else "more requests"
    words = f"{place}: needs {amount} to decide on {', '.join(undecided)}"
    return hold(replace(state, words=words, needs=needs or None), words)


def _comparable(state: RolloutState) -> bool:
    return state.requests > 0 and state.control_requests > 0


def _both_ready(state: RolloutState, observed: TargetStatus) -> bool:
    wanted = {state.challenger.version} | ({state.champion.version} if state.champion else set())
    return wanted <= observed.ready


def _passed_words(state: RolloutState) -> str:
    words = f"{state.step_requests:,} requests and no rule speaks against it"
    if not state.compared:
        return words
    share = state.differed / state.compared
    return f"{words}; {share:.1%} of {state.compared:,} copies were answered otherwise"


def _return(state: RolloutState) -> Decision:
    kept = table_of(state).champion
    if state.touched and kept is not None:
        words = f"pointing alias and release tag back at version {kept}"
        return replace(state, words=words), (Promote(kept, f"{state.id}-back", state.reason),)
    return end(state)


def _probation(state: RolloutState) -> Decision:
    if state.closing:
        done = {"phase": "promoted", "words": "probation is over"}
        state = replace(state, phase=RolloutPhase.PROMOTED, words="probation is over: promoted")
        return state, (Record(EventType.ROLLOUT_STEPPED, done),)
    left = state.strategy.probation - state.held
    if left <= 0:
        return move(state, RolloutPhase.PROBATION, closing=True), ()
    return replace(state, words=f"promoted; on probation for {left:,.0f} s more"), ()


def _reconcile(
    state: RolloutState, observed: TargetStatus, effects: tuple[Effect, ...]
) -> Decision:
    """Add what makes the target want and report the wanted table."""
    if state.phase.ended:
        return state, effects
    if observed.running and observed.generation > state.generation:
        state = replace(state, generation=observed.generation + 1)
    if not observed.running:
        # The table follows once it is known to run: so it is known whether it ever got one.
        return state, (*effects, StartTarget())
    if not in_force(state, observed):
        state = replace(state, sent=True)
        effects += (ApplyTable(table_of(state)),)
    return state, effects
