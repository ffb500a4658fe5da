"""The Open Inference Protocol with a public client, Triton's, over HTTP and gRPC."""

from __future__ import annotations

import numpy as np
import pytest

ROWS = np.array([[1.0, 2.0], [3.0, 4.5]])
MISSING = "is not served here"


@pytest.fixture(scope="module", params=["http", "grpc"])
def client(request, shared_rpc):
    """A client, and the module that it comes from."""
    if request.param == "http":
        import tritonclient.http as module

        address = shared_rpc.url.removeprefix("http://")
    else:
        import tritonclient.grpc as module

        address = shared_rpc.client.record()["grpc"]
    with module.InferenceServerClient(address) as made:
        yield made, module


def given(module, rows=ROWS, kind="FP64"):
    tensor = module.InferInput("x", rows.shape, kind)
    tensor.set_data_from_numpy(rows)
    return tensor


def test_health_and_metadata(client):
    asked, _ = client
    assert asked.is_server_live()
    assert asked.is_server_ready()
    assert asked.is_model_ready("numbers")
    assert asked.is_model_ready("numbers", "1")
    about = asked.get_model_metadata("numbers")
    name = about["name"] if isinstance(about, dict) else about.name
    assert name == "numbers"
    server = asked.get_server_metadata()
    assert (server["name"] if isinstance(server, dict) else server.name) == "penstock"


@pytest.mark.parametrize("version", ["", "1"])
def test_predictions(client, version):
    asked, module = client
    answer = asked.infer("numbers", [given(module)], model_version=version, request_id="mine")
    assert answer.as_numpy("predict").tolist() == [[1.0, 2.0], [1.0, 4.5]]
    said = answer.get_response()
    assert (said["id"] if isinstance(said, dict) else said.id) == "mine"


def test_named_outputs(client):
    asked, module = client
    wanted = [module.InferRequestedOutput("predict")]
    answer = asked.infer("numbers", [given(module)], outputs=wanted)
    assert answer.as_numpy("predict").shape == (2, 2)
    wanted = [module.InferRequestedOutput("nothing")]
    with pytest.raises(Exception, match="has no output 'nothing'"):
        asked.infer("numbers", [given(module)], outputs=wanted)


def test_what_is_not_there(client):
    asked, module = client
    with pytest.raises(Exception, match=MISSING):
        asked.infer("other", [given(module)])
    with pytest.raises(Exception, match=MISSING):
        asked.infer("numbers", [given(module)], model_version="9")
