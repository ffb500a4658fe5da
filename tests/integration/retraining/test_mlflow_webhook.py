"""A tag that is set on a real MLflow server asks for a retraining, through its signed webhook."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from cryptography.fernet import Fernet
from mlflow import MlflowClient

from penstock.journal import Journal
from penstock.retraining.listener import Listener
from penstock.triggers import Inbox

SECRET = "known to both"
ALLOWED = {
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


@pytest.fixture
def server(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["server", "--backend-store-uri", f"sqlite:///{tmp_path}/m.db", "--workers", "1"]
    words += ["--host", "127.0.0.1", "--port", str(port)]
    key = {"MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY": Fernet.generate_key().decode()}
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", *words],
            cwd=tmp_path,
            env=os.environ | ALLOWED | key,
            stdout=log,
            stderr=log,
        )
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
    try:
        while not healthy(url):
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield MlflowClient(url, registry_uri=url)
    finally:
        process.terminate()
        process.wait(30)


def healthy(url):
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


class Counting(Listener):
    """Keeps what it answered."""

    answered: list

    def __init__(self, *words, **more):
        self.answered = []
        super().__init__(*words, **more)

    def answer(self, path, headers, body):
        status, words = super().answer(path, headers, body)
        self.answered.append(status)
        return status, words


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("secret", "asked"), [(SECRET, 1), ("another one", 0)])
def test_the_tag_asks_once_and_only_with_the_right_secret(server, tmp_path, secret, asked):
    place = tmp_path / "journal.db"
    Journal(place).close()
    listener = Counting(place, {"mlflow": SECRET}, wanted=("webhook",))
    try:
        server.create_webhook(
            name="penstock",
            url=f"{listener.url}/hooks/mlflow",
            events=["model_version_tag.set"],
            secret=secret,
        )
        run = server.create_run(server.create_experiment("e"))
        server.create_registered_model("mini")
        source = f"{run.info.artifact_uri}/model"
        version = server.create_model_version("mini", source, run_id=run.info.run_id).version
        server.set_model_version_tag("mini", version, "reviewed", "retrain")
        server.set_model_version_tag("mini", version, "penstock_action", "retrain")
        deadline = time.monotonic() + 60
        while len(listener.answered) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.1)
    finally:
        listener.close()
    assert set(listener.answered) == {202 if asked else 401}
    with Journal(place) as journal:
        found = Inbox(journal).open()
    assert len(found) == asked
    for one in found:
        assert one.reason == "MLflow: version 1 of mini is tagged penstock_action=retrain"
