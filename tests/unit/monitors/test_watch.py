"""The watcher: looks that can be repeated, alerts that are told once."""

import json

import pytest

from penstock.config.settings import DriftSettings, NotifierSettings
from penstock.domain.event import EventType
from penstock.domain.verdict import Outcome
from penstock.journal import Journal
from penstock.monitors import Watcher
from penstock.monitors.origin import inputs_of
from penstock.monitors.traffic import REPLAY


def of(verdicts, name):
    return next(one for one in verdicts if one.name == name)


def test_without_a_champion_there_is_nothing_to_watch(world):
    (verdict,) = world.look()
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert world.events() == []


def test_traffic_like_the_training_data_is_no_drift(world):
    world.champion("1")
    world.traffic(3300)
    verdicts = world.look()
    assert of(verdicts, "drift").outcome is Outcome.PASSED
    assert {one.kind for one in verdicts} >= {"drift", "data"}
    state = world.watcher().state()
    assert state.judged == 3
    assert state.windows[0]["until"] <= state.windows[1]["since"]
    assert world.events(EventType.ALERT_RAISED) == []
    assert len(world.events(EventType.MONITOR_JUDGED)) == 6


def test_a_shift_is_detected_after_two_windows_and_told_once(world):
    world.champion("1")
    world.traffic(1000)
    world.look()
    world.traffic(1001, shift=0.5)
    verdicts = world.look()
    assert of(verdicts, "drift").outcome is Outcome.FAILED
    assert "age (up by 0.5" in of(verdicts, "drift").words
    assert world.events(EventType.DRIFT_DETECTED) == []
    world.traffic(3001, shift=0.5)
    world.look()
    (detected,) = world.events(EventType.DRIFT_DETECTED)
    assert detected.data["features"] == ["age"]
    assert detected.subject == "mini/1"
    (raised,) = world.events(EventType.ALERT_RAISED)
    assert raised.data["key"] == "drift"
    assert raised.data["since"] < detected.data["until"]
    assert "age alone moved" in raised.data["cause"]
    assert raised.cause == detected.id
    chain = [one.type for one in world.journal.causes(raised.id)]
    assert chain == [
        EventType.ALERT_RAISED,
        EventType.DRIFT_DETECTED,
        EventType.MONITOR_JUDGED,
        EventType.CHAMPION_CHANGED,
    ]


def test_a_small_shift_that_lasts_is_alerted_of_also_when_looks_are_processes_apart(world):
    world.configure(window=250, drift=DriftSettings(level=0.0001))
    world.champion("1")
    for _ in range(8):
        world.traffic(251, shift=0.22)
        world.look()  # a watcher of its own, as after a restart
    (detected,) = world.events(EventType.DRIFT_DETECTED)
    assert detected.data["features"] == ["age"]
    (raised,) = (e for e in world.events(EventType.ALERT_RAISED) if e.data["key"] == "drift")
    assert "in the last " in raised.data["what"]
    assert len(world.watcher().state().recent) == 4


def test_an_alert_is_resolved_when_drift_is_over(world):
    world.champion("1")
    world.traffic(2002, shift=1.0)
    world.look()
    world.traffic(1001)
    world.look()
    assert world.events(EventType.ALERT_RESOLVED) == []
    world.traffic(1001)
    world.look()
    (resolved,) = world.events(EventType.ALERT_RESOLVED)
    assert resolved.data["key"] == "drift"
    assert world.watcher().state().alerts == {}


def test_looking_again_changes_nothing(world):
    world.champion("1")
    world.traffic(2500, shift=1.0)
    first = world.look()
    events, record = world.events(), world.journal.get("monitor", "mini")
    assert world.look() == first
    assert world.events() == events
    assert world.journal.get("monitor", "mini") == record


def test_a_new_champion_is_watched_anew(world):
    world.champion("1")
    world.traffic(2500, shift=1.0)
    world.look()
    world.now += 10
    world.champion("2")
    world.traffic(1001, version="2")
    world.traffic(50, version="1", shift=3.0)
    world.look()
    state = world.watcher().state()
    assert (state.version, state.judged, state.streaks) == ("2", 1, {})


def test_an_alert_is_over_with_the_version_that_it_was_about(world):
    world.champion("1")
    world.traffic(2500, shift=1.0)
    world.look()
    world.now += 10
    world.champion("2")
    world.traffic(2500, version="2", shift=1.0)
    world.look()
    raised = world.events(EventType.ALERT_RAISED)
    assert [one.subject for one in raised] == ["mini/1", "mini/2"]
    assert raised[1].data["since"] > raised[0].data["raised"]
    (resolved,) = world.events(EventType.ALERT_RESOLVED)
    assert resolved.data["version"] == "1"
    assert resolved.data["resolved"] > resolved.data["raised"]
    detected = world.events(EventType.DRIFT_DETECTED)
    assert [one.subject for one in detected] == ["mini/1", "mini/2"]


def test_a_feature_that_joins_an_open_alert_is_told_once(world):
    def gaps(*names):
        def change(table):
            for name in names:
                table.loc[::4, name] = None
            return table

        return change

    world.configure(notify=(NotifierSettings("log"),))
    world.champion("1")
    for names in (("age",), ("age",), ("age", "delay"), ("delay",), ("age",)):
        world.traffic(1001, change=gaps(*names))
        world.look()
    missing = [one for one in world.events(EventType.ALERT_RAISED)
               if one.data["key"] == "data: missing values"]  # fmt: skip
    assert [one.data["fresh"] for one in missing] == [["age"], ["delay"]]
    assert missing[0].data["since"] == missing[1].data["since"]
    lines = (world.root / ".penstock/logs/alerts.ndjson").read_text()
    assert lines.count("/warning/firing") >= 1
    assert lines.count("/warning/2/firing") >= 1


def test_of_two_watchers_at_once_each_window_is_judged_by_one(world):
    world.champion("1")
    world.traffic(2002, shift=1.0)
    other = Journal(world.root / ".penstock/journal.db", clock=lambda: world.now)
    second = Watcher(world.root, world.settings, other, settle=0.0)
    memory, generation = second._remembered(_champion(world))
    world.look()
    judged = len(world.events())
    with pytest.raises(Exception, match="changed by somebody else"):
        for part in second._windows(_champion(world), memory, world.now):
            second._judge(_champion(world), memory, part, generation, world.now)
    assert len(world.events()) == judged
    other.close()


def _champion(world):
    from penstock.monitors.origin import champion

    return champion(world.journal)


def test_one_window_is_enough_where_that_is_wanted(world):
    world.configure(drift=DriftSettings(windows=1))
    world.champion("1")
    world.traffic(1001, shift=1.0)
    world.look()
    assert len(world.events(EventType.DRIFT_DETECTED)) == 1


def test_missing_values_and_new_categories_are_told(world):
    def change(table):
        table.loc[::5, "delay"] = None
        table.loc[::4, "carrier"] = "B6"
        return table

    world.champion("1")
    world.traffic(1001, change=change)
    verdicts = world.look()
    assert "delay 20" in of(verdicts, "missing values").words
    assert "carrier 25" in of(verdicts, "unseen categories").words
    keys = {one.data["key"] for one in world.events(EventType.ALERT_RAISED)}
    assert keys == {"data: missing values", "data: unseen categories"}


def test_a_column_that_is_not_sent_and_one_of_another_type(world):
    def change(table):
        table["age"] = table["age"].astype(str) + " years"
        return table.drop(columns="delay")

    world.champion("1")
    world.traffic(1001, change=change)
    verdicts = world.look()
    assert of(verdicts, "columns").words == "no request has delay"
    assert "age 100" in of(verdicts, "values of the wrong type").words


def test_a_stale_champion(world):
    world.configure(stale_after=86_400.0)
    world.champion("1")
    world.look()
    assert of(world.look(), "age of the champion").outcome is Outcome.PASSED
    world.now += 90_000
    assert of(world.look(), "age of the champion").outcome is Outcome.FAILED
    (raised,) = world.events(EventType.ALERT_RAISED)
    assert raised.data["command"] == "penstock retrain"


def test_the_alert_of_a_monitor_that_is_switched_off_is_over(world):
    world.configure(stale_after=86_400.0)
    world.champion("1")
    world.now += 90_000
    assert of(world.look(), "age of the champion").outcome is Outcome.FAILED
    world.configure(stale_after=0.0)
    assert not [one for one in world.look() if one.kind == "stale"]
    assert len(world.events(EventType.ALERT_RESOLVED)) == 1
    assert world.watcher().state().alerts == {}


def test_lost_training_data_is_an_error_that_says_what_to_do(world):
    (world.root / "data/train.parquet").unlink()
    world.champion("1")
    world.traffic(1001)
    verdict = of(world.look(), "drift")
    assert verdict.outcome is Outcome.ERROR
    assert "dvc pull" in verdict.hint


def test_alerts_go_to_the_log_by_their_severity(world):
    world.configure(notify=(NotifierSettings("log"), NotifierSettings("log", level="severe")))
    world.champion("1")
    world.traffic(1001, change=lambda t: t.assign(carrier="XX"))
    world.look()
    lines = (world.root / ".penstock/logs/alerts.ndjson").read_text().splitlines()
    assert len(lines) == 1
    assert world.watcher().state().outbox == []


def test_a_share_that_comes_and_goes_is_told_once(world):
    world.champion("1")
    for turn in range(8):
        share = 0.05 if turn % 2 else 0.0
        world.traffic(
            1001, change=lambda t, s=share: t.assign(delay=t["delay"].mask(t.index < s * len(t)))
        )
        world.look()
    assert len(world.events(EventType.ALERT_RAISED)) == 1
    assert world.events(EventType.ALERT_RESOLVED) == []
    world.traffic(7 * 1001)
    world.look()
    assert len(world.events(EventType.ALERT_RESOLVED)) == 1


def test_training_rows_that_were_replayed_are_no_traffic(world):
    world.champion("1")
    world.traffic(1001, prefix=REPLAY)
    world.look()
    assert world.watcher().state().judged == 0
    world.traffic(1001)
    world.look()
    assert world.watcher().state().judged == 1


@pytest.mark.parametrize("folder", ["plain", "höhen meter"])
def test_only_inputs_of_the_signature_are_watched_wherever_the_model_lies(world, folder):
    place = world.root / folder
    place.mkdir()
    signature = {"inputs": json.dumps([{"name": "age", "type": "double"}])}
    (place / "MLmodel").write_text(json.dumps({"signature": signature}))
    with world.journal.transaction() as tx:
        tx.put("version", "mini/1", {"source": place.as_uri()})
    assert inputs_of(world.journal, "mini/1") == ("age",)
