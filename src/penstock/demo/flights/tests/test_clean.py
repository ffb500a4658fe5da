"""Run before the stage `train`: is the code that makes the features sound?"""

import pandas as pd
from clean import around_midnight, minutes


def test_a_clock_becomes_minutes_after_midnight():
    assert minutes(pd.Series([0, 59, 100, 1745])).tolist() == [0, 59, 60, 1065]


def test_a_delay_across_midnight_is_short():
    assert around_midnight(pd.Series([-1410, 30, -20])).tolist() == [30, 30, -20]
