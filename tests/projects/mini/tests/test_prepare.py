"""The features have the columns that the model is trained on."""

import sys

import numpy as np

sys.path.insert(0, "src")

from prepare import COLUMNS, features


def test_features_have_every_column():
    frame = features(np.random.default_rng(0), 10)
    assert list(frame.columns) == COLUMNS
    assert len(frame) == 10
