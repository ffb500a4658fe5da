"""The servers that are measured: how each is started, and what it is asked."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

FASTAPI = """
import pickle, numpy as np
from fastapi import FastAPI, Request
import orjson
from fastapi.responses import Response
model = pickle.load(open("{model}", "rb"))
app = FastAPI()

@app.post("/predict")
async def predict(request: Request):
    rows = np.array(orjson.loads(await request.body())["inputs"])
    return Response(orjson.dumps({{"predictions": model.predict(rows).tolist()}}))
"""
LITSERVE = """
import pickle, numpy as np, litserve as ls

class Api(ls.LitAPI):
    def setup(self, device):
        self.model = pickle.load(open("{model}", "rb"))
    def decode_request(self, request):
        return np.array(request["inputs"])
    def predict(self, rows):
        return self.model.predict(rows)
    def encode_response(self, output):
        return {{"predictions": output.tolist()}}

if __name__ == "__main__":
    ls.LitServer(Api(), accelerator="cpu", workers_per_device=1).run(
        port={port}, num_api_servers=1, generate_client_file=False)
"""
BENTOML = """
import pickle
import bentoml, numpy as np

@bentoml.service(workers=1, logging={{"access": {{"enabled": False}}}})
class Model:
    def __init__(self) -> None:
        self.model = pickle.load(open("{model}", "rb"))
    @bentoml.api
    async def predict(self, inputs: np.ndarray) -> np.ndarray:
        return self.model.predict(inputs)
"""
"""Without its own batching, which made it slower here: 272 requests a second instead of 618."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass
class Peer:
    """A server under test."""

    name: str
    command: list[str]
    path: str
    body: str  # "inputs" or "v2"
    folder: Path
    environment: dict[str, str]
    port: int

    def start(self) -> subprocess.Popen[bytes]:
        """Start it, in a session of its own."""
        log = (self.folder / f"{self.name.split()[0]}.log").open("wb")
        return subprocess.Popen(
            self.command,
            cwd=self.folder,
            env={**os.environ, **ONE_THREAD, **self.environment},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    def payload(self, rows: int) -> bytes:
        """Return a body of so many rows."""
        table = [[round((k * 7 + r) % 13 / 6 - 1, 3) for k in range(30)] for r in range(rows)]
        if self.body == "inputs":
            return json.dumps({"inputs": table}).encode()
        flat = [value for row in table for value in row]
        tensor = {"name": "x", "shape": [rows, 30], "datatype": "FP64", "data": flat}
        return json.dumps({"inputs": [tensor]}).encode()


def free_port() -> int:
    """Return a port that nobody listens on, so that no stray server of an earlier run answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def install(work: Path) -> Path:
    """Make the peers' environment; return its interpreter."""
    python = work / "venv" / "bin" / "python"
    if not python.exists():
        import sklearn

        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, work / "venv"], check=True)
        packages = ["mlserver", "mlserver-sklearn", "litserve", "fastapi", "uvicorn", "uvloop"]
        packages += ["httptools", "orjson", "bentoml", f"scikit-learn=={sklearn.__version__}"]
        subprocess.run([*uv, "pip", "install", "-q", "--python", python, *packages], check=True)
    return python


def peers(work: Path, model: Path, python: Path) -> list[Peer]:
    """Return all servers; `model` is an MLflow directory with a pickled model in it."""
    pickled = model / "model.pkl"
    made = []
    ours, fastapi, mlserver, litserve, mlflow = (free_port() for _ in range(5))
    bento, grpc, metrics = (free_port() for _ in range(3))

    def add(name, command, path, body, port, files=(), environment=None):
        folder = work / name.split()[0]
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files:
            (folder / file).write_text(text)
        made.append(Peer(name, command, path, body, folder, environment or {}, port))

    state = work / "penstock" / "state"
    serve = Path(__file__).with_name("serve_penstock.py")
    add(
        "penstock",
        [sys.executable, str(serve), str(state), str(model), str(ours)],
        "/invocations",
        "inputs",
        ours,
    )
    uvicorn = [str(python), "-m", "uvicorn", "app:app", "--port", str(fastapi), "--no-access-log"]
    add(
        "FastAPI by hand",
        uvicorn,
        "/predict",
        "inputs",
        fastapi,
        [("app.py", FASTAPI.format(model=pickled))],
    )
    settings = {"http_port": mlserver, "grpc_port": grpc, "metrics_port": metrics}
    settings["parallel_workers"] = 0
    about = {
        "name": "m",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": str(pickled.with_suffix(".joblib"))},
    }
    add(
        "MLServer",
        [str(python.with_name("mlserver")), "start", "."],
        "/v2/models/m/infer",
        "v2",
        mlserver,
        [("settings.json", json.dumps(settings)), ("model-settings.json", json.dumps(about))],
    )
    add(
        "LitServe",
        [str(python), "app.py"],
        "/predict",
        "inputs",
        litserve,
        [("app.py", LITSERVE.format(model=pickled, port=litserve))],
    )
    add(
        "BentoML",
        [str(python.with_name("bentoml")), "serve", "service:Model", "--port", str(bento)],
        "/predict",
        "inputs",
        bento,
        [("service.py", BENTOML.format(model=pickled))],
        {"BENTOML_HOME": str(work / "BentoML" / "home"), "BENTOML_DO_NOT_TRACK": "True"},
    )
    add(
        "mlflow models serve",
        [sys.executable, "-m", "uvicorn", "--port", str(mlflow), "--no-access-log",
         "mlflow.pyfunc.scoring_server.app:app"],
        "/invocations",
        "inputs",
        mlflow,
        environment={"__pyfunc_model_path__": str(model)},
    )  # fmt: skip
    return made
