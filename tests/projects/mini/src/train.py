"""Fit a logistic regression and save it as an MLflow model."""

import shutil
from pathlib import Path

import mlflow.sklearn
import pandas as pd
import sklearn
import yaml
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

params = yaml.safe_load(Path("params.yaml").read_text())
frame = pd.read_csv("data/train.csv")
inputs, target = frame.drop(columns="bought"), frame["bought"]
model = LogisticRegression(C=params["strength"]).fit(inputs, target)
shutil.rmtree("models/model", ignore_errors=True)
mlflow.sklearn.save_model(
    model,
    "models/model",
    signature=infer_signature(inputs, model.predict(inputs[:5])),
    input_example=inputs[:3],
    pip_requirements=[f"scikit-learn=={sklearn.__version__}"],
    serialization_format="cloudpickle",
)
