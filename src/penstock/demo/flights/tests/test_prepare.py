"""Run before the stage `train`: is the data fit to learn from?"""

import pandas as pd
from columns import FEATURES, KEY, TARGET
from prepare import held_out

TRAIN = pd.read_parquet("data/train.parquet")
TEST = pd.read_parquet("data/test.parquet")


def test_both_sides_have_features_and_target():
    for rows in (TRAIN, TEST):
        assert list(rows.columns) == [*FEATURES, TARGET]
        assert rows[TARGET].isin([0, 1]).all()
        assert not rows.isna().any().any()


def test_late_flights_are_neither_rare_nor_usual():
    assert 0.05 < TRAIN[TARGET].mean() < 0.5


def test_a_flight_never_changes_sides():
    row = {"time_hour": "2013-01-01T10:00:00Z", "carrier": "UA", "flight": 1545, "origin": "EWR"}
    flights = pd.DataFrame([row, {**row, "flight": 1546}])[KEY]
    alone = held_out(flights.head(1), 50)
    assert alone.iloc[0] == held_out(flights, 50).iloc[0]
