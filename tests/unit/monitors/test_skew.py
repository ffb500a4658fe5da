"""Skew: the same row on both paths, and the feature that is read differently."""

from penstock.domain.event import EventType
from penstock.domain.verdict import Outcome
from penstock.errors import UnavailableError
from penstock.monitors.skew import compare

COLUMNS = ["age", "delay", "carrier"]
ROWS = [[30.0 + k, float(k % 7), "AA" if k % 2 else "DL"] for k in range(20)]
USUAL = [40.0, 0.0, "AA"]


class Endpoint:
    """Scores rows; the live path may read a feature in its own way."""

    def __init__(self, live=lambda row: row, *, up=True):
        self._live, self._up = live, up

    def ready(self):
        return self._up

    def offline(self, columns, rows):
        weights = {"AA": 1.0, "DL": 5.0}
        return [row[0] * 0.1 + row[1] * 2.0 + weights.get(row[2], 0.0) for row in rows]

    def served(self, columns, rows):
        return self.offline(columns, [self._live(list(row)) for row in rows])


class Refusing(Endpoint):
    def served(self, columns, rows):
        raise UnavailableError("the live endpoint refused training rows", code="monitor.no-answer")


def test_equal_answers_are_no_skew():
    verdict = compare(Endpoint(), COLUMNS, ROWS, USUAL)
    assert verdict.outcome is Outcome.PASSED
    assert "20 rows" in verdict.words


def test_the_feature_that_is_read_differently_is_named():
    minutes = compare(Endpoint(lambda r: [r[0], r[1] * 60, r[2]]), COLUMNS, ROWS, USUAL)
    assert minutes.outcome is Outcome.FAILED
    assert list(minutes.evidence[0].details["features"]) == ["delay"]
    assert "what differs is delay" in minutes.words
    case = compare(Endpoint(lambda r: [r[0], r[1], r[2].lower()]), COLUMNS, ROWS, [40.0, 0.0, "ZZ"])
    assert list(case.evidence[0].details["features"]) == ["carrier"]


def test_the_watcher_replays_training_rows_once_a_day_and_alerts(world):
    world.champion("1")
    live = Endpoint(lambda row: [40 + 2 * (row[0] - 40), *row[1:]])
    verdicts = world.look(endpoint=live)
    (skew,) = [one for one in verdicts if one.kind == "skew"]
    assert "what differs is age" in skew.words
    world.look(endpoint=live)
    (raised,) = world.events(EventType.ALERT_RAISED)
    assert raised.data["severity"] == "severe"
    world.now += 90_000
    world.look(endpoint=Endpoint())
    assert len(world.events(EventType.ALERT_RESOLVED)) == 1


def test_without_an_endpoint_nothing_is_said_and_a_refusal_is_an_error(world):
    world.champion("1")
    assert not [one for one in world.look(endpoint=Endpoint(up=False)) if one.kind == "skew"]
    (verdict,) = [one for one in world.look(endpoint=Refusing()) if one.kind == "skew"]
    assert verdict.outcome is Outcome.ERROR
    world.look(endpoint=Endpoint())  # not at once: it may cost something
    world.now += 601
    (verdict,) = [one for one in world.look(endpoint=Endpoint()) if one.kind == "skew"]
    assert verdict.outcome is Outcome.PASSED
