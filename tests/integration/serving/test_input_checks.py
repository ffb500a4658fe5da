"""Requests with values that the training data does not have: told, refused, or none answered."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import grpc

from penstock.gateway.rpc_messages import SERVICE, classes
from penstock.inference.manner import Limit, Manner

COLUMNS = [
    {"name": "age", "type": "double", "required": True},
    {"name": "town", "type": "string", "required": True},
]
LIMITS = (Limit("age", 18.0, 99.0, nulls=False), Limit("town", values=("Köln", "Ulm")))


def checked(site, mode: str, number: int = 1):
    """Return the bundle of a model with a signature whose requests are checked."""
    made = site.bundle(number)
    mlmodel = Path(made.path, "MLmodel")
    signature = {"inputs": json.dumps(COLUMNS)}
    mlmodel.write_text(json.dumps(json.loads(mlmodel.read_text()) | {"signature": signature}))
    manner = site.folder / f"manner-{mode}.json"
    manner.write_text(json.dumps(Manner(mode, LIMITS).to_dict()))
    return replace(made, manner=str(manner))


def ask(url: str, *rows, path="/invocations"):
    """Return status, headers and parsed body of the answer to rows."""
    body = json.dumps({"dataframe_split": {"columns": ["age", "town"], "data": rows}}).encode()
    request = urllib.request.Request(
        url + path, body, headers={"content-type": "application/json", "x-request-id": "mine"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, dict(answer.headers), json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, dict(error.headers), json.load(error)


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return answer.read().decode()


def test_warned_and_counted(site):
    site.start(grpc_port=0)
    site.apply(checked(site, "warn"), champion="1")
    status, headers, answer = ask(site.url, [30, "Ulm"])
    assert (status, answer) == (200, {"predictions": [1]})
    assert "x-penstock-violations" not in headers
    status, headers, answer = ask(site.url, [30, "Ulm"], [12, "Rom"], [120, "Köln"])
    assert (status, answer) == (200, {"predictions": [1, 1, 1]})
    assert headers["x-penstock-violations"] == "age below, town unseen, age above"
    counts = read(site.url + "/metrics")
    about = 'penstock_data_violations_total{model="numbers",version="1",field='
    assert f'{about}"age",kind="below"}} 1\n' in counts
    assert f'{about}"town",kind="unseen"}} 1\n' in counts
    same = 'penstock_data_violating_requests_total{model="numbers",version="1"} 1\n'
    assert same in counts
    record = json.loads(read(site.url + "/openapi.json"))
    forms = record["paths"]["/invocations"]["post"]["requestBody"]["content"]["application/json"]
    schema = forms["schema"]["oneOf"][1]["properties"]["dataframe_records"]["items"]["properties"]
    assert schema["age"] == {"type": "number", "description": "the training data has 18 to 99"}
    assert over_grpc(site) == [("x-penstock-violations", "age below")]
    site.apply(checked(site, "warn", 2), champion="2")  # who is gone is accounted for as well
    ask(site.url, [12, "Ulm"])
    site.client.stop()
    text = (site.folder / "serve" / "log" / "gateway.ndjson").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    told = {
        (one["penstock.version"], one["penstock.input.field"], one["penstock.input.kind"]): one
        for one in lines
        if one.get("event.action") == "inputs-violated"
    }
    assert {key: one["penstock.input.values"] for key, one in told.items()} == {
        ("1", "age", "below"): 2,
        ("1", "age", "above"): 1,
        ("1", "town", "unseen"): 1,
        ("2", "age", "below"): 1,
    }
    assert {one["log.level"] for one in told.values()} == {"warn"}
    assert told["1", "age", "below"]["message"] == (
        "2 values of age unlike the training data: below"
    )


def over_grpc(site):
    made = classes()
    inputs = [
        {"name": name, "datatype": kind, "shape": [1], "contents": contents}
        for name, kind, contents in (
            ("age", "FP64", {"fp64_contents": [1.0]}),
            ("town", "BYTES", {"bytes_contents": [b"Ulm"]}),
        )
    ]
    with grpc.insecure_channel(site.client.record()["grpc"]) as channel:
        method = channel.unary_unary(
            f"/{SERVICE}/ModelInfer",
            request_serializer=made["ModelInferRequest"].SerializeToString,
            response_deserializer=made["ModelInferResponse"].FromString,
        )
        request = made["ModelInferRequest"](model_name="numbers", inputs=inputs)
        _, call = method.with_call(request, timeout=60, wait_for_ready=True)
    return [pair for pair in call.trailing_metadata() if pair[0] == "x-penstock-violations"]


def test_refused_with_the_field_named(site):
    site.start()
    site.apply(checked(site, "reject"), champion="1")
    status, headers, answer = ask(site.url, [30, "Ulm"], [130, "Ulm"])
    assert status == 422
    assert (headers["x-request-id"], headers["x-penstock-version"]) == ("mine", "1")
    assert answer["violations"] == [
        {"field": "age", "row": 1, "kind": "above", "value": 130, "allowed": "18 to 99"}
    ]
    assert ask(site.url, [30, "Ulm"])[0] == 200
    counters = site.counters("1", "champion")
    assert (counters.requests, counters.errors) == (2, 0)
    document = json.loads(read(site.url + "/openapi.json"))["paths"]["/invocations"]["post"]
    assert "422" in document["responses"]
    forms = document["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    schema = forms[1]["properties"]["dataframe_records"]["items"]["properties"]
    assert (schema["age"]["minimum"], schema["age"]["maximum"]) == (18.0, 99.0)
    assert schema["town"]["enum"] == ["Köln", "Ulm", None]


def test_the_breaker_opens_and_closes(site):
    site.start(breaker_share=0.5, breaker_least=10, breaker_window=600.0, breaker_pause=1.0)
    site.apply(checked(site, "reject"), champion="1")
    # Bad rows until it opens, however slow this machine: what is fine would close it again.
    _, headers, answer = until(lambda: ask(site.url, [5, "Ulm"]), 503)
    assert int(headers["retry-after"]) >= 1
    assert "the model was not trained on" in answer["message"]
    # What is half-open closes when what comes through is fine.
    until(lambda: ask(site.url, [30, "Ulm"]), 200)
    until(lambda: (int(state(site) == 0),), 1, lambda: ask(site.url, [30, "Ulm"]))
    counts = read(site.url + "/metrics")
    assert 'penstock_breaker_refused_total{model="numbers"} ' in counts
    text = (site.folder / "serve" / "log" / "gateway.ndjson").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    opened = [one for one in lines if one.get("event.action") == "breaker-open"]
    assert f'penstock_breaker_opened_total{{model="numbers"}} {len(opened)}\n' in counts
    assert {one["event.kind"] for one in opened} == {"alert"}
    assert "age below" in opened[0]["message"]


def state(site) -> int:
    line = 'penstock_breaker_state{model="numbers"} '
    (found,) = [one for one in read(site.url + "/metrics").splitlines() if one.startswith(line)]
    return int(found.removeprefix(line))


def until(asked, wanted: int, meanwhile=lambda: None):
    """Ask until the answer begins with a number."""
    deadline = time.monotonic() + 120
    while True:
        answer = asked()
        if answer[0] == wanted:
            return answer
        assert time.monotonic() < deadline, answer
        meanwhile()
        time.sleep(0.05)
