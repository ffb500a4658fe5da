"""The flights of a day: as requests at departure, and as labels some days after."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from penstock.demo import data

YEAR = 2013
FIRST, LAST = date(YEAR, 3, 1), date(YEAR, 12, 31)
"""Days that are replayed; January and February are learnt from before."""
QUARTERS = 4
"""Parts of a day; the clock jumps from one to the next."""
ID = "flight-{:%m%d}-{:05d}"


@dataclass(frozen=True, slots=True)
class Day:
    """One day's departures.

    Attributes:
        date: of the departures.
        rows: features of each flight, in the order of departure.
        late: 1.0, 0.0, or NaN where it is never known (flights that landed elsewhere).
        quarter: 0 to 3 for each flight.
    """

    date: date
    rows: list[list[Any]]
    late: list[float]
    quarter: list[int]

    def names(self, together: int) -> Iterator[tuple[str, int, int]]:
        """Yield the request's id, the row in it and the place of each flight."""
        for quarter in range(QUARTERS):
            places = self._places(quarter)
            for number, place in enumerate(places):
                first = places[number - number % together]
                yield ID.format(self.date, first), number % together, place

    def requests(self, quarter: int, together: int) -> Iterator[tuple[str, bytes]]:
        """Yield id and body of each request of a quarter, `together` flights in one."""
        places = self._places(quarter)
        for first in range(0, len(places), together):
            rows = [self.rows[place] for place in places[first : first + together]]
            table = {"dataframe_split": {"columns": data.FEATURES, "data": rows}}
            yield ID.format(self.date, places[first]), json.dumps(table).encode()

    def labels(self, together: int) -> list[dict[str, Any]]:
        """Return the labels for `/feedback`, by the ids of `requests`."""
        return [
            {"request_id": id, "row": row, "label": int(self.late[place])}
            for id, row, place in self.names(together)
            if not math.isnan(self.late[place])
        ]

    def _places(self, quarter: int) -> list[int]:
        return [place for place, one in enumerate(self.quarter) if one == quarter]


def moment(day: date, quarter: float = 0.0) -> float:
    """Return the time at which a quarter of a day begins, in seconds since the epoch."""
    begun = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return (begun + timedelta(days=quarter / QUARTERS)).timestamp()


def every(first: date, count: int) -> list[date]:
    """Return some days in a row."""
    return [first + timedelta(days=number) for number in range(count)]


class Calendar:
    """The flights of the year, by day.

    Args:
        share: which part of the flights to take, every k-th one; 1.0 is all.
    """

    def __init__(self, share: float = 1.0) -> None:
        self._step = round(1 / share)

    def day(self, day: date) -> Day:
        """Return the departures of a day."""
        rows = self._departures.get_group((day.month, day.day))
        late = (rows["arr_delay"] >= 15).astype(float).where(rows["arr_delay"].notna())
        values = rows[data.FEATURES].astype(object).where(rows[data.FEATURES].notna(), None)
        quarter = (rows["dep_time"] // 600).clip(0, QUARTERS - 1).astype(int)
        return Day(day, values.to_numpy().tolist(), late.tolist(), quarter.tolist())

    def frame(self, day: date) -> pd.DataFrame:
        """Return a day's flights as the package has them."""
        found: pd.DataFrame = self._raw.get_group((day.month, day.day)).reset_index(drop=True)
        return found

    def write(self, day: date, target: Path) -> int:
        """Write a day's flights as Parquet; return how many there are."""
        rows = self.frame(day)
        target.parent.mkdir(parents=True, exist_ok=True)
        rows.to_parquet(target, index=False)
        return len(rows)

    @functools.cached_property
    def _raw(self) -> Any:
        rows = data.flights().iloc[:: self._step]
        return rows.groupby(["month", "day"])

    @functools.cached_property
    def _departures(self) -> Any:
        rows = data.flights().iloc[:: self._step]
        rows = rows[rows["dep_delay"].notna()]
        weather = pd.read_csv(data.source() / "weather.csv")
        weather = weather.drop_duplicates(["origin", "time_hour"], keep="last")
        rows = rows.merge(
            weather[["origin", "time_hour", *data.WEATHER]], on=["origin", "time_hour"], how="left"
        )
        rows["weekday"] = pd.to_datetime(rows[["year", "month", "day"]]).dt.day_of_week
        planned = _minutes(rows["sched_arr_time"]) - _minutes(rows["sched_dep_time"])
        rows["planned"] = planned % 1440
        numbers = [name for name in data.FEATURES if name not in {"carrier", "origin"}]
        rows[numbers] = rows[numbers].astype("float64")
        rows = rows.sort_values(["month", "day", "dep_time"], kind="stable")
        return rows.groupby(["month", "day"])


def _minutes(clock: Any) -> Any:
    return clock // 100 * 60 + clock % 100
