"""Flights with the weather at departure, as the model wants them."""

import pandas as pd
from columns import FEATURES, TARGET, WEATHER


def minutes(clock: pd.Series) -> pd.Series:
    """Turn a clock such as 1745 into minutes after midnight."""
    return clock // 100 * 60 + clock % 100


def departure_delay(flights: pd.DataFrame) -> pd.Series:
    """Minutes between the planned and the real departure; early is negative."""
    return flights["dep_delay"]


def clean(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Flights that arrived, with their day, features and target; gaps stay gaps."""
    hourly = weather.drop_duplicates(["origin", "time_hour"], keep="last")
    hourly = hourly[["origin", "time_hour", *WEATHER]]
    rows = flights[flights["arr_delay"].notna()].merge(
        hourly, on=["origin", "time_hour"], how="left"
    )
    rows["day"] = pd.to_datetime(rows[["year", "month", "day"]])
    rows["dep_delay"] = departure_delay(rows)
    rows["weekday"] = rows["day"].dt.day_of_week
    rows["planned"] = (minutes(rows["sched_arr_time"]) - minutes(rows["sched_dep_time"])) % 1440
    rows[TARGET] = (rows["arr_delay"] >= 15).astype("int64")
    numbers = [name for name in FEATURES if pd.api.types.is_numeric_dtype(rows[name])]
    rows[numbers] = rows[numbers].astype("float64")
    return rows[["day", *FEATURES, TARGET]]
