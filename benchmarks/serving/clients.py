"""Ask a gateway with the public clients of the Open Inference Protocol: Triton's and KServe's.

    python benchmarks/serving/clients.py --work /tmp/penstock-clients

Both clients are installed into a virtual environment below `--work`, because they are heavy. A
model that sums its columns is asked over HTTP, with JSON and with binary tensors, and over gRPC.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from penstock.domain.traffic import TrafficTable
from penstock.domain.version import Bundle
from penstock.gateway import GatewayOptions, start_gateway

PACKAGES = ("tritonclient[http,grpc]", "kserve")
CODE = "def load(path, mlmodel):\n    return lambda rows: [float(sum(row)) for row in rows]\n"
TRITON = """
import sys
import numpy as np
import tritonclient.http as over_http
import tritonclient.grpc as over_grpc

rows = np.array([[1.0, 2.0], [3.0, 4.5]])
SERVERS = ((over_http, sys.argv[1], (False, True)), (over_grpc, sys.argv[2], (None,)))
for module, address, ways in SERVERS:
    client = module.InferenceServerClient(address)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("sums")
    about = client.get_model_metadata("sums")
    assert (about["name"] if isinstance(about, dict) else about.name) == "sums"
    for binary in ways:
        given = module.InferInput("x", rows.shape, "FP64")
        given.set_data_from_numpy(rows, *([] if binary is None else [binary]))
        wanted = None
        if binary is not None:
            wanted = [over_http.InferRequestedOutput("predict", binary_data=binary)]
        answer = client.infer("sums", [given], request_id="a", outputs=wanted)
        assert answer.as_numpy("predict").tolist() == [3.0, 7.5], answer.get_response()
        print("tritonclient", module.__name__, "binary" if binary else "", "ok")
"""
KSERVE = """
import asyncio, sys
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig

rows = np.array([[1.0, 2.0], [3.0, 4.5]])

def made(binary):
    given = InferInput("x", [2, 2], "FP64")
    given.set_data_from_numpy(rows, binary_data=binary)
    return InferRequest(model_name="sums", infer_inputs=[given], request_id="a")

async def main():
    rest = InferenceRESTClient(RESTConfig(protocol="v2"))
    url = "http://" + sys.argv[1]
    assert await rest.is_server_live(url) and await rest.is_server_ready(url)
    assert await rest.is_model_ready(url, "sums")
    for binary in (False, True):
        answer = await rest.infer(url, made(binary), model_name="sums")
        assert answer.outputs[0].as_numpy().tolist() == [3.0, 7.5], answer
        print("kserve REST", "binary" if binary else "", "ok")
    grpc = InferenceGRPCClient(sys.argv[2])
    assert await grpc.is_server_live() and await grpc.is_model_ready("sums")
    answer = await grpc.infer(made(True))
    assert answer.outputs[0].as_numpy().tolist() == [3.0, 7.5], answer
    print("kserve gRPC ok")

asyncio.run(main())
"""


def install(work: Path) -> Path:
    """Make the clients' environment; return its interpreter."""
    python = work / "venv" / "bin" / "python"
    if not python.exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "-q", "--python", sys.executable, work / "venv"], check=True)
        subprocess.run([*uv, "pip", "install", "-q", "--python", python, *PACKAGES], check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=Path("/tmp/penstock-clients"))
    given = parser.parse_args()
    python = install(given.work)
    state, model = given.work / "state", given.work / "model"
    for one in (state, model):
        shutil.rmtree(one, ignore_errors=True)
    (model / "code").mkdir(parents=True)
    (model / "code" / "sums.py").write_text(CODE)
    (model / "MLmodel").write_text(json.dumps({"flavors": {"penstock": {"loader": "sums:load"}}}))
    client = start_gateway(state, GatewayOptions(port=0, grpc_port=0))
    try:
        bundle = Bundle("sums", "1", str(model), sys.executable)
        client.apply(TrafficTable(1, (bundle,), champion="1"))
        while "1" not in client.status().ready:
            time.sleep(0.05)
        record = client.record() or {}
        addresses = [record["url"].removeprefix("http://"), record["grpc"]]
        for code in (TRITON, KSERVE):
            subprocess.run([python, "-c", code, *addresses], check=True)
    finally:
        client.stop()


if __name__ == "__main__":
    main()
