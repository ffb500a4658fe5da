"""Gradient boosting that says whether a flight will be late, saved as an MLflow model."""

import logging
import shutil
import uuid
from importlib.metadata import version
from pathlib import Path

import mlflow.sklearn
import pandas as pd
import yaml
from columns import CATEGORIES, FEATURES, NUMBERS, TARGET
from mlflow.models import Model, infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder

PACKAGES = ["cloudpickle", "mlflow-skinny", "numpy", "pandas", "scikit-learn", "scipy"]


def build(params: dict) -> Pipeline:
    """Put the model together; `params` are those of the section `train`."""
    numbers = SimpleImputer(strategy="median")
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(
        ColumnTransformer([("numbers", numbers, NUMBERS), ("categories", categories, CATEGORIES)]),
        GradientBoostingClassifier(
            n_estimators=params["trees"],
            max_depth=params["depth"],
            learning_rate=params["learning_rate"],
            subsample=params["subsample"],
            random_state=params["seed"],
        ),
    )


def save(model: Pipeline, flights: pd.DataFrame, target: Path) -> None:
    """Save so that the same commit and data give the same bytes: no clock, no random name."""
    shutil.rmtree(target, ignore_errors=True)
    # MLflow warns that pickles of strangers are dangerous; this one is our own.
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)
    example = flights[FEATURES].head(3)
    name = uuid.uuid5(uuid.NAMESPACE_URL, "flight-delay").hex
    mlflow.sklearn.save_model(
        model,
        target,
        mlflow_model=Model(utc_time_created="2013-01-01 00:00:00", model_uuid=name),
        serialization_format="cloudpickle",
        signature=infer_signature(example, model.predict(example)),
        input_example=example,
        pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
    )


def main() -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())["train"]
    flights = pd.read_parquet("data/train.parquet")
    model = build(params).fit(flights[FEATURES], flights[TARGET])
    save(model, flights, Path("models/model"))
    print(f"learned from {len(flights):,} flights")


if __name__ == "__main__":
    main()
