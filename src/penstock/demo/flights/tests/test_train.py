"""Run after the stage `train`: does the model behave?"""

import pandas as pd
import saved
from columns import FEATURES

MODEL = saved.load()
FLIGHTS = pd.read_parquet("data/train.parquet").head(500)


def test_it_answers_with_zero_or_one():
    assert set(MODEL.predict(FLIGHTS[FEATURES])) <= {0, 1}


def test_a_carrier_never_seen_is_no_reason_to_fail():
    stranger = FLIGHTS[FEATURES].head(1).assign(carrier="ZZ")
    assert len(MODEL.predict(stranger)) == 1
