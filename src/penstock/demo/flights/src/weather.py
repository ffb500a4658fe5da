"""Hourly weather at the three airports, one row for each hour."""

from pathlib import Path

import pandas as pd
from columns import WEATHER


def hourly(weather: pd.DataFrame) -> pd.DataFrame:
    """Keep the last report of each hour."""
    rows = weather.drop_duplicates(["origin", "time_hour"], keep="last")
    return rows[["origin", "time_hour", *WEATHER]].reset_index(drop=True)


if __name__ == "__main__":
    hourly(pd.read_csv("data/weather.csv")).to_parquet(Path("data/weather.parquet"), index=False)
