"""Whether to train again now: a pure function of what was asked, what was done, and the clock.

    requests ──► same key before? declined ──► one under way? ──► enough new rows? ──►
    budget of the day ──► cool-down ──► quiet hours ──► start one retraining for all of them

A person is obeyed at once: cool-down, rows and quiet hours are for machines. What a person starts
still counts in the budget that machines have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from penstock.domain.trigger import Choice, Decision, Past, Request, TriggerKind
from penstock.triggers import hours

DAY = 86_400.0
_PATIENCE = 2
_MOST = 8.0
_UNCOUNTED = (TriggerKind.PERSON, TriggerKind.COMMIT)


@dataclass(frozen=True, slots=True)
class Policy:
    """When machines may start a retraining.

    Attributes:
        cooldown: seconds from the end of one retraining to the start of the next.
        per_day: most retrainings in any 24 hours.
        min_rows: least number of new labelled rows, where they can be counted.
        quiet_hours: when nothing starts.
        backoff: whether the cool-down doubles with each retraining in a row, after the second,
            that brought nothing (up to eight times).
        zone: whose clock the quiet hours mean, None for this machine's.
    """

    cooldown: float = DAY
    per_day: int = 2
    min_rows: int = 1000
    quiet_hours: tuple[hours.Span, ...] = ()
    backoff: bool = True
    zone: tzinfo | None = None


def decide(
    requests: Sequence[Request], history: Sequence[Past], policy: Policy, now: float
) -> Decision:
    """Decide about the open requests.

    Args:
        requests: that nobody answered yet.
        history: all retrainings so far, in any order.
        policy: of the project.
        now: seconds since the epoch.

    Returns:
        One decision. *Decline* is about the requests that must never start anything, and comes
        before all else; then *start* is about all requests that one retraining answers; *wait*
        is about those that still wait, and says until when.
    """
    if not requests:
        return Decision(Choice.WAIT, "nobody asks for a retraining")
    if (repeated := _repeated(requests, history)) is not None:
        return repeated
    running = next((one for one in history if one.finished is None), None)
    keys = tuple(one.key for one in requests)
    if running is not None:
        return Decision(Choice.WAIT, f"retraining {running.id} is under way", keys)
    if any(one.kind is TriggerKind.PERSON for one in requests):
        # What a person starts answers everybody who waits: the training is the same.
        return Decision(Choice.START, _reasons(requests), keys)
    ready = [one for one in requests if _enough(one, policy)]
    if not ready:
        best = max(one.rows or 0 for one in requests)
        words = f"{best} new labelled rows, {policy.min_rows} are wanted"
        return Decision(Choice.WAIT, words, keys)
    return _when(ready, history, policy, now)


def _repeated(requests: Sequence[Request], history: Sequence[Past]) -> Decision | None:
    answered = {key: one.id for one in history for key in one.keys}
    again = tuple(one.key for one in requests if one.key in answered)
    if again:
        by = answered[again[0]]
        return Decision(Choice.DECLINE, f"retraining {by} answered the same request", again)
    return None


def _when(
    ready: Sequence[Request], history: Sequence[Past], policy: Policy, now: float
) -> Decision:
    keys = tuple(one.key for one in ready)
    if policy.per_day <= 0:
        return Decision(Choice.DECLINE, "the budget is no retraining at all (per_day: 0)", keys)
    free = [
        (budget_free(history, policy, now), f"{policy.per_day} retrainings in 24 hours are enough"),
        (cooldown_over(history, policy), _cooling(history, policy)),
    ]
    due, why = max(free, key=lambda one: one[0])
    start = max(due, now)
    opened = hours.after(policy.quiet_hours, start, policy.zone)
    if opened is None:
        return Decision(Choice.WAIT, "it is always quiet hours", keys)
    if opened <= now:
        return Decision(Choice.START, _reasons(ready), keys)
    if due <= now:
        why = "quiet hours"
    until = datetime.fromtimestamp(opened, policy.zone).strftime("%Y-%m-%d %H:%M:%S")
    return Decision(Choice.WAIT, f"{why}: until {until}", keys, opened)


def budget_free(history: Sequence[Past], policy: Policy, now: float) -> float:
    """Return from when on the budget of 24 hours allows one more start."""
    starts = sorted(one.started for one in history if one.started > now - DAY)
    if len(starts) < policy.per_day:
        return now
    return starts[-policy.per_day] + DAY


def cooldown_over(history: Sequence[Past], policy: Policy) -> float:
    """Return when the cool-down after the last retraining is over."""
    ended = [one.finished for one in history if one.finished is not None]
    if not ended:
        return 0.0
    return max(ended) + policy.cooldown * stretch(history, policy)


def stretch(history: Sequence[Past], policy: Policy) -> float:
    """Return by how much the cool-down is lengthened because retraining does not pay.

    >>> poor = [Past(str(n), (), float(n), float(n), gained=False) for n in range(4)]
    >>> [stretch(poor[:n], Policy()) for n in range(5)]
    [1.0, 1.0, 1.0, 2.0, 4.0]
    """
    if not policy.backoff:
        return 1.0
    in_vain = 0
    for one in sorted(history, key=lambda past: past.started, reverse=True):
        if one.gained is not False:
            break
        in_vain += 1
    return float(min(_MOST, 2.0 ** max(0, in_vain - _PATIENCE)))


def _cooling(history: Sequence[Past], policy: Policy) -> str:
    times = stretch(history, policy)
    longer = (
        f", {times:g} times as long since retraining brought nothing lately" if times > 1 else ""
    )
    return f"cool-down{longer}"


def _enough(request: Request, policy: Policy) -> bool:
    if request.kind in _UNCOUNTED or request.rows is None:
        return True
    return request.rows >= policy.min_rows


def _reasons(requests: Sequence[Request]) -> str:
    return "; ".join(dict.fromkeys(one.reason for one in requests))
