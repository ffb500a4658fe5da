"""Retraining decided over simulated weeks: never too much, never twice, and always in the end."""

import datetime as dt
import itertools
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.domain.trigger import Choice, Past, Request, TriggerKind
from penstock.journal import Journal
from penstock.triggers import Inbox, Policy, decide, hours
from penstock.triggers.policy import DAY

UTC = dt.UTC
MACHINES = [kind for kind in TriggerKind if kind is not TriggerKind.PERSON]
START = 1_700_000_000.0
SPANS = ["22:00-06:00", "12:00-13:30", "Fri 18:00-Mon 06:00", "00:00-04:00"]

policies = st.builds(
    Policy,
    cooldown=st.sampled_from([0.0, 600.0, 7200.0, DAY]),
    per_day=st.integers(1, 4),
    min_rows=st.sampled_from([0, 100, 1000]),
    quiet_hours=st.lists(st.sampled_from(SPANS), max_size=2, unique=True).map(
        lambda texts: tuple(hours.parse(text) for text in texts)
    ),
    backoff=st.booleans(),
    zone=st.just(UTC),
)
requests = st.builds(
    lambda key, kind, rows, after: (
        after,
        Request(f"{kind.value}:{key}", kind, f"reason {key}", 0.0, rows),
    ),
    st.integers(0, 12),
    st.sampled_from(MACHINES),
    st.none() | st.integers(0, 2000),
    st.floats(0, 6 * 3600.0),
)
outcomes = st.tuples(st.floats(1.0, 3 * 3600.0), st.sampled_from([True, False, None]))


def quiet(policy, moment):
    return hours.after(policy.quiet_hours, moment, UTC) != moment


def simulate(policy, asked, ends, *, more=200):
    """Let requests come, follow every decision, and return retrainings and what still waits."""
    now, waiting, history, declined, seen = START, [], [], [], set()
    arrivals = list(asked)
    for number in range(len(arrivals) * 3 + more):
        if arrivals:
            after, request = arrivals.pop(0)
            now += after
            if request.key not in seen or number % 3 == 0:  # some senders repeat themselves
                waiting.append(request)
            seen.add(request.key)
        decision = decide(waiting, history, policy, now)
        if decision.choice is Choice.START:
            assert not any(one.finished is None for one in history)
            seconds, gained = ends[len(history) % len(ends)]
            history.append(Past(f"r{len(history)}", decision.keys, now, None, gained=gained))
            assert decide(waiting, history, policy, now).choice is not Choice.START
            now += seconds
            done = history.pop()
            history.append(Past(done.id, done.keys, done.started, now, gained=done.gained))
            waiting = [one for one in waiting if one.key not in decision.keys]
        elif decision.choice is Choice.DECLINE:
            declined += decision.keys
            waiting = [one for one in waiting if one.key not in decision.keys]
        elif not arrivals:
            if decision.due is None:
                break
            assert decision.due > now
            now = decision.due
    return history, waiting, declined


@settings(max_examples=1000, deadline=None)
@given(policies, st.lists(requests, min_size=1, max_size=25), st.lists(outcomes, min_size=1))
def test_never_too_much_never_twice_always_in_the_end(policy, asked, ends):
    history, waiting, declined = simulate(policy, asked, ends)
    starts = [one.started for one in history]
    for index, start in enumerate(starts):
        assert sum(start - DAY < other <= start for other in starts) <= policy.per_day
        assert not quiet(policy, start)
        if index:
            assert start >= history[index - 1].finished + policy.cooldown
    answered = [key for one in history for key in one.keys]
    assert len(answered) >= len(set(answered))
    for first, second in itertools.pairwise(history):
        assert not set(first.keys) & set(second.keys)
    assert set(declined) <= set(answered)
    # What still waits has too few rows; everything else was answered.
    assert all(one.rows is not None and one.rows < policy.min_rows for one in waiting)


@settings(max_examples=200, deadline=None)
@given(policies, st.lists(requests, max_size=10), st.floats(0, 30 * DAY))
def test_a_person_is_obeyed_at_once(policy, others, after):
    waiting = [request for _, request in others]
    person = Request("person:1", TriggerKind.PERSON, "I want it", START)
    recent = [Past("r0", ("x",), START - 60, START - 1)]
    decision = decide([*waiting, person], recent, policy, START + after)
    assert decision.choice is Choice.START
    assert "person:1" in decision.keys
    running = [Past("r0", ("x",), START - 60)]
    assert decide([person], running, policy, START + after).choice is Choice.WAIT


@settings(max_examples=25, deadline=None)
@given(policies, st.lists(requests, min_size=1, max_size=8))
def test_the_inbox_keeps_each_key_once_through_every_crash(policy, asked):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        now, started = START, []
        for number, (after, request) in enumerate(asked * 2):
            now += after
            with Journal(
                path, clock=lambda moment=now: moment
            ) as journal:  # a new process each time
                inbox = Inbox(journal)
                new = inbox.submit(request)
                assert new == (request.key not in {one.key for _, one in (asked * 2)[:number]})
                decision = decide(inbox.open(), inbox.history(), policy, now)
                if decision.choice is Choice.START and inbox.take(decision, f"r{number}", {}, now):
                    started += decision.keys
                    assert inbox.take(decision, f"again{number}", {}, now) == 0
                    assert decide(inbox.open(), inbox.history(), policy, now).choice is Choice.WAIT
                    with journal.transaction() as tx:
                        record = tx.get("retraining", f"r{number}")
                        tx.put("retraining", f"r{number}", {**record.value, "finished": now})
        assert len(started) == len(set(started))
