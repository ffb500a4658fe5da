"""Small real models, made once: each flavour saved by MLflow itself, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

MAKE = Path(__file__).with_name("make_models.py")


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Return a folder with models, `train.parquet` and `test.parquet`."""
    folder = tmp_path_factory.mktemp("models")
    rng = np.random.default_rng(0)

    def rows(n):
        frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n), "id": range(n)})
        frame["late"] = (frame.a + rng.normal(size=n) > 0).astype(int)
        frame["late_name"] = np.where(frame.late == 1, "yes", "no")
        frame["value"] = 3 * frame.a + rng.normal(size=n)
        return frame

    rows(400).to_parquet(folder / "train.parquet")
    test = rows(300)
    test.to_parquet(folder / "test.parquet")
    test.to_csv(folder / "test.csv", index=False)
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "OMP_NUM_THREADS": "1"}
    subprocess.run(
        [sys.executable, str(MAKE), str(folder)],
        check=True,
        cwd=folder,
        env={**os.environ, **quiet},
        capture_output=True,
    )
    return folder


@pytest.fixture
def rows(models):
    return pd.read_parquet(models / "test.parquet")
