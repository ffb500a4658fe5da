"""All months together, split by a hash of the flight, so that a flight never changes sides."""

from pathlib import Path

import pandas as pd
import yaml
from columns import FEATURES, KEY, TARGET


def held_out(flights: pd.DataFrame, percent: int) -> pd.Series:
    """Tell which flights are held out: the same ones, whatever other months are in hand."""
    return pd.util.hash_pandas_object(flights[KEY], index=False) % 100 < percent


def main() -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())
    months = [pd.read_parquet(f"data/clean/{month}.parquet") for month in params["months"]]
    flights = pd.concat(months, ignore_index=True)
    test = held_out(flights, params["prepare"]["test_percent"])
    columns = [*FEATURES, TARGET]
    flights.loc[~test, columns].to_parquet("data/train.parquet", index=False)
    flights.loc[test, columns].to_parquet("data/test.parquet", index=False)
    print(f"{(~test).sum():,} flights to learn from, {test.sum():,} held out")


if __name__ == "__main__":
    main()
