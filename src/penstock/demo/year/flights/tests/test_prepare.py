"""Run before the stage `train`: is the data fit to learn from?"""

import pandas as pd
from columns import FEATURES, TARGET

TRAIN = pd.read_parquet("data/train.parquet")
TEST = pd.read_parquet("data/test.parquet")


def test_both_sides_have_features_and_target():
    for rows in (TRAIN, TEST):
        assert list(rows.columns) == [*FEATURES, TARGET]
        assert rows[TARGET].isin([0, 1]).all()


def test_late_flights_are_neither_rare_nor_usual():
    assert 0.05 < TRAIN[TARGET].mean() < 0.5
