"""Hold the PyTorch runtime against MLflow's own scoring server, with the real library.

    python -m venv /tmp/torch && /tmp/torch/bin/pip install torch==2.13.0 mlflow-skinny pandas \
        pyarrow orjson pyyaml
    PYTHONPATH=src /tmp/torch/bin/python benchmarks/serving/pytorch.py --work /tmp/torch-models

PyTorch is too heavy for the lock and for CI, so this is run by hand. Models in every form that
MLflow writes (pickled, scripted, exported) are asked the same as `mlflow.pyfunc.scoring_server`:
each request alone, and all of them in one batch. Answers must be equal byte for byte, or, where
rows are put together, to the rounding of 32 bits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import time
from pathlib import Path

import mlflow.pyfunc
import mlflow.pytorch
import numpy as np
import pandas as pd
import torch
from mlflow.models import ModelSignature
from mlflow.pyfunc import scoring_server
from mlflow.types import ColSpec, Schema, TensorSpec

from penstock.inference import frames
from penstock.serving.batch import Batcher
from penstock.serving.runtimes import load

COLUMNS = list("abcd")


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = torch.nn.Linear(4, 16), torch.nn.Linear(16, 2)

    def forward(self, x):
        return torch.softmax(self.b(torch.relu(self.a(x))), 1)


class Convolution(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.l = torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(72, 3)

    def forward(self, x):
        return self.l(self.c(x).flatten(1))


class ScaledByItsBatch(torch.nn.Module):
    """Answers a row by what is beside it: must not be batched."""

    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(4, 1)

    def forward(self, x):
        return self.a((x - x.mean(0)) / (x.std(0, unbiased=False) + 1))


def save(path: Path, model, example, serialization: str) -> None:
    narrow = np.asarray(example, dtype="float32")
    out = model(torch.from_numpy(narrow)).detach().numpy()
    kind = np.dtype("float32")
    inputs = Schema([TensorSpec(kind, (-1, *narrow.shape[1:]))])
    if isinstance(example, pd.DataFrame):
        inputs = Schema([ColSpec("double", name) for name in example])
    signature = ModelSignature(inputs, Schema([TensorSpec(kind, (-1, *out.shape[1:]))]))
    mlflow.pytorch.save_model(
        model,
        str(path),
        signature=signature,
        pip_requirements=[],
        serialization_format=serialization,
        input_example=example,
    )


def bodies(example) -> list[bytes]:
    if isinstance(example, pd.DataFrame):
        rows = example.to_numpy().tolist()
        split = {"columns": COLUMNS, "data": rows}
        items = [
            {"dataframe_split": split},
            {"dataframe_records": example.to_dict("records")},
            {"inputs": {name: example[name].tolist() for name in COLUMNS}},
            {"dataframe_split": {"columns": COLUMNS, "data": [[None, 1, 2, 3]]}},
            {"dataframe_split": {"columns": COLUMNS[:3], "data": [[1, 2, 3]]}},
        ]
    else:
        items = [
            {"inputs": example.tolist()},
            {"inputs": example[:1].tolist()},
            {"instances": example.tolist()},
            {"inputs": example[:2].tolist(), "params": {}},
            {"inputs": [[1]]},
        ]
    return [json.dumps(one).encode() for one in items]


def answers_of_mlflow(path: Path, asked: list[bytes]) -> list[tuple[int, bytes]]:
    app = scoring_server.init(mlflow.pyfunc.load_model(str(path)))

    async def one(body):
        scope = {
            "type": "http", "http_version": "1.1", "method": "POST", "path": "/invocations",
            "raw_path": b"/invocations", "query_string": b"",
            "headers": [(b"content-type", b"application/json")],
        }  # fmt: skip
        said = []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message):
            said.append(message)

        await app(scope, receive, send)
        return said[0]["status"], b"".join(one.get("body", b"") for one in said[1:])

    async def every():
        return [await one(body) for body in asked]

    return asyncio.run(every())


def close(a, b) -> bool:
    if isinstance(a, list):
        return len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    return a == b or abs(a - b) < 1e-5


def held(path: Path, example) -> str:
    """Compare; return what was found in words."""
    runtime = load(str(path))
    batcher = Batcher(runtime)
    batcher.warm_up()
    asked = [(n, frames.INVOCATIONS_JSON, one) for n, one in enumerate(bodies(example))]
    equal = rounded = 0
    theirs = answers_of_mlflow(path, [one for *_, one in asked])
    alone = [batcher.answer([one])[0] for one in asked]
    for (status, body), *ours in zip(theirs, alone, sorted(batcher.answer(asked)), strict=True):
        for one in ours:
            assert one.status == status, (path.name, status, one)
            same = one.body == body
            equal += same
            rounded += not same
            assert same or close(json.loads(one.body), json.loads(body)), (path.name, body, one)
    described = runtime.describe()
    count = 200
    many = [(n, *asked[1][1:]) for n in range(32)]
    before = time.perf_counter()
    for _ in range(count):
        batcher.answer(many)
    spent = (time.perf_counter() - before) / count / 32 * 1e6
    return (
        f"{path.name:18} {described.runtime:8} batches {described.batches!s:5}"
        f" {equal} answers equal, {rounded} to rounding; {spent:.0f} us a request of 32 together"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/tmp/penstock-pytorch"))
    work = parser.parse_args().work
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    table = rng.normal(size=(8, 4)).astype("float32")
    named = pd.DataFrame(table.astype("float64"), columns=COLUMNS)
    images = rng.normal(size=(5, 1, 8, 8)).astype("float32")
    made = {
        "pickled": (Net(), table, "pickle"),
        "pickled_columns": (Net(), named, "pickle"),
        "scripted": (torch.jit.script(Net()), table, "pickle"),
        "exported": (Net(), table, "pt2"),
        "images": (Convolution(), images, "pickle"),
        "images_exported": (Convolution(), images, "pt2"),
        "scaled": (ScaledByItsBatch(), table, "pickle"),
    }
    for name, (model, example, form) in made.items():
        save(work / name, model, example, form)
        print(held(work / name, example))
    assert not load(str(work / "scaled")).describe().batches


if __name__ == "__main__":
    main()
