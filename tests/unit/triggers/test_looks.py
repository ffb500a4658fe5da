"""What triggers ask for, look after look."""

from datetime import UTC

import pytest

from penstock.domain.event import Event, EventType
from penstock.domain.revision import Revision
from penstock.domain.trigger import Request, TriggerKind
from penstock.journal import Journal
from penstock.triggers import Inbox, commit, data, findings, schedule

NOW = 1_700_000_000.0


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.db") as opened:
        yield opened


def test_a_new_commit_asks_once(journal):
    first, second = Revision("a" * 40, "main"), Revision("b" * 40, "main", subject="Fix")
    assert commit.look(journal, first, NOW) == []  # what is there already asks for nothing
    (asked,) = commit.look(journal, second, NOW)
    assert asked.key == f"commit:{'b' * 40}"
    assert asked.data == {"commit": "b" * 40}
    assert "Fix" in asked.reason
    assert commit.look(journal, second, NOW) == [asked]  # killed before it was written down
    commit.done(journal, second)
    assert commit.look(journal, second, NOW) == []


def test_a_commit_that_was_run_asks_for_nothing(journal):
    commit.look(journal, Revision("a" * 40), NOW)
    with journal.transaction() as tx:
        run = {"revision": {"commit": "b" * 40, "dirty": False}, "outcome": "succeeded"}
        tx.put("run", "run-1", run)
    assert commit.look(journal, Revision("b" * 40), NOW) == []


def test_new_data_asks_by_content(journal):
    assert data.look(journal, "one", NOW) == []
    assert data.look(journal, "one", NOW + 60) == []
    (asked,) = data.look(journal, "two", NOW + 120, rows=500)
    assert asked.key == "data:two"
    assert asked.rows == 500
    assert data.look(journal, "one", NOW + 180) == []  # it was taken back
    assert data.look(journal, "", NOW + 180) == []
    assert data.look(journal, "two", NOW, trained="two") == []


def test_data_that_is_being_written_waits_for_a_second_look(journal):
    data.look(journal, "one", NOW)
    assert data.look(journal, "half", NOW + 60, changed=NOW + 59) == []
    assert data.look(journal, "two", NOW + 61, changed=NOW + 60) == []
    assert len(data.look(journal, "two", NOW + 62, changed=NOW + 60)) == 1
    assert len(data.look(journal, "three", NOW + 90, changed=NOW + 70)) == 1


def test_the_clock_asks_once_for_all_that_was_missed(journal):
    day = 86_400.0

    def look(moment, changed=True):
        return schedule.look(journal, "0 4 * * *", moment, changed=changed, zone=UTC)

    assert look(NOW) == []
    assert look(NOW + 60) == []
    (asked,) = look(NOW + 5 * day)
    assert asked.kind is TriggerKind.SCHEDULE
    schedule.done(journal, asked.data["slot"])
    assert look(NOW + 5 * day + 60) == []
    assert look(NOW + 7 * day, changed=False) == []  # nothing changed: the time is let pass
    assert look(NOW + 7 * day + 60) == []


def test_an_episode_of_drift_asks_once(journal):
    inbox = Inbox(journal)
    asked, newest = findings.look(journal, ("drift", "quality"), NOW)
    assert asked == []
    findings.done(journal, newest)
    found = {"since": NOW, "features": ["wind", "rain"], "severity": "warning"}
    first = journal.append(Event(EventType.DRIFT_DETECTED, "m/1", found))
    journal.append(Event(EventType.DRIFT_DETECTED, "m/1", {**found, "severity": "severe"}))
    journal.append(Event(EventType.QUALITY_DECLINED, "m/1", {"metric": "log_loss"}))
    asked, newest = findings.look(journal, ("drift",), NOW, rows=7)
    assert [inbox.submit(one) for one in asked] == [True, False]
    assert asked[0].event == first.id
    assert asked[0].data == {"since": NOW}
    assert "wind, rain" in asked[0].reason
    asked, _ = findings.look(journal, ("drift", "quality"), NOW)
    assert [one.kind for one in asked] == [
        TriggerKind.DRIFT,
        TriggerKind.DRIFT,
        TriggerKind.QUALITY,
    ]
    findings.done(journal, newest)
    assert findings.look(journal, ("drift", "quality"), NOW)[0] == []


def test_the_first_look_finds_what_is_still_open(journal):
    def detected(type, version, since):
        journal.append(Event(type, f"m/{version}", {"since": since}))

    detected(EventType.DRIFT_DETECTED, 1, 5.0)  # of the champion before
    journal.append(Event(EventType.CHAMPION_CHANGED, "m/2", {"version": "2"}))
    detected(EventType.DRIFT_DETECTED, 2, 6.0)  # over
    journal.append(Event(EventType.ALERT_RESOLVED, "m/2", {"key": "drift"}))
    detected(EventType.QUALITY_DECLINED, 2, 7.0)
    detected(EventType.DRIFT_DETECTED, 2, 8.0)
    asked, newest = findings.look(journal, ("drift", "quality"), NOW)
    assert [one.key for one in asked] == ["drift:m/2@8", "quality:m/2@7"]
    findings.done(journal, newest)
    assert findings.look(journal, ("drift", "quality"), NOW)[0] == []


def test_newer_data_takes_the_place_of_older_data_that_still_waits(journal):
    inbox = Inbox(journal)
    for number in range(3):
        asked = Request(f"data:{number}", TriggerKind.DATA, "new data", NOW + number, rows=number)
        assert inbox.submit(asked)
    assert [one.key for one in inbox.open()] == ["data:2"]
    assert inbox.find("data:0")["state"] == "declined"
    declined = [one.subject for one in journal.events(type=EventType.RETRAINING_DECLINED)]
    assert declined == ["data:0", "data:1"]


def test_data_that_a_retraining_for_another_reason_had_asks_no_more(journal):
    inbox = Inbox(journal)
    inbox.submit(Request("data:5", TriggerKind.DATA, "new data", NOW, rows=5))
    inbox.trained("4")
    assert [one.key for one in inbox.open()] == ["data:5"]
    inbox.trained("5")
    inbox.trained("5")
    assert inbox.open() == []
    (declined,) = journal.events(type=EventType.RETRAINING_DECLINED)
    assert declined.data["reason"] == "the last retraining had this data already"


def test_joint_drift_is_asked_for_in_words(journal):
    found = {"since": NOW, "features": [], "together": True}
    journal.append(Event(EventType.DRIFT_DETECTED, "m/1", found))
    (asked,), _ = findings.look(journal, ("drift",), NOW)
    assert asked.reason == "drift of how the features go together of m/1"
