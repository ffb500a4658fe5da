"""What a strategy means: its steps, the traffic table of each state, frozen times."""

from __future__ import annotations

import re
import time
from dataclasses import replace

from penstock.domain.rollout import RolloutPhase, Step, StepKind, Strategy, StrategyKind
from penstock.domain.traffic import TrafficTable
from penstock.domain.version import Bundle
from penstock.errors import ConfigError
from penstock.rollouts.state import RolloutState

PROBATION_STAGES = 8
_FULL = Step(StepKind.WEIGHT, 100.0)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES_A_DAY = 24 * 60
_WINDOW = re.compile(
    r"^\s*(?:([a-z]{3})[a-z]*\s+)?(\d{1,2}):(\d{2})\s*-\s*(?:([a-z]{3})[a-z]*\s+)?(\d{1,2}):(\d{2})\s*$",
    re.IGNORECASE,
)


def effective_steps(strategy: Strategy) -> tuple[Step, ...]:
    """Return the steps that a rollout walks through; the last one is always 100 %.

    Blue/green knows no share in between: its shadows and pauses are kept, then all traffic moves.
    """
    steps = [step for step in strategy.steps if not _is_full(step)]
    if strategy.kind is StrategyKind.BLUE_GREEN:
        steps = [step for step in steps if step.kind is not StepKind.WEIGHT]
    return (*steps, _FULL)


def analysed_steps(strategy: Strategy) -> tuple[Step, ...]:
    """Return the steps during which the challenger gets requests or copies."""
    return tuple(
        step
        for step in effective_steps(strategy)
        if step.kind is not StepKind.PAUSE and not _is_full(step)
    )


def stage_of(state: RolloutState) -> int:
    """Return the index of the analysis's stage: steps first, then eighths of the probation."""
    steps = effective_steps(state.strategy)
    analysed = len(analysed_steps(state.strategy))
    if state.phase in (RolloutPhase.PROBATION, RolloutPhase.PROMOTING):
        part = 0
        if state.phase is RolloutPhase.PROBATION and state.strategy.probation > 0:
            part = int(PROBATION_STAGES * state.held / state.strategy.probation)
        return max(analysed, 1) + min(part, PROBATION_STAGES - 1)
    passed = steps[: max(state.step, 0) + 1]
    return max(sum(step.kind is not StepKind.PAUSE for step in passed) - 1, 0)


def _is_full(step: Step) -> bool:
    return step.kind is StepKind.WEIGHT and step.weight >= 100.0


def table_of(state: RolloutState) -> TrafficTable:
    """Return the traffic table that a state wants. The only place where traffic is decided."""
    champion, challenger = state.champion, state.challenger
    table = TrafficTable(
        generation=state.generation,
        sticky=state.strategy.sticky,
        replicas=state.replicas,
        salt=state.id,
        rollout_id=state.id,
    )
    match state.phase:
        case RolloutPhase.STARTING | RolloutPhase.STEPPING | RolloutPhase.PAUSED:
            return replace(
                table,
                bundles=_present(champion, challenger),
                champion=champion.version if champion else None,
                challenger=challenger.version,
                weight=state.weight,
                shadow=state.shadow,
                shadow_percent=state.strategy.mirror_percent if state.weight > 0 else 100.0,
            )
        case RolloutPhase.ROLLING_BACK | RolloutPhase.ROLLED_BACK | RolloutPhase.ABORTED:
            kept = challenger if state.is_rollback and not state.pending else champion
            return replace(table, bundles=_present(kept), champion=kept.version if kept else None)
        case _:
            return _promoted_table(state, table)


def _promoted_table(state: RolloutState, table: TrafficTable) -> TrafficTable:
    challenger, previous = state.challenger, state.champion
    alone = replace(table, bundles=(challenger,), champion=challenger.version)
    if state.closing or previous is None or state.strategy.probation <= 0 or state.is_rollback:
        return alone
    percent = state.strategy.probation_percent
    return replace(
        alone,
        bundles=(challenger, previous),
        challenger=previous.version,
        shadow=percent > 0,
        shadow_percent=percent,
    )


def _present(*bundles: Bundle | None) -> tuple[Bundle, ...]:
    return tuple(one for one in bundles if one is not None)


def frozen(strategy: Strategy, now: float) -> str | None:
    """Return the freeze window that `now` lies in, None outside of all.

    Raises:
        ConfigError: ``rollout.freeze`` when a window cannot be read.
    """
    local = time.localtime(now)
    minute = (local.tm_wday * 24 + local.tm_hour) * 60 + local.tm_min
    return next((text for text in strategy.freeze if _within(minute, *parse_window(text))), None)


def parse_window(text: str) -> tuple[int, int, int]:
    """Read ``Fri 16:00-Mon 08:00`` or ``22:00-06:00`` (every day).

    Returns:
        begin and end in minutes since Monday (or since midnight), and the period in minutes.

    Raises:
        ConfigError: ``rollout.freeze`` when it cannot be read.
    """
    match = _WINDOW.match(text)
    names = [name.lower() for name in match.group(1, 4) if name] if match else []
    if match is None or len(names) == 1 or any(name not in _DAYS for name in names):
        raise ConfigError(
            f"cannot read the freeze window {text!r}",
            code="rollout.freeze",
            hint="write it like 'Fri 16:00-Mon 08:00', or '22:00-06:00' for every day",
        )
    begin = int(match[2]) * 60 + int(match[3])
    end = int(match[5]) * 60 + int(match[6])
    if not names:
        return begin % _MINUTES_A_DAY, end % _MINUTES_A_DAY, _MINUTES_A_DAY
    begin += _DAYS.index(names[0]) * _MINUTES_A_DAY
    end += _DAYS.index(names[1]) * _MINUTES_A_DAY
    return begin, end, 7 * _MINUTES_A_DAY


def _within(minute: int, begin: int, end: int, period: int) -> bool:
    minute %= period
    if begin <= end:
        return begin <= minute < end
    return minute >= begin or minute < end
