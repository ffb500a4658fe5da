"""Gradient boosting that gives the chance of a late arrival, saved as an MLflow model."""

import json
import logging
import os
import shutil
import uuid
from importlib.metadata import version
from pathlib import Path

# Trials run side by side; threads of one that wait for those of the other cost more than they give.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import mlflow.sklearn
import numpy as np
import pandas as pd
import yaml
from columns import CATEGORIES, FEATURES, NUMBERS, TARGET
from mlflow.models import Model, infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

PACKAGES = ["cloudpickle", "mlflow-skinny", "numpy", "pandas", "scikit-learn", "scipy"]


def build(params: dict) -> Pipeline:
    """Put the model together; `params` are those of the section `train`."""
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    return make_pipeline(
        ColumnTransformer([("categories", codes, CATEGORIES), ("numbers", "passthrough", NUMBERS)]),
        HistGradientBoostingClassifier(
            max_iter=params["iterations"],
            max_leaf_nodes=params["leaves"],
            learning_rate=params["learning_rate"],
            min_samples_leaf=50,
            early_stopping=False,
            random_state=params["seed"],
        ),
    )


def validated(params: dict, train: pd.DataFrame, valid: pd.DataFrame) -> dict[str, float]:
    """Learn from the older days and return how well that did on the newer ones."""
    if valid.empty:
        return {}
    chance = build(params).fit(train[FEATURES], train[TARGET]).predict_proba(valid[FEATURES])[:, 1]
    return {
        "log_loss": round(float(log_loss(valid[TARGET], chance)), 6),
        "brier": round(float(brier_score_loss(valid[TARGET], chance)), 6),
    }


def save(model: Pipeline, flights: pd.DataFrame, target: Path) -> None:
    """Save so that the same commit and data give the same bytes: no clock, no random name."""
    shutil.rmtree(target, ignore_errors=True)
    # MLflow warns that pickles of strangers are dangerous; this one is our own.
    logging.getLogger("mlflow.sklearn").setLevel(logging.ERROR)
    example = flights[FEATURES].dropna().head(3)
    name = uuid.uuid5(uuid.NAMESPACE_URL, "flight-delay").hex
    mlflow.sklearn.save_model(
        model,
        target,
        mlflow_model=Model(utc_time_created="2013-01-01 00:00:00", model_uuid=name),
        serialization_format="cloudpickle",
        pyfunc_predict_fn="predict_proba",
        signature=infer_signature(example, model.predict_proba(example)),
        input_example=example,
        pip_requirements=[f"{package}=={version(package)}" for package in PACKAGES],
    )


def main() -> None:
    params = yaml.safe_load(Path("params.yaml").read_text())["train"]
    train, valid = (pd.read_parquet(f"data/{name}.parquet") for name in ("train", "valid"))
    Path("validation.json").write_text(json.dumps(validated(params, train, valid)) + "\n")
    flights = pd.concat([train, valid], ignore_index=True)
    model = build(params).fit(flights[FEATURES], flights[TARGET])
    save(model, flights, Path("models/model"))
    print(f"learned from {len(flights):,} flights")


if __name__ == "__main__":
    main()
