"""One month of flights with the weather at departure: python src/clean.py 2013-01."""

import sys
from pathlib import Path

import pandas as pd
from columns import FEATURES, KEY, TARGET, WEATHER


def minutes(clock: pd.Series) -> pd.Series:
    """Turn a clock such as 1745 into minutes after midnight."""
    return clock // 100 * 60 + clock % 100


def departure_delay(flights: pd.DataFrame) -> pd.Series:
    """Minutes between the planned and the real departure; early is negative."""
    delay = minutes(flights["dep_time"]) - minutes(flights["sched_dep_time"])
    return around_midnight(delay)


def around_midnight(delay: pd.Series) -> pd.Series:
    """Mend what crossed midnight: nobody leaves three hours early."""
    return (delay + 180) % 1440 - 180


def clean(flights: pd.DataFrame, weather: pd.DataFrame) -> pd.DataFrame:
    """Flights that arrived, with features and target; rows with gaps are left out."""
    rows = flights[flights["arr_delay"].notna()].merge(
        weather, on=["origin", "time_hour"], how="left"
    )
    rows["dep_delay"] = departure_delay(rows)
    rows["weekday"] = pd.to_datetime(rows[["year", "month", "day"]]).dt.day_of_week
    rows["planned"] = (minutes(rows["sched_arr_time"]) - minutes(rows["sched_dep_time"])) % 1440
    rows[TARGET] = (rows["arr_delay"] >= 15).astype("int64")
    numbers = [name for name in FEATURES if pd.api.types.is_numeric_dtype(rows[name])]
    rows[numbers] = rows[numbers].astype("float64")
    extra = [name for name in KEY if name not in FEATURES]
    return rows[[*extra, *FEATURES, TARGET]].dropna(subset=WEATHER).reset_index(drop=True)


def main(month: str) -> None:
    flights = pd.read_parquet(f"data/flights/{month}.parquet")
    rows = clean(flights, pd.read_parquet("data/weather.parquet"))
    target = Path(f"data/clean/{month}.parquet")
    target.parent.mkdir(parents=True, exist_ok=True)
    rows.to_parquet(target, index=False)
    print(f"{month}: {len(rows):,} of {len(flights):,} flights, {rows[TARGET].mean():.1%} late")


if __name__ == "__main__":
    main(sys.argv[1])
