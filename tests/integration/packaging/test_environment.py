"""Environments of models: shared when equal, made once, used when present."""

import importlib.metadata
import subprocess
import sys

import pytest

from penstock.domain.version import ModelVersion
from penstock.errors import StateError, UnavailableError
from penstock.packaging import pack, resolve


def model(folder, *requirements):
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n")
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n")
    return folder


def test_this_interpreter_serves_what_it_satisfies(tmp_path):
    pandas = importlib.metadata.version("pandas")
    first = resolve(model(tmp_path / "a", f"pandas=={pandas}", "mlflow"))
    second = resolve(model(tmp_path / "b", "mlflow  # any", f"pandas=={pandas}"))
    assert first.python == sys.executable
    assert first == second
    assert f"pandas=={pandas}" in first.lock


def test_another_version_gets_an_environment_made_once(tmp_path):
    wanted = model(tmp_path / "model", "six==1.16.0")
    made = resolve(wanted, cache=tmp_path / "cache")
    assert made.python != sys.executable
    done = subprocess.run(
        [made.python, "-c", "import six; print(six.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "1.16.0\n"
    stamp = (tmp_path / "cache" / made.digest[:16] / ".penstock-ready").stat().st_mtime_ns
    assert resolve(wanted, cache=tmp_path / "cache") == made
    assert (tmp_path / "cache" / made.digest[:16] / ".penstock-ready").stat().st_mtime_ns == stamp


def test_what_cannot_be_resolved_is_said_with_uvs_own_words(tmp_path):
    wanted = model(tmp_path / "model", "six==0.0.0.1")
    with pytest.raises(UnavailableError) as caught:
        resolve(wanted, cache=tmp_path / "cache")
    assert caught.value.code == "packaging.environment"
    assert any("six" in line for line in caught.value.log_tail)


def test_a_version_whose_files_are_gone_names_the_commit_that_makes_them(tmp_path):
    version = ModelVersion("churn", 3, "d", "r", "c0ffee" * 6, str(tmp_path / "gone"))
    with pytest.raises(StateError, match="files of churn version 3") as caught:
        pack(version, tmp_path)
    assert "--commit c0ffeec0ff" in caught.value.hint
