"""`penstock rollout` on a project whose rollout was simulated."""

import json

import pytest

from penstock.cli import output
from penstock.cli.main import main
from penstock.journal import Journal
from penstock.rollouts import Controller
from penstock.testing.fakes import Behaviour, FakeClock, FakeRegistrar, FakeTarget
from penstock.testing.simulation import QUICK, bundle

SETTINGS = """\
model:
  name: churn
  path: models/model
  test_data: data/test.parquet
  target: late
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "penstock.yaml").write_text(SETTINGS)
    output.console.cache_clear()
    yield tmp_path
    output.console.cache_clear()


def rollout(project, challenger, *, looks=10_000):
    """Simulate a rollout of version 2; stop after some looks."""
    clock, target = FakeClock(), FakeTarget({"2": challenger})
    clock.watch(target.pass_time)
    with Journal(project / ".penstock" / "journal.db", clock=clock.time) as journal:
        controller = Controller(journal, target, FakeRegistrar("1"), clock)
        id = controller.start(QUICK, bundle("1", "churn"), bundle("2", "churn"))
        state = controller.state(id)
        while looks and not state.phase.ended:
            state = controller.step(id)
            clock.sleep(0.25)
            looks -= 1
    return state


def test_without_a_rollout(project, capsys):
    where = ["-C", str(project)]
    assert main(["rollout", "status", *where]) == 0
    assert "no rollout yet" in capsys.readouterr().out
    assert main(["rollout", "drive", *where]) == 0
    assert main(["rollout", "abort", *where]) == 5
    assert "no rollout is under way" in capsys.readouterr().err
    assert main(["rollout", "status", "rollout-9", *where]) == 5


@pytest.mark.parametrize(
    ("challenger", "code", "said"),
    [
        (Behaviour(), 0, "probation is over: promoted"),
        (Behaviour(error_rate=0.3), 1, "at the champion: e-value"),
    ],
)
def test_status_of_an_ended_rollout(project, capsys, challenger, code, said):
    state = rollout(project, challenger)
    assert main(["rollout", "status", "-C", str(project)]) == code
    assert said in capsys.readouterr().out
    assert main(["rollout", "status", "--watch", "-C", str(project)]) == code
    assert state.phase.value in capsys.readouterr().out
    assert main(["rollout", "resume", state.id, "-C", str(project)]) == 5
    assert "has ended" in capsys.readouterr().err


def test_status_as_json(project, capsys):
    state = rollout(project, Behaviour(), looks=8)
    assert main(["rollout", "status", "--json", "-C", str(project)]) == 0
    item = json.loads(capsys.readouterr().out)
    assert item["rollout"]["id"] == state.id
    assert item["rollout"]["phase"] == "stepping"
    assert item["rollout"]["verdicts"][0]["name"] == "errors"
    assert "analysis" not in item["rollout"]
    assert item["target"]["running"] is False


@pytest.mark.parametrize("verb", ["status", "pause", "resume", "promote", "abort", "drive"])
def test_every_command_teaches_by_an_example(capsys, verb):
    assert main(["rollout", verb, "--help"]) == 0
    assert f"penstock rollout {verb}" in capsys.readouterr().out
