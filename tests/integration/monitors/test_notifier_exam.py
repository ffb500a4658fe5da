"""Penstock's own notifiers take the exam, with real receivers."""

import json

import pytest

from penstock import plugins
from penstock.testing.monitors import NotifierExam, Receiver


def made(name):
    return plugins.load("penstock.notifiers", name)


class TestLog(NotifierExam):
    @pytest.fixture
    def receiver(self, tmp_path):
        path = tmp_path / ".penstock/logs/alerts.ndjson"

        def told():
            return path.read_text().splitlines() if path.exists() else []

        def stop():
            (tmp_path / ".penstock").write_text("a file stands where the directory should be")

        return Receiver(made("log"), "", told, stop)


@pytest.mark.parametrize("kind", ["webhook", "slack"])
class TestWebhooks(NotifierExam):
    @pytest.fixture
    def receiver(self, webhook, kind):
        def told():
            return [json.dumps(body, ensure_ascii=False) for _, _, body in webhook.seen]

        return Receiver(made(kind), webhook.url, told, webhook.stop)


class TestEmail(NotifierExam):
    @pytest.fixture
    def receiver(self, mail_server, monkeypatch):
        monkeypatch.setenv("PENSTOCK_SMTP_URL", f"smtp://127.0.0.1:{mail_server.port}")

        def told():
            return [mail_server.text(one) for one in mail_server.letters]

        return Receiver(made("email"), "team@example.org", told, mail_server.stop)
