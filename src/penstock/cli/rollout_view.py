"""How one rollout looks in a terminal: split, evidence against its bound, what is left."""

from __future__ import annotations

import time
from collections.abc import Iterable

from penstock.domain.rollout import RolloutPhase, StepKind
from penstock.domain.traffic import Counters, TargetStatus
from penstock.domain.verdict import Outcome, Verdict
from penstock.rollouts.state import RolloutState
from penstock.rollouts.strategy import effective_steps

BAR = 20
_STALE = 15.0
"""Seconds after which a rollout that nobody has looked at is said to stand still."""


def lines(
    state: RolloutState,
    observed: TargetStatus,
    *,
    seen: float | None = None,
    now: float | None = None,
) -> list[tuple[str, str]]:
    """Return the view as pairs of a heading and a text.

    Args:
        state: of the rollout.
        observed: what the gateway reports now.
        seen: percent of requests that the challenger really got lately, None if not known.
        now: seconds since the epoch; the present by default.
    """
    now = time.time() if now is None else now
    rows = [(state.id, _title(state)), ("phase", _phase(state))]
    if not state.phase.ended:
        rows.append(("split", _split(state, seen)))
    rows += [(one.name, _evidence(one)) for one in state.verdicts]
    if state.compared:
        share = 100.0 * state.differed / state.compared
        said = f"{state.differed:,} of {state.compared:,} were answered otherwise ({share:.1f} %)"
        rows.append(("copies", said))
    rows.append(("now" if not state.phase.ended else "ended", state.words))
    if state.trouble:
        rows.append(("trouble", f"{state.trouble} (it is tried again)"))
    if not state.phase.ended:
        rows.append(("time", _time(state)))
        rows += _warnings(state, observed, now)
    return rows


def seen_percent(
    before: Iterable[Counters], after: Iterable[Counters], champion: str, challenger: str
) -> float | None:
    """Return the challenger's share of the real requests between two statuses, in percent."""
    amounts = {}
    for version in (champion, challenger):
        amounts[version] = _real(after, version) - _real(before, version)
    total = sum(amounts.values())
    if total <= 0 or min(amounts.values()) < 0:
        return None
    return 100.0 * amounts[challenger] / total


def bar(share: float) -> str:
    """Return a bar that is full at 1.

    >>> bar(0.5)
    '[##########----------]'
    """
    full = round(BAR * min(max(share, 0.0), 1.0))
    return f"[{'#' * full}{'-' * (BAR - full)}]"


def duration(seconds: float) -> str:
    """Return seconds as people say them.

    >>> duration(5), duration(400), duration(90_000)
    ('5 s', '6 min 40 s', '1 d 1 h')
    """
    whole = int(seconds)
    for unit, size, small, part in (("d", 86_400, "h", 3_600), ("h", 3_600, "min", 60)):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {small}"
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"


def _real(counters: Iterable[Counters], version: str) -> int:
    return sum(one.requests for one in counters if one.version == version and one.role != "shadow")


def _title(state: RolloutState) -> str:
    if state.is_rollback:
        left = f" from version {state.champion.version}" if state.champion else ""
        return f"{state.model}: return to version {state.challenger.version}{left}"
    if state.champion is None:
        return f"{state.model}: first deployment, of version {state.challenger.version}"
    return (
        f"{state.model}: version {state.challenger.version} wants the traffic "
        f"of version {state.champion.version}"
    )


def _phase(state: RolloutState) -> str:
    steps = effective_steps(state.strategy)
    names = [
        step.kind.value if step.kind is not StepKind.WEIGHT else f"{step.weight:g} %"
        for step in steps
    ]
    if state.phase in (RolloutPhase.STEPPING, RolloutPhase.PAUSED) and state.step >= 0:
        names[state.step] = f">{names[state.step]}<"
    walk = "" if state.is_rollback else f"  ({' '.join(names)})"
    return f"{state.phase.value}{walk}"


def _split(state: RolloutState, seen: float | None) -> str:
    text = f"{bar(state.weight / 100)} {state.weight:g} % to version {state.challenger.version}"
    if seen is not None:
        text += f", {seen:.1f} % seen"
    return text + (", and copies" if state.shadow else "")


def _evidence(verdict: Verdict) -> str:
    details = verdict.evidence[0].details if verdict.evidence else {}
    share = details.get("log_e", 0.0) / details.get("log_bound", 1.0)
    mark = {Outcome.FAILED: "!", Outcome.PASSED: "+"}.get(verdict.outcome, " ")
    said = verdict.words.removeprefix(f"{verdict.name}: ")
    needs = f"; about {verdict.needs:,} more requests to acquit it" if verdict.needs else ""
    return f"{bar(share)}{mark} {said}{needs}" + ("" if verdict.blocking else " (warns only)")


def _time(state: RolloutState) -> str:
    strategy = state.strategy
    text = f"{duration(state.watched)} of at most {duration(strategy.max_seconds)}"
    if state.phase is RolloutPhase.PROBATION:
        left = max(strategy.probation - state.held, 0.0)
        return f"probation for {duration(left)} more; until then a return is instant"
    steps = effective_steps(strategy)
    if state.phase is RolloutPhase.STEPPING and state.step >= 0:
        left = max(steps[state.step].seconds - state.held, 0.0)
        text += f"; this step {duration(left)} more"
        if state.needs:
            text += f" and {state.needs:,} requests"
    return text


def _warnings(state: RolloutState, observed: TargetStatus, now: float) -> list[tuple[str, str]]:
    rows = []
    if not observed.running:
        rows.append(("warning", "the gateway does not answer"))
    if now - state.updated > max(_STALE, 10 * state.strategy.interval):
        text = f"nobody has looked for {duration(now - state.updated)}: `penstock rollout drive`"
        rows.append(("warning", text))
    return rows
