"""Skew on a real gateway with a real MLflow model, loaded on both paths."""

import shutil
import sys
import time
import warnings

import numpy as np
import pandas as pd
import pytest

from penstock.domain.traffic import TrafficTable
from penstock.domain.version import Bundle
from penstock.gateway import GatewayOptions, start_gateway
from penstock.monitors.endpoint import ServedModel
from penstock.monitors.skew import compare

COLUMNS = ["age", "visits", "spent"]


def save(path, weights):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.sklearn
        from mlflow.models import infer_signature
        from sklearn.linear_model import LinearRegression

        rng = np.random.default_rng(2)
        frame = pd.DataFrame(rng.normal(size=(50, 3)), columns=COLUMNS)
        model = LinearRegression().fit(frame, frame.to_numpy() @ weights)
        signature = infer_signature(frame, model.predict(frame))
        mlflow.sklearn.save_model(
            model, path, signature=signature, serialization_format="cloudpickle"
        )
    return frame.to_numpy().tolist()[:20]


@pytest.fixture
def served(tmp_path):
    rows = save(tmp_path / "model", np.array([1.0, 2.0, 3.0]))
    client = start_gateway(tmp_path / "serve", GatewayOptions(port=0), wait=120)
    bundle = Bundle("mini", "1", str(tmp_path / "model"), sys.executable)
    client.apply(TrafficTable(1, (bundle,), "1"))
    deadline = time.monotonic() + 120
    while "1" not in client.status().ready:
        assert time.monotonic() < deadline, client.status()
        time.sleep(0.05)
    yield ServedModel(tmp_path / "serve"), rows
    client.stop()


def test_a_served_model_answers_as_the_file_that_it_was_loaded_from(served, tmp_path):
    endpoint, rows = served
    assert endpoint.ready()
    usual = [0.0, 0.0, 0.0]
    assert compare(endpoint, COLUMNS, rows, usual).outcome == "passed"
    shutil.rmtree(tmp_path / "model")  # now the file says something else than what is served
    save(tmp_path / "model", np.array([1.0, -2.0, 3.0]))
    verdict = compare(endpoint, COLUMNS, rows, usual)
    assert verdict.outcome == "failed"
    assert list(verdict.evidence[0].details["features"]) == ["visits"]


def test_nothing_is_ready_where_nothing_is_served(tmp_path):
    assert not ServedModel(tmp_path / "serve").ready()
