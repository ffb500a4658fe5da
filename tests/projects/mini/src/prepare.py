"""Make customers who bought, or did not."""

from pathlib import Path

import numpy as np
import pandas as pd
import yaml

COLUMNS = ["age", "visits", "spent"]


def features(generator, rows):
    return pd.DataFrame(generator.normal(size=(rows, len(COLUMNS))), columns=COLUMNS)


def main():
    params = yaml.safe_load(Path("params.yaml").read_text())
    generator = np.random.default_rng(params["seed"])
    frame = features(generator, params["rows"])
    logit = 2 * frame["visits"] - frame["age"] + 0.5 * frame["spent"]
    frame["bought"] = (logit + generator.logistic(size=len(frame)) > 0).astype(int)
    Path("data").mkdir(exist_ok=True)
    held_out = np.arange(len(frame)) % 3 == 0
    frame[~held_out].to_csv("data/train.csv", index=False)
    frame[held_out].to_csv("data/test.csv", index=False)


if __name__ == "__main__":
    main()
