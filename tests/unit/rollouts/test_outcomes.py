"""Labels and metrics become sums: once each, for who answered, in pairs where both did."""

import json

import pandas as pd
import pytest

from penstock.assembly import Project
from penstock.domain.rollout import Rule, RuleKind, Strategy
from penstock.errors import UnavailableError
from penstock.inference import frames
from penstock.observations import Observations
from penstock.observations.records import Feedback, Record
from penstock.rollouts import RolloutState
from penstock.rollouts.outcomes import Outcomes, rightness
from penstock.stats.twosample import Sums, Told
from penstock.testing.simulation import bundle

BEGUN = 1_800_000_000.0
RULES = (
    Rule("quality", RuleKind.QUALITY),
    Rule("revenue", RuleKind.MEAN, low=0.0, high=10.0),
)


class Log:
    """A prediction log, and a rollout that listens to it."""

    def __init__(self, directory):
        self.observations = Observations(directory)
        strategy = Strategy(rules=RULES)
        self.state = RolloutState(
            "rollout-1", "m", strategy, bundle("1"), bundle("2"), started=BEGUN
        )

    def answered(self, *answers, time=BEGUN + 10):
        """Log answers: (request, version, role, prediction)."""
        made = [
            Record(
                id, time + n / 1000, version, role, 200, 0.001, frames.INVOCATIONS_JSON,
                b'{"dataframe_split": {"columns": ["x"], "data": [[1]]}}',
                json.dumps({"predictions": [value]}).encode(),
            )
            for n, (id, version, role, value) in enumerate(answers)
        ]  # fmt: skip
        self.observations.append_batch(made)

    def told(self, time, **labels):
        self.observations.append_feedback(
            Feedback(id, BEGUN + time, 0, label, {}) for id, label in labels.items()
        )

    def brought(self, time, **values):
        self.observations.append_feedback(
            Feedback(id, BEGUN + time, 0, None, {"revenue": value}) for id, value in values.items()
        )

    def fresh(self, now):
        """What a new process finds; remembers up to when it has counted."""
        mark, found = Outcomes(self.observations).fresh(self.state, BEGUN + now)
        object.__setattr__(self.state, "told", mark)
        return found


@pytest.fixture
def log(tmp_path):
    return Log(tmp_path / "observations")


def test_nothing_told_is_nothing_known(log):
    assert log.fresh(100) == {"quality": Told(), "revenue": Told()}
    assert log.state.told == 0.0


def test_labels_count_once_for_the_version_that_answered(log):
    log.answered(
        ("a", "1", "champion", 1), ("b", "1", "champion", 0),
        ("c", "2", "challenger", 1), ("t", "2", "pinned", 1), ("o", "9", "champion", 1),
    )  # fmt: skip
    log.told(20, a=1, b=1, c=0, t=1, o=1, never_asked=1)
    found = log.fresh(100)["quality"]
    assert found.champion == Sums(2, 1.0, 1.0)
    assert found.challenger == Sums(1, 0.0, 0.0)
    assert found.pairs == Sums()
    assert log.fresh(100)["quality"] == Told()
    # Told again, perhaps otherwise: the first time counts.
    log.told(30, a=0, c=1)
    assert log.fresh(100)["quality"] == Told()
    assert log.state.told == BEGUN + 30


def test_a_request_that_both_answered_is_a_pair(log):
    log.answered(
        ("a", "1", "champion", 1), ("a", "2", "shadow", 0),
        ("b", "1", "champion", 1), ("b", "2", "shadow", 1),
        ("c", "1", "champion", 1),
    )  # fmt: skip
    log.told(20, a=1, b=1, c=0)
    found = log.fresh(100)["quality"]
    assert found.pairs == Sums(2, 1.0, 1.0)
    assert found.both == (Sums(2, 1.0, 1.0), Sums(2, 2.0, 2.0))
    assert found.champion == Sums(1, 0.0, 0.0)
    assert found.challenger == Sums()


def test_metrics_count_for_who_answered_within_their_range(log):
    log.answered(("a", "1", "champion", 1), ("a", "2", "shadow", 1), ("b", "2", "challenger", 1))
    log.brought(20, a=4.0, b=1e9)
    found = log.fresh(100)["revenue"]
    assert found.champion == Sums(1, 4.0, 16.0)
    assert found.challenger == Sums(1, 10.0, 100.0)
    log.brought(30, b=1.0)
    assert log.fresh(100)["revenue"] == Told()


def test_what_was_told_a_moment_ago_waits_for_its_request(log):
    log.told(99.5, a=1)
    assert log.fresh(100)["quality"] == Told()
    log.answered(("a", "1", "champion", 1))
    assert log.fresh(103)["quality"].champion.n == 1


def test_requests_of_before_the_rollout_do_not_count(log):
    log.answered(("a", "1", "champion", 1), time=BEGUN - 100)
    log.told(20, a=1)
    assert log.fresh(100)["quality"] == Told()


def test_a_log_that_cannot_be_read_is_said(log):
    folder = log.observations.directory / "labels" / "2027-01-15" / "08"
    folder.mkdir(parents=True)
    (folder / f"{int(BEGUN * 1000) + 20_000}-{int(BEGUN * 1000) + 30_000}-x.parquet").write_text(
        "?"
    )
    with pytest.raises(UnavailableError, match="labels cannot be read"):
        log.fresh(100)


@pytest.mark.parametrize(
    ("predictions", "labels", "task", "expected"),
    [
        (["late", "late"], ["late", "on time"], None, [1.0, 0.0]),
        ([1.0, 0.0], [1.0, 1.0], None, [1.0, 0.0]),
        (["1", "2"], [1.0, 1.0], None, [1.0, 0.0]),
        ([0.9, 0.5], [1.0, 1.0], None, [0.99, 0.75]),
        ([3.0, 10.0], [5.0, 10.0], "regression", [0.75, 1.0]),
        ([0.0], [0.0], "regression", [1.0]),
        ([3.0, 10.0], [5.0, 10.0], "classification", [0.0, 1.0]),
    ],
)
def test_how_right_an_answer_was(predictions, labels, task, expected):
    found = rightness(pd.Series(predictions), pd.Series(labels), task)
    assert found.tolist() == pytest.approx(expected)


def test_a_project_listens_to_its_own_log(tmp_path):
    (tmp_path / "penstock.yaml").write_text(
        "model:\n  name: churn\n  path: models/model\n  test_data: data/test.csv\n  target: late\n"
    )
    log = Log(tmp_path / ".penstock" / "observations")
    log.answered(("a", "1", "champion", 1))
    log.told(20, a=1)
    with Project.open(tmp_path) as opened:
        _, found = opened.controller()._truth.fresh(log.state, BEGUN + 100)
    assert found["quality"].champion == Sums(1, 1.0, 1.0)
