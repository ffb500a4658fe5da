"""The account of retrainings: the gain at the gate, the gain on labelled traffic, and its use."""

import json
import time

import pytest

from penstock.assembly import Project
from penstock.domain.trigger import Choice, Decision, Past, Request, TriggerKind
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.inference.frames import INVOCATIONS_JSON
from penstock.observations import Observations
from penstock.observations.records import Feedback, Record
from penstock.retraining import gains
from penstock.retraining.order import Retrainer
from penstock.retraining.rules import policy_of
from penstock.triggers import Inbox
from penstock.triggers.policy import stretch


def verdict(name, value, low=None, high=None):
    evidence = Evidence(name, value=value, low=low, high=high)
    return Verdict(name, Outcome.PASSED, "", evidence=(evidence,))


def test_the_gain_at_the_gate_is_positive_where_the_candidate_is_better():
    alone = verdict("candidate.accuracy", 0.8)
    assert gains.predicted([alone]) is None
    found = gains.predicted(
        [alone, verdict("candidate.accuracy - champion.accuracy", 0.1, 0.0, 0.2)]
    )
    assert found == {"metric": "accuracy", "gain": 0.1, "low": 0.0, "high": 0.2}
    found = gains.predicted([verdict("candidate.log_loss - champion.log_loss", -0.1, -0.2, 0.0)])
    assert found == {"metric": "log_loss", "gain": 0.1, "low": 0.0, "high": 0.2}


def promoted(project, name, started):
    """Put a promoted retraining and its rollout into the journal."""
    inbox = Inbox(project.journal)
    inbox.submit(Request(name, TriggerKind.DATA, "new data", started))
    inbox.take(Decision(Choice.START, "new data", (name,)), name, {"phase": "rolling"}, started)
    rollout = {
        "challenger": {"version": "2"},
        "champion": {"version": "1"},
        "started": started,
        "phase": "promoted",
    }
    with project.journal.transaction() as tx:
        tx.put("rollout", f"rollout-{name}", rollout)
        value = tx.get("retraining", name).value
        ended = {"finished": started + 1000, "outcome": "promoted", "rollout": f"rollout-{name}"}
        tx.put("retraining", name, {**value, **ended, "gained": True})


def traffic(project, started, right, rows=200):
    """Answer and label requests: version 2 is right in a share of them, version 1 in half."""
    log = Observations(project.root / ".penstock/observations")
    records, labels = [], []
    for number in range(rows):
        version = "1" if number % 2 else "2"
        share = 0.5 if version == "1" else right
        good = (number // 2) % 10 < share * 10
        moment = started + 1 + number / 1000
        name = f"{started:.0f}-{number}"
        records.append(
            Record(
                name,
                moment,
                version,
                "champion",
                200,
                0.01,
                INVOCATIONS_JSON,
                b'{"dataframe_split": {"columns": ["age"], "data": [[1.0]]}}',
                json.dumps({"predictions": [int(good)]}).encode(),
            )
        )
        labels.append(Feedback(name, moment + 0.5, 0, 1, {}))
    log.append_batch(records, model="mini")
    log.append_feedback(labels)


@pytest.mark.parametrize(("right", "pays"), [(0.9, True), (0.2, False)])
def test_the_gain_in_production_comes_from_labels_and_the_policy_uses_it(mini, right, pays):
    now = time.time() - 3600
    with Project.open(mini.root) as project:
        for number in range(4):
            promoted(project, f"r{number}", now + 300 * number)
        gains.refresh(project)
        assert gains.summary(project)[0]["realised"] is None  # no labels yet
        traffic(project, now, right)
        Retrainer(project).settle()
        traffic(project, now + 900, right)
        gains.refresh(project)
        rows = {row["id"]: row for row in gains.summary(project)}
        realised = rows["r3"]["realised"]
        assert realised["metric"] == "accuracy"
        assert realised["gain"] == pytest.approx(right - 0.5)
        assert (realised["gain"] > 0) == pays
        history = Inbox(project.journal).history()
        assert [one.gained for one in history] == [pays] * 4
        policy = policy_of(project.settings)
        assert stretch(history, policy) == (1.0 if pays else 4.0)
        assert all(isinstance(one, Past) for one in history)
    shown = mini.penstock("retrain", "--history").stdout
    assert f"realised accuracy {right - 0.5:+.4f}" in shown
    paid = f"{4 if pays else 0} of 4 measured ones paid, {right - 0.5:+.4f} on average"
    assert paid in shown
    assert " ± 0." in shown


def shadowed(project, started, better):
    """Answer the same rows by both versions, then a hard day by the new one mostly."""
    log = Observations(project.root / ".penstock/observations")
    records, labels = [], []

    def answer(name, moment, version, chance):
        body = b'{"dataframe_split": {"columns": ["age"], "data": [[1.0]]}}'
        said = json.dumps({"predictions": [chance]}).encode()
        records.append(
            Record(name, moment, version, "champion", 200, 0.01, INVOCATIONS_JSON, body, said)
        )

    for number in range(100):
        name, moment = f"shadow-{number}", started + 1 + number / 1000
        answer(name, moment, "1", 0.3)
        answer(name, moment, "2", 0.3 - better)
        labels.append(Feedback(name, moment + 0.5, 0, 0, {}))
    for number in range(200):
        name, moment = f"split-{number}", started + 2 + number / 1000
        answer(name, moment, "1" if number % 10 == 0 else "2", 0.5)
        labels.append(Feedback(name, moment + 0.5, 0, 1, {}))
    log.append_batch(sorted(records, key=lambda one: one.time), model="mini")
    log.append_feedback(labels)


@pytest.mark.parametrize("better", [0.1, -0.1])
def test_in_shadow_the_same_rows_are_compared_whatever_comes_later(mini, better):
    now = time.time() - 3600
    with Project.open(mini.root) as project:
        promoted(project, "r", now)
        shadowed(project, now, better)
        gains.refresh(project)
        realised = gains.summary(project)[0]["realised"]
    assert realised["metric"] == "brier"
    assert realised["rows"] == realised["before"] == 100
    assert realised["gain"] == pytest.approx(0.3**2 - (0.3 - better) ** 2)


def test_a_hard_day_at_the_end_of_a_split_does_not_count_against_the_new_version(mini):
    """Both are right alike; the new version has more of the traffic when rows get hard."""
    now = time.time() - 3600
    log_rows = [(n, "2" if n % 10 == 0 else "1", 1) for n in range(500)]
    log_rows += [(n, "1" if n % 10 == 0 else "2", 0) for n in range(500, 1000)]
    records, labels = [], []
    for number, version, good in log_rows:
        name, moment = f"r-{number}", now + 1 + number / 1000
        body = b'{"dataframe_split": {"columns": ["age"], "data": [[1.0]]}}'
        said = json.dumps({"predictions": [good]}).encode()
        records.append(
            Record(name, moment, version, "champion", 200, 0.01, INVOCATIONS_JSON, body, said)
        )
        labels.append(Feedback(name, moment + 0.5, 0, 1, {}))
    with Project.open(mini.root) as project:
        promoted(project, "r", now)
        log = Observations(project.root / ".penstock/observations")
        log.append_batch(records, model="mini")
        log.append_feedback(labels)
        gains.refresh(project)
        realised = gains.summary(project)[0]["realised"]
    assert realised["metric"] == "accuracy"
    assert realised["gain"] == pytest.approx(0.0, abs=1e-9)
