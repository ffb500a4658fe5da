"""`penstock doctor`: what it finds wrong, and what it says to do."""

import json
import socket

import pytest

from penstock.cli.main import main
from penstock.errors import ExitCode


@pytest.fixture
def project(repository, capsys):
    """An adopted project on any free port."""
    assert main(["init", "-C", str(repository.root), "--yes"]) == ExitCode.DONE
    path = repository.root / "penstock.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("8080", "0"), encoding="utf-8")
    repository.commit()
    capsys.readouterr()
    return repository


def examine(repository, capsys):
    """Return the exit code and the findings by name; of several of a name, the worst."""
    code = main(["doctor", "--json", "-C", str(repository.root)])
    found = {}
    for one in json.loads(capsys.readouterr().out)["findings"]:
        before = found.get(one["name"])
        if before is None or before["level"] == "ok" or one["level"] == "problem":
            found[one["name"]] = one
    return code, found


def change(repository, old, new, name="penstock.yaml"):
    path = repository.root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_sound_project_has_no_problem(project, capsys):
    code, found = examine(project, capsys)
    assert code == ExitCode.DONE, found
    assert [one["level"] for one in found.values()].count("problem") == 0
    assert found["git"]["level"] == found["dvc.yaml"]["level"] == found["gates"]["level"] == "ok"
    assert found["remote"]["level"] == "warn"
    assert "level 0 of 2" in found["maturity"]["message"]


def test_it_is_readable_without_colours(project, capsys):
    main(["doctor", "-C", str(project.root)])
    shown = capsys.readouterr().out
    assert "  ✓ penstock.yaml: valid, model shop-model" in shown
    assert "no problems, " in shown


@pytest.mark.parametrize(
    ("name", "old", "new", "remedy"),
    [
        ("penstock.yaml", "path:", "pth:", "did you mean `path`?"),
        ("model", "models/model.pkl", "models/modle.pkl", "did you mean `models/model.pkl`?"),
        ("test data", "target: bought", "target: bougth", "did you mean `bought`?"),
        ("test data", "data/test.csv", "data/tset.csv", "check its name"),
        ("tests", "tests/test_train.py", "tests/test_tarin.py", "correct the path"),
        ("gates", "> baseline.accuracy", "> baseline.acuracy", "accuracy"),
        ("registry", "serve:", "registry: {tracking_uri: 'http://127.0.0.1:9'}\nserve:", "start"),
    ],
)
def test_what_is_wrong_in_penstock_yaml(project, capsys, name, old, new, remedy):
    change(project, old, new)
    code, found = examine(project, capsys)
    assert code == ExitCode.NO
    assert found[name]["level"] == "problem"
    assert remedy in found[name]["hint"]


def test_problems_in_files_have_their_place(project, capsys):
    change(project, "path:", "pth:")
    change(project, "cmd: python src/train.py", "cdm: python src/train.py", "dvc.yaml")
    _, found = examine(project, capsys)
    assert "penstock.yaml:" in found["penstock.yaml"]["place"]
    assert "dvc.yaml:" in found["dvc.yaml"]["place"]


def test_a_directory_with_nothing_in_it(tmp_path, capsys):
    assert main(["doctor", "-C", str(tmp_path)]) == ExitCode.NO
    shown = capsys.readouterr().out
    assert "git init" in shown
    assert "penstock init" in shown
    assert not (tmp_path / ".penstock").exists()


def test_uncommitted_changes_and_no_commit(project, capsys):
    project.add("new.txt", "x")
    _, found = examine(project, capsys)
    assert (found["git"]["level"], "1 uncommitted" in found["git"]["message"]) == ("warn", True)
    project.git("update-ref", "-d", "HEAD")
    _, found = examine(project, capsys)
    assert found["git"]["level"] == "problem"


def test_a_busy_port(project, capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:
        change(project, "port: 0", f"port: {server.getsockname()[1]}")
        code, found = examine(project, capsys)
    assert code == ExitCode.NO
    assert found["port"]["level"] == "problem"
    assert "choose another" in found["port"]["hint"]


def test_a_gateway_that_was_stopped_hard(project, capsys):
    project.add(".penstock/serve/gateway.json", json.dumps({"pid": 1, "url": "http://x"}))
    _, found = examine(project, capsys)
    assert found["gateway"]["level"] == "warn"
    assert "penstock serve" in found["gateway"]["hint"]


def test_a_broken_store(project, capsys):
    project.add("mlflow.db", "this is no database, however long one looks at it" * 100)
    code, found = examine(project, capsys)
    assert code == ExitCode.NO
    assert "cannot be read" in found["registry"]["message"]


def test_remotes_and_locks(project, capsys):
    project.add(".dvc/config", '[core]\n    remote = there\n["remote \'there\'"]\n    url = /x\n'
                .replace('["remote \'there\'"]', "['remote \"there\"']"))  # fmt: skip
    project.add("requirements.txt", "pandas==2.2.0\n# words\n-r other.txt\n")
    _, found = examine(project, capsys)
    assert (found["remote"]["level"], "`there`" in found["remote"]["message"]) == ("ok", True)
    assert "requirements.txt" in found["environment"]["message"]


def test_the_levels_of_automation(project, capsys):
    path = project.root / "penstock.yaml"
    text = path.read_text(encoding="utf-8") + "retrain: {triggers: [data, drift]}\n"
    path.write_text(text, encoding="utf-8")
    _, found = examine(project, capsys)
    assert "level 1 of 2" in found["maturity"]["message"]
    assert "a CI system" in found["maturity"]["hint"]
    project.add(".gitlab-ci.yml", "test: {script: penstock run}\n")
    _, found = examine(project, capsys)
    assert "level 2 of 2" in found["maturity"]["message"]
    assert found["maturity"]["hint"] is None
