"""The journal keeps an event and what it changed together, whatever happens."""

import multiprocessing
import os
import signal
import time

import pytest

from penstock.domain.event import Event, EventType
from penstock.errors import StateError, UnavailableError
from penstock.journal import Journal


def test_causes_lead_back_to_the_first(tmp_path):
    with Journal(tmp_path / "journal.db") as journal:
        first = journal.append(Event(EventType.RUN_STARTED, "run-1"))
        second = journal.append(Event(EventType.RUN_FINISHED, "run-1", cause=first.id))
        assert [event.id for event in journal.causes(second.id)] == [second.id, first.id]
        assert first.time > 0
        assert first.actor


def step_too_late(journal):
    with journal.transaction() as tx:
        tx.append(Event(EventType.ROLLOUT_STEPPED, "r"))
        tx.put("rollout", "r", {"weight": 25}, expected=0)


def test_a_late_writer_is_refused_and_its_event_is_undone(tmp_path):
    with Journal(tmp_path / "journal.db") as journal:
        with journal.transaction() as tx:
            tx.put("rollout", "r", {"weight": 5}, expected=0)
        with pytest.raises(StateError, match="changed by somebody else"):
            step_too_late(journal)
        assert journal.get("rollout", "r").value == {"weight": 5}
        assert list(journal.events()) == []


def test_a_folder_that_cannot_be_made_is_said_plainly(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError, match="cannot use the journal"):
        Journal(tmp_path / "file" / "journal.db")


def count_up(path):
    with Journal(path) as journal:
        number = 0
        while True:
            number += 1
            with journal.transaction() as tx:
                tx.append(Event(EventType.ROLLOUT_STEPPED, "r", {"n": number}))
                record = tx.get("rollout", "r")
                tx.put("rollout", "r", {"n": (record.value["n"] if record else 0) + 1})


def test_kill_at_any_instant_leaves_events_and_records_equal(tmp_path):
    path = tmp_path / "journal.db"
    for round_number in range(5):
        process = multiprocessing.get_context("spawn").Process(target=count_up, args=(path,))
        process.start()
        deadline = time.monotonic() + 60
        seen = -1
        while time.monotonic() < deadline:
            with Journal(path) as journal:
                events = len(list(journal.events()))
            if seen < 0:
                seen = events
            if events > seen + 3 + round_number:
                break
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        with Journal(path) as journal:
            assert len(list(journal.events())) == journal.get("rollout", "r").value["n"]
