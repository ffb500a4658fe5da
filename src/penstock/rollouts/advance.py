"""One look at a rollout: analysis, then decision, both pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from penstock.domain.rollout import Look, RolloutPhase
from penstock.domain.traffic import TargetStatus
from penstock.domain.verdict import Verdict
from penstock.rollouts.analysis import Analysis
from penstock.rollouts.decide import Decision, decide, in_force
from penstock.rollouts.state import Command, RolloutState
from penstock.rollouts.strategy import stage_of
from penstock.stats.twosample import Told

_MOST_LOOKS = 240
"""Length of the timeline; when it is full, every second look of the older half is dropped."""

_ANALYSED = (
    RolloutPhase.STEPPING,
    RolloutPhase.PAUSED,
    RolloutPhase.PROMOTING,
    RolloutPhase.PROBATION,
)


def advance(
    state: RolloutState,
    observed: TargetStatus,
    command: Command | None = None,
    now: float = 0.0,
    others: Sequence[Verdict] = (),
    told: Mapping[str, Told] | None = None,
) -> Decision:
    """Take in what the target reports, then decide.

    Args:
        state: where the rollout stands.
        observed: what the target reports.
        command: what a person asks for.
        now: seconds since the epoch.
        others: verdicts of others who watch the challenger, such as a monitor of its quality on
            late labels; a blocking one that failed ends the rollout like one of the analysis.
        told: what labels and metrics that came in later say, per rule.
    """
    phase = state.phase
    state, verdicts = analyse(state, observed, told)
    state, effects = decide(state, observed, (*verdicts, *others), command, now)
    if phase in _ANALYSED or phase is not state.phase:
        state = replace(state, looks=_more(state.looks, _look(state, now)))
    return state, effects


def listens(state: RolloutState) -> bool:
    """Return whether what becomes known of requests may speak for or against the challenger."""
    return state.champion is not None and not state.is_rollback and state.phase in _ANALYSED


def analyse(
    state: RolloutState, observed: TargetStatus, told: Mapping[str, Told] | None = None
) -> tuple[RolloutState, tuple[Verdict, ...]]:
    """Return the state with what was counted since the last look, and the verdicts on it."""
    if state.champion is None or state.is_rollback or not observed.running:
        return state, ()
    if state.phase not in _ANALYSED and state.phase is not RolloutPhase.STARTING:
        return state, ()
    analysis = Analysis(
        state.strategy, state.champion.version, state.challenger.version, state.analysis
    )
    real = state.weight > 0.0
    settled = state.warm >= state.strategy.settle_seconds
    verdicts = analysis.look(
        observed.counters, stage=stage_of(state), real=real, settled=settled, told=told
    )
    fresh = analysis.fresh.real if real else analysis.fresh.requests
    counted = fresh if in_force(state, observed) else 0
    state = replace(
        state,
        analysis=analysis.to_dict(),
        requests=analysis.requests,
        errors=analysis.errors,
        control_requests=analysis.control_requests,
        compared=analysis.compared,
        differed=analysis.differed,
        step_requests=state.step_requests + counted,
        warm=0.0 if analysis.restarted else state.warm,
    )
    if state.phase is RolloutPhase.STARTING:
        return state, ()
    return replace(state, verdicts=verdicts), verdicts


def _look(state: RolloutState, now: float) -> Look:
    evidence = {
        one.name: round(one.evidence[0].details["log_e"] / one.evidence[0].details["log_bound"], 4)
        for one in state.verdicts
        if one.evidence and "log_bound" in one.evidence[0].details
    }
    return Look(now, state.weight, state.phase.value, state.requests, state.errors, evidence)


def _more(looks: tuple[Look, ...], look: Look) -> tuple[Look, ...]:
    """Add a look; when there are too many, thin those of the probation first, then all evenly."""
    if len(looks) >= _MOST_LOOKS:
        probation = RolloutPhase.PROBATION.value
        looks = tuple(one for n, one in enumerate(looks) if n % 2 == 0 or one.phase != probation)
        if len(looks) > 0.9 * _MOST_LOOKS:
            looks = looks[::2]
    return (*looks, look)
