"""A tag that is set on a real MLflow server asks for a retraining, through its signed webhook."""

import time

import pytest
from mlflow import MlflowClient

from penstock.journal import Journal
from penstock.retraining.listener import Listener
from penstock.triggers import Inbox

SECRET = "known to both"


@pytest.fixture
def server(tracking_server):
    return MlflowClient(tracking_server.url, registry_uri=tracking_server.url)


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
