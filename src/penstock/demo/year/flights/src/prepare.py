"""All days together, split by time: the newest for the gates, those before them for validation."""

from pathlib import Path

import pandas as pd
import yaml
from clean import clean
from columns import FEATURES, TARGET


def split(flights: pd.DataFrame, test_days: int, valid_days: int) -> list[pd.DataFrame]:
    """Return flights to learn from, to validate with, and to test with."""
    age = (flights["day"].max() - flights["day"]).dt.days
    first, second = test_days, test_days + valid_days
    return [flights[age >= second], flights[(age < second) & (age >= first)], flights[age < first]]


def within(flights: pd.DataFrame, window: dict) -> pd.DataFrame:
    """Return the flights of the days that a retraining wants to learn from."""
    start, end = (pd.Timestamp(window[name]) for name in ("start", "end"))
    return flights[(flights["day"] >= start) & (flights["day"] <= end)]


def main() -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    days = [pd.read_parquet(path) for path in sorted(Path("data/flights").glob("*.parquet"))]
    flights = clean(pd.concat(days, ignore_index=True), pd.read_csv("data/weather.csv"))
    train, valid, test = split(flights, **params["prepare"])
    train, valid = within(train, params["window"]), within(valid, params["window"])
    columns = [*FEATURES, TARGET]
    for name, rows in (("train", train), ("valid", valid), ("test", test)):
        rows[columns].reset_index(drop=True).to_parquet(f"data/{name}.parquet", index=False)
    print(f"{len(train):,} flights to learn from, {len(valid):,} to choose, {len(test):,} to judge")


if __name__ == "__main__":
    main()
