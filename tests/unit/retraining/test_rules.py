"""What counts as new, and which requests wait with how much."""

from types import SimpleNamespace

import pytest

from penstock.domain.trigger import Choice, Request, TriggerKind
from penstock.journal import Journal
from penstock.retraining import rules
from penstock.triggers import Inbox, Policy, decide


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.db") as opened:
        yield opened


def test_what_is_there_at_the_first_look_is_not_new(journal):
    project = SimpleNamespace(journal=journal)
    assert rules.new_rows(project, 5000) == 5000  # nobody has looked yet
    assert rules.count(project, 5000) == 0
    assert rules.count(project, 5400) == 400
    assert rules.new_rows(project, 5400) == 400
    assert rules.count(project, None) is None


def test_a_drift_that_was_found_early_is_answered_once_there_is_enough(journal):
    inbox = Inbox(journal)
    inbox.submit(Request("drift:m/1@5", TriggerKind.DRIFT, "drift", 5.0, rows=10))
    inbox.submit(Request("alert:1@5", TriggerKind.WEBHOOK, "an alert", 6.0))
    policy = Policy(min_rows=1000)
    early = decide(rules.waiting(inbox, 10), (), policy, 10.0)
    assert early.keys == ("alert:1@5",)
    late = decide(rules.waiting(inbox, 1200), (), policy, 20.0)
    assert late.choice is Choice.START
    assert late.keys == ("drift:m/1@5", "alert:1@5")
    assert rules.waiting(inbox, None) == inbox.open()
