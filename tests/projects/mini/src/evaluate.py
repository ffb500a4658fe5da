"""Write the accuracy on held-out customers."""

import json
from pathlib import Path

import mlflow.sklearn
import pandas as pd

model = mlflow.sklearn.load_model("models/model")
frame = pd.read_csv("data/test.csv")
accuracy = float((model.predict(frame.drop(columns="bought")) == frame["bought"]).mean())
Path("metrics.json").write_text(json.dumps({"accuracy": accuracy}) + "\n")
