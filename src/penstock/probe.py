"""A model measured where it will serve: through a gateway of its own, one row at a time.

What a gate on latency or memory decides about is the whole way of a request (HTTP, gateway, worker,
model), not a call of `predict` in a bare process.
"""

from __future__ import annotations

import http.client
import json
import math
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlparse

from penstock.domain.traffic import TrafficTable
from penstock.domain.version import Bundle
from penstock.errors import UnavailableError
from penstock.gateway import GatewayClient, GatewayOptions, start_gateway

WARM_UP = 20
REQUESTS = 300
LONGEST = 6.0
"""Seconds of measuring, at most."""


def measure(
    model: Path, python: str, data: Path, target: str, *, start_timeout: float = 300.0
) -> tuple[float, float, float]:
    """Serve a model and send it rows of a test set.

    Args:
        model: directory of the MLflow model.
        python: interpreter of its environment.
        data: parquet or csv.
        target: column that callers do not send.
        start_timeout: seconds that the model may take to be ready.

    Returns:
        Median and 99th percentile of the time of a request in seconds, and the resident memory of
        the worker in bytes.

    Raises:
        UnavailableError: ``probe.not-served`` when the model does not start, or does not answer.
    """
    rows = _rows(data, target)
    with TemporaryDirectory(prefix="penstock-probe-") as folder:
        client = start_gateway(Path(folder), GatewayOptions(port=0, start_timeout=start_timeout))
        try:
            bundle = Bundle("probe", "1", str(model.absolute()), python)
            client.apply(TrafficTable(generation=1, bundles=(bundle,), champion="1"))
            url = _ready(client, start_timeout)
            times = _times(url, rows)
            memory = _worker_memory(str(model.absolute()))
        finally:
            client.stop()
    times.sort()
    return times[len(times) // 2], times[math.ceil(0.99 * len(times)) - 1], memory


def _rows(data: Path, target: str) -> dict[str, Any]:
    """Return names of columns and rows, evenly spaced over the test set."""
    import pandas as pd

    frame = pd.read_csv(data) if data.suffix == ".csv" else pd.read_parquet(data)
    frame = frame.drop(columns=[target], errors="ignore")
    frame = frame.iloc[:: max(1, len(frame) // 200)]
    found: dict[str, Any] = json.loads(
        frame.to_json(orient="split", index=False, date_format="iso")
    )
    return found


def _forms(rows: dict[str, Any]) -> list[list[bytes]]:
    """Return bodies with one row each: as a table for models of columns, or as a tensor."""
    tables = [{"columns": rows["columns"], "data": [row]} for row in rows["data"]]
    return [
        [json.dumps({"dataframe_split": one}).encode() for one in tables],
        [json.dumps({"inputs": [row]}).encode() for row in rows["data"]],
    ]


def _ready(client: GatewayClient, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while True:
        status = client.status()
        if "1" in status.ready:
            return status.url
        why = status.failed.get("1")
        if why is not None or time.monotonic() > deadline:
            raise UnavailableError(
                f"the model cannot be served: {why or 'it was not ready in time'}",
                code="probe.not-served",
                hint="does its environment hold everything that it needs?",
            )
        time.sleep(0.02)


def _times(url: str, rows: dict[str, Any]) -> list[float]:
    """Return seconds of requests in the first form that the model takes."""
    connection = http.client.HTTPConnection(urlparse(url).netloc, timeout=60)
    found: list[float] = []
    try:
        bodies = next(one for one in _forms(rows) if _send(connection, one[0])[0] != 400)
        ends = time.monotonic() + LONGEST
        for number in range(WARM_UP + REQUESTS):
            before = time.perf_counter()
            status, text = _send(connection, bodies[number % len(bodies)])
            if status != 200:
                said = text[:300].decode("utf-8", "replace")
                raise UnavailableError(
                    f"the served model answers {status}: {said}",
                    code="probe.not-served",
                    hint="the model must answer rows of the test set as its callers send them",
                )
            if number >= WARM_UP:
                found.append(time.perf_counter() - before)
            if found and time.monotonic() > ends:
                break
    except StopIteration:
        raise UnavailableError(
            "the served model takes rows of the test set neither as a table nor as a tensor",
            code="probe.not-served",
            hint="has its signature the columns of the test set?",
        ) from None
    finally:
        connection.close()
    return found


def _send(connection: http.client.HTTPConnection, body: bytes) -> tuple[int, bytes]:
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def _worker_memory(model: str) -> float:
    """Return the resident bytes of the process that serves a model, 0.0 when it cannot be told."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
            if b"penstock.serving.worker" not in words or model.encode() not in words:
                continue
            status: dict[str, Any] = dict(
                line.split(":", 1) for line in (place / "status").read_text().splitlines()
            )
            return float(status["VmRSS"].split()[0]) * 1024
        except (OSError, KeyError, ValueError):
            continue
    return 0.0
