"""Run after the stage `evaluate`: do the numbers hang together?"""

import json
from pathlib import Path

import pandas as pd


def test_metrics_describe_the_held_out_flights():
    numbers = json.loads(Path("metrics.json").read_text())
    assert numbers["flights"] == len(pd.read_parquet("data/test.parquet"))
    assert 0.5 < numbers["roc_auc"] <= 1


def test_the_roc_curve_rises():
    curve = pd.read_csv("plots/roc.csv")
    assert curve["tpr"].is_monotonic_increasing
