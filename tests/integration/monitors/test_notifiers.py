"""Alerts over real sockets: CloudEvents, Slack's format, e-mail."""

import json

import pytest
from cloudevents.core.bindings.http import HTTPMessage, from_structured_event

from penstock.config.settings import ModelSettings, MonitorSettings, NotifierSettings, Settings
from penstock.domain.event import Event, EventType
from penstock.errors import ConfigError, UnavailableError
from penstock.journal import Journal
from penstock.monitors import Watcher
from penstock.monitors.alerts import Alert
from penstock.monitors.notify import tell

ALERT = Alert(
    "drift", "severe", "1 of 9 features drifted: age (up by 0.50 sd, index 0.250)", 1_700_000_000.0,
    12.5, 1.0, "age alone moved", "penstock retrain", "mini", "3", 1_700_000_500.0,
)  # fmt: skip


def test_a_webhook_gets_a_cloud_event(webhook, tmp_path, monkeypatch):
    monkeypatch.setenv("HOOK_TOKEN", "s3cret")
    tell(NotifierSettings("webhook", webhook.url + "/$HOOK_TOKEN"), ALERT, "firing", root=tmp_path)
    ((path, headers, event),) = webhook.seen
    assert path == "/s3cret"
    assert headers["Content-Type"] == "application/cloudevents+json"
    known = from_structured_event(HTTPMessage(headers, json.dumps(event).encode()))
    assert known.get_id() == event["id"]
    assert known.get_type() == "dev.penstock.alert.raised.v1"
    assert known.get_data()["key"] == "drift"
    assert event["specversion"] == "1.0"
    assert event["type"] == "dev.penstock.alert.raised.v1"
    assert event["subject"] == "mini/3"
    assert event["time"] == "2023-11-14T22:21:40.000Z"
    assert event["data"]["command"] == "penstock retrain"
    assert "s3cret" not in json.dumps(event)


def test_slack_gets_a_text_with_all_that_matters(webhook, tmp_path):
    tell(NotifierSettings("slack", webhook.url), ALERT, "firing", root=tmp_path)
    text = webhook.seen[0][2]["text"]
    for word in ("severe", "mini version 3", "Since: 2023-11-14T22:13:20", "12.5; 1 is tolerated",
                 "Likely cause: age alone", "What to do: penstock retrain"):  # fmt: skip
        assert word in text


def test_a_letter(mail_server, tmp_path, monkeypatch):
    url = f"smtp://ann:pass%20word@127.0.0.1:{mail_server.port}?from=ops@example.org"
    monkeypatch.setenv("PENSTOCK_SMTP_URL", url)
    tell(NotifierSettings("email", "team@example.org"), ALERT, "resolved", root=tmp_path)
    (letter,) = mail_server.letters
    assert letter.mail_from == "ops@example.org"
    assert letter.rcpt_tos == ["team@example.org"]
    text = mail_server.text(letter)
    assert "[over] mini version 3" in text
    assert "What to do: penstock retrain" in text
    assert mail_server.logins == [(b"ann", b"pass word")]


def test_a_secret_that_is_not_set_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("NO_SUCH_HOOK", raising=False)
    with pytest.raises(ConfigError, match="NO_SUCH_HOOK is not set"):
        tell(NotifierSettings("webhook", "$NO_SUCH_HOOK"), ALERT, "firing", root=tmp_path)


def test_a_file_is_no_webhook(tmp_path):
    with pytest.raises(ConfigError, match="file is no way"):
        tell(NotifierSettings("webhook", "file:///etc/passwd"), ALERT, "firing", root=tmp_path)


def test_a_receiver_that_is_down(tmp_path):
    with pytest.raises(UnavailableError, match="could not be told by slack"):
        tell(NotifierSettings("slack", "http://127.0.0.1:9/x"), ALERT, "firing", root=tmp_path)


def test_what_was_not_taken_is_told_at_the_next_look(webhook, tmp_path):
    settings = Settings(
        tmp_path,
        ModelSettings("mini", "m", "t", "y"),
        monitor=MonitorSettings(
            stale_after=10.0, notify=(NotifierSettings("webhook", webhook.url),)
        ),
    )
    with Journal(tmp_path / "journal.db", clock=lambda: 1000.0) as journal:
        journal.append(Event(EventType.CHAMPION_CHANGED, "mini/1", {"version": "1"}))
        watcher = Watcher(tmp_path, settings, journal)
        webhook.status = 503
        watcher.look(2000.0)
        assert len(watcher.state().outbox) == 1
        webhook.status = 202
        watcher.look(2001.0)
        watcher.look(2002.0)
        assert watcher.state().outbox == []
    ids = [event["id"] for _, _, event in webhook.seen]
    assert len(ids) == 2
    assert len(set(ids)) == 1
