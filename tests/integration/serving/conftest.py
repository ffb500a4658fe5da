"""Gateways with real workers; the models are a few lines of Python, so that they start at once."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for the clients in serving_traffic

from penstock.domain.traffic import Counters, TargetStatus, TrafficTable
from penstock.domain.version import Bundle
from penstock.gateway import GatewayClient, GatewayOptions, start_gateway

CODE = """
import os, time

def load(path, mlmodel):
    flavour = mlmodel["flavors"]["penstock"]
    number, delay = flavour["number"], flavour.get("delay", 0)
    if flavour.get("broken"):
        raise RuntimeError("the weights are missing")
    if "first_takes" in flavour:  # only the first worker that loads it is slow
        try:
            os.mkdir(os.path.join(path, "loaded"))
            time.sleep(flavour["first_takes"])
        except FileExistsError:
            pass

    hoard = []

    def predict(rows):
        if delay:
            time.sleep(delay)
        answers = []
        for row in rows:
            what = row[0] if row else None
            if what == "crash":
                os.kill(os.getpid(), 9)
            if what == "hang":
                time.sleep(3600)
            if what == "raise":
                raise ValueError("no such thing")
            if what == "eat":
                hoard.append(bytearray(200 << 20))
            answers.append([number, row[-1]] if flavour.get("echo") else number)
        return answers

    return predict
"""


def make_model(folder: Path, number: int, **settings) -> Path:
    """Write a model that answers its own number; with `echo` the last value of the row as well."""
    path = folder / f"model-{number}-{len(list(folder.iterdir()))}"
    (path / "code").mkdir(parents=True)
    (path / "code" / "numbered.py").write_text(CODE)
    flavour = {"loader": "numbered:load", "code": "code", "number": number, **settings}
    (path / "MLmodel").write_text(json.dumps({"flavors": {"penstock": flavour}}))
    return path


class Site:
    """A gateway of one test and what it needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.models = folder / "models"
        self.models.mkdir()
        self.log = folder / "observations"
        self.client = GatewayClient(folder / "serve")
        self.table = TrafficTable()

    def start(self, **options) -> GatewayClient:
        options = {"port": 0, **options}
        self.client = start_gateway(self.folder / "serve", GatewayOptions(**options), wait=120)
        return self.client

    def bundle(self, number: int, **settings) -> Bundle:
        path = make_model(self.models, number, **settings)
        return Bundle("numbers", str(number), str(path), sys.executable)

    def apply(self, *bundles: Bundle, wait: bool = True, **changes) -> TargetStatus:
        """Put a table in force, one generation later, and wait until its versions are ready."""
        if bundles:
            changes["bundles"] = bundles
        self.table = replace(self.table, generation=self.table.generation + 1, **changes)
        self.client.apply(self.table)
        wanted = {bundle.version for bundle in self.table.bundles}
        return self.until(lambda status: wanted <= status.ready) if wait else self.client.status()

    def until(self, holds, seconds: float = 120.0) -> TargetStatus:
        """Wait until the gateway's status is as it should be."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.client.status()
            if holds(status):
                return status
            assert time.monotonic() < deadline, status
            time.sleep(0.02)

    @property
    def url(self) -> str:
        return self.client.status().url

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def processes(self, module: str) -> list[int]:
        """Return the ids of the processes that run a module for this site."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            mine = any(word.startswith(str(self.folder).encode()) for word in words)
            if mine and module.encode() in words:
                found.append(int(entry.name))
        return found

    def kill(self, *pids: int) -> None:
        """End processes at once, whatever they are at."""
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def counters(self, version: str, role: str) -> Counters:
        found = [
            one
            for one in self.client.status().counters
            if (one.version, one.role) == (version, role)
        ]
        return found[0] if found else Counters(version, role)


@pytest.fixture
def site(tmp_path):
    made = Site(tmp_path)
    yield made
    made.client.stop()


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """One gateway for the tests of a module that change nothing."""
    made = Site(tmp_path_factory.mktemp("site"))
    made.start(max_body=1 << 20, read_timeout=2.0)
    made.apply(made.bundle(1), champion="1")
    yield made
    made.client.stop()


@pytest.fixture(scope="module")
def shared_rpc(tmp_path_factory):
    """One gateway that speaks gRPC as well; its model echoes the last value of each row."""
    made = Site(tmp_path_factory.mktemp("rpc"))
    made.start(grpc_port=0)
    made.apply(made.bundle(1, echo=True), champion="1")
    yield made
    made.client.stop()
