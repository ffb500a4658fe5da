"""`penstock init`: what it finds, what it asks, what it writes."""

import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.cli.main import main
from penstock.config import check
from penstock.errors import ExitCode

PENSTOCK = Path(sys.executable).with_name("penstock")


def init(repository, *words):
    return main(["init", "-C", str(repository.root), *words])


def settings(repository):
    return check(repository.root / "penstock.yaml")


def test_it_finds_everything_in_a_plain_repository(repository, capsys):
    assert init(repository, "--yes") == ExitCode.DONE
    found = settings(repository)
    assert (found.model.name, found.model.path) == ("shop-model", "models/model.pkl")
    assert (found.model.test_data, found.model.target) == ("data/test.csv", "bought")
    assert found.model.task == "classification"
    assert [(one.stage, one.when, one.targets) for one in found.tests] == [
        ("prepare", "before", ("tests/test_prepare.py",)),
        ("train", "after", ("tests/test_train.py",)),
    ]
    assert len(found.gates.conditions) == 2
    assert (repository.root / ".gitignore").read_text(encoding="utf-8").splitlines() == [
        "/data",
        "/.penstock/",
        "/mlflow.db",
        "/mlartifacts/",
    ]
    assert "stage `evaluate` reads it" in capsys.readouterr().out


def test_its_conditions_can_be_read(repository):
    from penstock.gates import parse

    assert init(repository, "--yes") == ExitCode.DONE
    assert [parse(one.text, span=one.span).text for one in settings(repository).gates.conditions]


def test_a_number_to_predict_is_regression(repository):
    rows = "".join(f"{n},{n},{n * 1.5}\n" for n in range(50))
    repository.add("data/test.csv", "age,visits,bought\n" + rows)
    assert init(repository, "--yes") == ExitCode.DONE
    found = settings(repository)
    assert found.model.task == "regression"
    assert "median_absolute_error" in found.gates.conditions[0].text


def test_the_data_that_the_test_data_is_made_from_tells_the_task(repository):
    (repository.root / "data" / "test.csv").unlink()
    rows = "".join(f"{n},{n * 1.5}\n" for n in range(50))
    repository.add("raw.csv", "age,bought\n" + rows)
    text = (repository.root / "dvc.yaml").read_text(encoding="utf-8")
    repository.add("dvc.yaml", text.replace("[src/prepare.py]", "[src/prepare.py, raw.csv]"))
    assert init(repository, "--yes") == ExitCode.DONE
    assert settings(repository).model.task == "regression"


def test_the_code_tells_the_task_where_there_is_no_data(repository):
    (repository.root / "data" / "test.csv").unlink()
    repository.add("src/train.py", "from sklearn.linear_model import Ridge\ntarget = 'bought'\n")
    assert init(repository, "--yes", "--target", "bought") == ExitCode.DONE
    assert settings(repository).model.task == "regression"


def test_nothing_of_penstock_or_the_cache_gets_into_git(repository):
    assert main(["plan", "-C", str(repository.root)]) == ExitCode.DONE
    assert init(repository, "--yes") == ExitCode.DONE
    cached = repository.root / ".dvc" / "cache" / "files" / "md5" / "aa"
    cached.mkdir(parents=True)
    (cached / "bb").write_text("data", encoding="utf-8")
    repository.commit()
    listed = ["git", "-C", repository.root, "ls-files", ".penstock", ".dvc"]
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.split()
    assert names == [".dvc/.gitignore", ".dvc/config"]


def test_parquet_is_looked_into_as_well(repository):
    import pandas as pd

    frame = pd.DataFrame({"age": [1, 2], "bought": ["yes", "no"]})
    frame.to_parquet(repository.root / "data" / "test.parquet")
    repository.add(
        "dvc.yaml", (repository.root / "dvc.yaml").read_text().replace("test.csv", "test.parquet")
    )
    assert init(repository, "--yes", "--json") == ExitCode.DONE
    assert settings(repository).model.task == "classification"


def test_a_model_that_dvc_yaml_names_gives_its_name(repository):
    text = (repository.root / "dvc.yaml").read_text(encoding="utf-8")
    text = text.replace("outs: [data/train", "outs: [data/model_x.pkl, data/train")
    text += "artifacts:\n  shop: {path: models/model.pkl, type: model}\n"
    repository.add("dvc.yaml", text)
    assert init(repository, "--yes") == ExitCode.DONE
    assert (settings(repository).model.name, settings(repository).model.path) == (
        "shop",
        "models/model.pkl",
    )


def test_it_never_overwrites(repository, capsys):
    repository.add("penstock.yaml", "mine")
    assert init(repository, "--yes") == ExitCode.STATE
    assert (repository.root / "penstock.yaml").read_text(encoding="utf-8") == "mine"
    assert "--force" in capsys.readouterr().err
    assert init(repository, "--yes", "--force") == ExitCode.DONE
    assert settings(repository).model.target == "bought"


def test_all_that_is_missing_is_said_at_once(repository, capsys):
    repository.add("dvc.yaml", "stages:\n  a: {cmd: x, outs: [thing.bin]}\n")
    assert init(repository, "--yes", "--json") == ExitCode.USAGE
    error = json.loads(capsys.readouterr().out)["error"]
    assert [one["code"] for one in error["problems"]] == [
        "init.missing-model",
        "init.missing-test-data",
        "init.missing-target",
    ]
    assert all("penstock init --" in one["hint"] for one in error["problems"])
    assert not (repository.root / "penstock.yaml").exists()
    words = ["--model", "thing.bin", "--test-data", "data/test.csv", "--target", "bought"]
    assert init(repository, "--yes", *words) == ExitCode.DONE
    assert settings(repository).model.path == "thing.bin"


def test_two_models_are_not_guessed_between(repository, capsys):
    text = (repository.root / "dvc.yaml").read_text(encoding="utf-8")
    repository.add("dvc.yaml", text.replace("[models/model.pkl]", "[models/a.pkl, models/b.pkl]"))
    assert init(repository, "--yes") == ExitCode.USAGE
    said = capsys.readouterr().err
    assert "several could be it" in said
    assert "`models/a.pkl`, `models/b.pkl`" in said


def test_a_target_that_is_not_there_is_refused_with_a_near_one(repository, capsys):
    assert init(repository, "--yes", "--target", "bougth") == ExitCode.USAGE
    assert "did you mean `bought`?" in capsys.readouterr().err


def test_without_git_or_dvc_yaml_it_says_what_to_do(repository, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["init", "-C", str(tmp_path / "empty"), "--yes"]) == ExitCode.STATE
    assert "git init" in capsys.readouterr().err
    (repository.root / "dvc.yaml").unlink()
    assert init(repository, "--yes") == ExitCode.STATE
    said = capsys.readouterr().err
    example = "stages:\n      train:\n        cmd: python src/train.py"
    assert example in said.replace("\r", "")


def test_a_dvc_yaml_that_cannot_be_read_is_shown_with_its_place(repository, capsys):
    repository.add("dvc.yaml", "stages:\n  a: {cmd: [}\n")
    assert init(repository, "--yes") == ExitCode.CONFIG
    assert "dvc.yaml:2:" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["it's", "a: b", "on", "5%", "x#y", "ä", "[a]", "1"])
def test_any_name_of_a_column_survives(repository, name):
    quoted = '"' + name + '"'
    repository.add("data/test.csv", f"age,{quoted}\n1,0\n2,1\n")
    assert init(repository, "--yes", "--target", name) == ExitCode.DONE
    assert settings(repository).model.target == name


def converse(words, answers, directory):
    """Run a command in a terminal and type an answer whenever it asks (None: stop it)."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        words, cwd=directory, stdin=slave, stdout=slave, stderr=slave, close_fds=True
    )
    os.close(slave)
    said, stopped = b"", False
    waiting = list(answers)
    while True:
        ready, _, _ = select.select([master], [], [], 1 if stopped else 60)
        if not ready and stopped and process.poll() is None:
            process.terminate()  # the first may have come just before it began to read
            continue
        if not ready:
            break
        try:
            piece = os.read(master, 4096)
        except OSError:
            break
        said += piece
        if waiting and said.rstrip().endswith((b"?:", b"]:")):
            answer = waiting.pop(0)
            if answer is None:
                stopped = True
                process.terminate()
            else:
                os.write(master, answer.encode())
            said += b"\n"
    os.close(master)
    return process.wait(60), said.decode()


def test_it_asks_only_what_it_cannot_find(repository):
    repository.add("src/train.py", "")
    code, said = converse([PENSTOCK, "init"], ["bought\n"], repository.root)
    assert code == ExitCode.DONE, said
    assert said.count("What is") == 1
    assert settings(repository).model.target == "bought"


def test_stopped_while_it_asks_it_ends_with_130_and_writes_nothing(repository):
    repository.add("src/train.py", "")
    code, said = converse([PENSTOCK, "init"], [None], repository.root)
    assert code == ExitCode.INTERRUPTED, said
    assert "Traceback" not in said
    assert not (repository.root / "penstock.yaml").exists()
