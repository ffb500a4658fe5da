"""The saved model, read back the short way: importing MLflow takes seconds."""

import pickle
from pathlib import Path

from sklearn.pipeline import Pipeline


def load() -> Pipeline:
    """Load the model that the stage `train` saved."""
    with Path("models/model/model.pkl").open("rb") as file:
        return pickle.load(file)
