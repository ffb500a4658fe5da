"""Environments of recorded runs, made again from their locks; a replay in one."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.cli.replay import replay
from penstock.errors import UnavailableError
from penstock.journal import Journal
from penstock.packaging import rebuild
from penstock.pipeline import execute
from penstock.pipeline.locked import FOLDER, environment_of, installed

OLD = "1.16.0"
SAY_SIX = 'python -c "import six; print(six.__version__)"'
DVC_YAML = f"stages:\n  say:\n    cmd: {SAY_SIX} > said\n    outs: [said]\n"


def six_of(python: str) -> str:
    words = [python, "-c", "import six; print(six.__version__)"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def project_with(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "begin"]):
        subprocess.run([*git, *arguments], check=True)
    return folder


def recorded(project: Path, python: str) -> str:
    """Run a project with an interpreter of its own, and record it as `penstock run` does."""
    with Journal(project / ".penstock" / "journal.db") as journal:
        path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
        run = execute(project, journal=journal, path=path)
        assert run.outcome == "succeeded", run.error
        with journal.transaction() as tx:
            tx.put("run", run.id, run.to_dict())
    return run.environment


def replayed(project: Path, *options: str) -> tuple[int, str]:
    done = CliRunner().invoke(
        replay,
        ["last", "-C", str(project), *options],
        standalone_mode=False,
        catch_exceptions=False,
    )
    return done.return_value, done.output


def test_a_replay_runs_in_the_environment_that_the_run_was_locked_to(tmp_path: Path) -> None:
    files = {"dvc.yaml": DVC_YAML, "requirements.lock": f"six=={OLD}\n"}
    project = project_with(tmp_path / "project", files)
    python = rebuild(project / "requirements.lock", tmp_path / "made", project=project)
    assert six_of(python) == OLD != importlib.metadata.version("six")
    recorded(project, python)
    code, text = replayed(project)
    assert code == 0, text
    assert "everything came out the same" in text
    code, text = replayed(project, "--here")
    assert code == 1
    assert "the environment is not the one of that run" in text
    assert "nor is its environment" in text


def test_an_interpreter_without_a_lock_is_written_down_and_made_again(tmp_path: Path) -> None:
    project = project_with(tmp_path / "project", {"dvc.yaml": DVC_YAML})
    digest, text = environment_of(project)
    assert recorded(project, "python") == digest
    kept = project / FOLDER / f"{digest}.txt"
    assert kept.read_text() == text
    assert f"six=={importlib.metadata.version('six')}" in text
    assert replayed(project)[0] == 0
    # As it is on a machine whose interpreter holds something else.
    other = tmp_path / "other.txt"
    other.write_text(f"six=={OLD}\n# penstock 9.9 from a folder\n")
    assert six_of(rebuild(other, tmp_path / "made", project=project)) == OLD


def test_what_is_held_here_need_not_be_made(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(installed())
    assert Path(rebuild(lock, tmp_path / "made", project=tmp_path)).samefile(
        subprocess.run(["which", "python"], capture_output=True, text=True, check=True).stdout[:-1]
    )
    assert not (tmp_path / "made").exists()


def test_a_lock_of_uv_makes_the_projects_own_environment(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "p"\nversion = "1"\nrequires-python = ">=3.11"\n'
        f'dependencies = ["six=={OLD}"]\n'
    )
    subprocess.run(["uv", "lock", "--quiet"], cwd=tmp_path, check=True)
    assert six_of(rebuild(tmp_path / "uv.lock", tmp_path / "made", project=tmp_path)) == OLD


def test_a_lock_that_another_tool_reads_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "poetry.lock").write_text("# made by poetry\n")
    with pytest.raises(UnavailableError, match="poetry") as caught:
        rebuild(tmp_path / "poetry.lock", tmp_path / "made", project=tmp_path)
    assert "--python" in (caught.value.hint or "")
