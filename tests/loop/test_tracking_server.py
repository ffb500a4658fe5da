"""The loop of a team that has an MLflow server: versions are there, models come from there."""

import json
import subprocess
import sys
import time
import urllib.request

from mlflow import MlflowClient

from penstock.journal import Journal
from penstock.monitors.origin import inputs_of

INPUTS = ("age", "visits", "spent")


def predict(url):
    body = json.dumps({"dataframe_split": {"columns": INPUTS, "data": [[0.0, 3.0, 0.0]]}})
    request = urllib.request.Request(
        f"{url}/invocations", body.encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["predictions"], answer.headers["X-Penstock-Version"]


def until(holds):
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_versions_are_on_the_server_and_models_come_from_there(
    mini, tracking_server, live, monkeypatch
):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    registry = f"registry: {{tracking_uri: '{tracking_server.url}'}}\n"
    mini.edit("penstock.yaml", "serve:", registry + "serve:")
    # A column of the training data that the model does not take.
    mini.edit(
        "src/prepare.py", "    held_out =", '    frame["day"] = range(len(frame))\n    held_out ='
    )
    for file in ("src/train.py", "src/evaluate.py"):
        mini.edit(file, 'columns="bought"', 'columns=["bought", "day"]')
    mini.commit("Versions go to the server")
    first = mini.ask("run", "--deploy")
    assert (first["outcome"], first["version"]["version"]) == ("done", 1)
    assert not (mini.root / "mlflow.db").exists()
    client = MlflowClient(tracking_server.url)
    assert int(client.get_model_version_by_alias("mini", "champion").version) == 1
    assert client.get_model_version("mini", "1").source.startswith("mlflow-artifacts:")
    with Journal(mini.root / ".penstock/journal.db") as journal:
        assert inputs_of(journal, "mini/1") == INPUTS
    assert predict(mini.url()) == ([1], "1")

    mini.edit("params.yaml", "strength: 1.0", "strength: 0.5")
    mini.commit("Another strength")
    assert mini.ask("run")["version"]["version"] == 2
    with live(mini.url()) as seen:
        done = mini.penstock("deploy", "2")
    assert "artifacts" not in done.stdout + done.stderr  # bars of MLflow's own
    assert {status for status, _ in seen} == {200}
    assert predict(mini.url()) == ([1], "2")

    # A return does not wait for a server that is away; the alias follows.
    tracking_server.stop()
    shown = mini.ask("status")
    assert (shown["champion"]["version"], shown["previous"]["version"]) == (2, 1)
    (warning,) = shown["warnings"]
    assert warning["message"].startswith("versions are as the journal has them")
    assert "Connection refused" in warning["message"]
    mini.penstock("serve", "--stop")
    mini.penstock("serve", "--detach")
    until(lambda: predict(mini.url()) == ([1], "2"))
    words = [sys.executable, "-m", "penstock", "rollback"]
    with subprocess.Popen(words, cwd=mini.root, stderr=subprocess.PIPE, text=True) as rollback:
        until(lambda: predict(mini.url()) == ([1], "1"))
        assert "rollback | cannot open the MLflow store" in rollback.stderr.readline()
        tracking_server.start()
        assert rollback.wait(120) == 0
    assert int(client.get_model_version_by_alias("mini", "champion").version) == 1
    assert predict(mini.url()) == ([1], "1")
