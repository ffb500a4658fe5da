"""A real gateway with real workers, a load from real clients, a controller that can be killed."""

import contextlib
import http.client
import itertools
import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock.domain.rollout import Rule, RuleKind, Step, StepKind, Strategy
from penstock.domain.version import Bundle
from penstock.gateway import GatewayClient, GatewayOptions, start_gateway
from penstock.journal import Journal
from penstock.observations import Observations
from penstock.rollouts import Controller, LocalTarget
from penstock.rollouts.outcomes import Outcomes

DRIVER = Path(__file__).with_name("driver.py")
RUNTIME = """
import json, pathlib, time

from penstock.inference.description import Description
from penstock.serving.answers import Reply


class Light:
    def __init__(self, settings):
        self.settings = settings

    def describe(self):
        return Description(runtime="light")

    def settle(self):
        pass

    def rows(self, item):
        return None

    def predict(self, rows):
        raise ValueError("never asked")

    def whole(self, kind, body):
        rows = [row[0] for row in json.loads(body)["dataframe_split"]["data"]]
        if any(x % 100 < self.settings["fails"] for x in rows):
            return Reply(500, b'{"error": "a row that this version cannot take"}')
        time.sleep(self.settings["sleep"])
        wrong = self.settings["wrong"]
        answers = [x % 2 if x % 100 >= wrong else 1 - x % 2 for x in rows]
        return Reply(200, json.dumps({"predictions": answers}).encode(), str(answers[0]))


def load(path, mlmodel):
    settings = json.loads((pathlib.Path(path) / "settings.json").read_text())
    if settings["breaks"]:
        raise RuntimeError("this version cannot be loaded")
    return Light(settings)
"""
"""A runtime that starts at once, found as any runtime of a user's would be."""

STRATEGY = Strategy(
    steps=(
        Step(StepKind.SHADOW, 0.0, 0.5, 20),
        Step(StepKind.WEIGHT, 20.0, 0.5, 10),
        Step(StepKind.WEIGHT, 50.0, 0.5, 20),
        Step(StepKind.WEIGHT, 100.0),
    ),
    # The machine that tests run on may be so busy that a healthy version looks slow.
    rules=(Rule("errors", RuleKind.RATE), Rule("latency", RuleKind.TAIL, slack=1.0)),
    interval=0.1,
    probation=1.0,
    probation_percent=50.0,
)


def write_model(path, *, fails=0, sleep=0.0, breaks=False, wrong=0):
    """A model that fails for `fails` percent of the rows, is slow, does not load, or is wrong."""
    path.mkdir(parents=True)
    settings = {"fails": fails, "sleep": sleep, "breaks": breaks, "wrong": wrong}
    (path / "settings.json").write_text(json.dumps(settings))
    (path / "MLmodel").write_text("flavors:\n  light: {}\n")


def write_interpreter(folder):
    """An interpreter whose environment has the light runtime; returns its path."""
    package = folder / "light-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: light\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[penstock.runtimes]\nlight = light_runtime:load\n")
    (folder / "light_runtime.py").write_text(RUNTIME)
    python = folder / "python"
    python.write_text(
        f'#!/bin/sh\nPYTHONPATH="{folder}:$PYTHONPATH" exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    return str(python)


class FileRegistrar:
    """Alias and tags in a file, so that they outlive a killed controller."""

    def __init__(self, path):
        self.path = path

    def read(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def promote(self, version, rollout_id, reason):
        item = {**self.read(), "champion": version, rollout_id: version}
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(item))
        temporary.replace(self.path)


@dataclass
class Answer:
    sent: float
    got: float
    status: int
    version: str


class Load:
    """Clients that ask all the time, and come back when the connection breaks.

    What `tell` returns for the number of an answered request and the version that answered is
    told at /feedback a moment later; the label of a number is whether it is odd.
    """

    def __init__(self, port, clients=4, pause=0.005, tell=None):
        self.tell = tell
        self.told = 0
        self._later = queue.SimpleQueue()
        self.port = port
        self.pause = pause
        self.answers = []
        self.broken = 0
        self._numbers = itertools.count()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]
        self._threads.append(threading.Thread(target=self._tell))

    def __enter__(self):
        for one in self._threads:
            one.start()
        return self

    def __exit__(self, *exc_info):
        self._over.set()
        for one in self._threads:
            one.join()

    def _ask(self):
        connection = None
        while not self._over.is_set():
            number = next(self._numbers)
            body = json.dumps({"dataframe_split": {"columns": ["x"], "data": [[number]]}})
            sent = time.time()
            try:
                connection = connection or http.client.HTTPConnection(
                    "127.0.0.1", self.port, timeout=20
                )
                connection.request(
                    "POST",
                    "/invocations",
                    body,
                    {"Content-Type": "application/json", "X-Request-Id": f"{id(self)}-{number}"},
                )
                answer = connection.getresponse()
                answer.read()
                version = answer.headers.get("X-Penstock-Version", "")
                if answer.status == 200:
                    self._later.put((number, version))
                self.answers.append(Answer(sent, time.time(), answer.status, version))
            except (OSError, http.client.HTTPException):
                self.broken += 1
                if connection is not None:
                    connection.close()
                connection = None
                time.sleep(0.05)
            time.sleep(self.pause)
        if connection is not None:
            connection.close()

    def _tell(self):
        """Tell what became known, a few at a time, a moment after the answers."""
        while not self._over.is_set():
            time.sleep(0.3)
            waiting = [self._later.get() for _ in range(self._later.qsize())]
            tell = self.tell
            items = [tell(*one) for one in waiting] if tell is not None else []
            items = [
                {"request_id": f"{id(self)}-{number}", **item}
                for (number, _), item in zip(waiting, items, strict=False)
                if item is not None
            ]
            if items:
                with contextlib.suppress(OSError, http.client.HTTPException):
                    self._post(items)

    def _post(self, items):
        new = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(new) as connection:
            connection.request("POST", "/feedback", json.dumps(items))
            self.told += len(items) if connection.getresponse().status == 202 else 0

    def versions(self, since=0.0):
        return {one.version for one in self.answers if one.sent >= since}


@dataclass
class Stack:
    root: Path
    port: int
    python: str
    strategy: Strategy = STRATEGY
    bundles: dict = field(default_factory=dict)
    drivers: list = field(default_factory=list)

    @property
    def state_dir(self):
        return self.root / "serve"

    @property
    def client(self):
        return GatewayClient(self.state_dir)

    @property
    def registrar(self):
        return FileRegistrar(self.root / "registry.json")

    def start_gateway(self):
        log = str(self.root / "observations")
        options = GatewayOptions(port=self.port, timeout=10.0, log_dir=log, log_interval=0.2)
        return start_gateway(self.state_dir, options)

    @property
    def champion(self):
        return self.registrar.read()["champion"]

    def bundle(self, **how):
        """A new version."""
        version = str(len(self.bundles) + 1)
        path = self.root / f"model-{version}"
        write_model(path, **how)
        self.bundles[version] = Bundle("model", version, str(path), self.python)
        return self.bundles[version]

    def controller(self, journal):
        target = LocalTarget(self.client, self.start_gateway)
        truth = Outcomes(Observations(self.root / "observations"))
        return Controller(journal, target, self.registrar, truth=truth)

    def journal(self):
        return Journal(self.root / "journal.db")

    def deploy_first(self):
        """Version 1 becomes champion."""
        with self.journal() as journal:
            controller = self.controller(journal)
            id = controller.start(STRATEGY, None, self.bundle())
            state = controller.run_until(id, "ended")
        assert state.phase.value == "promoted", state.words

    def start(self, strategy=STRATEGY, **how):
        """Begin a rollout of a new version; return its id, the champion and the challenger."""
        champion, challenger = self.champion, self.bundle(**how)
        with self.journal() as journal:
            controller = self.controller(journal)
            id = controller.start(strategy, self.bundles[champion], challenger)
        return id, champion, challenger.version

    def state(self, id):
        with self.journal() as journal:
            return self.controller(journal).state(id)

    def run(self, id, until="ended"):
        with self.journal() as journal:
            return self.controller(journal).run_until(id, until)

    def drive(self, id):
        """Start a process that moves the rollout forward."""
        words = [sys.executable, str(DRIVER), str(self.root), str(self.port), id]
        log = (self.root / "driver.log").open("ab")
        with log:
            self.drivers.append(subprocess.Popen(words, stdout=log, stderr=log))
        return self.drivers[-1]

    def wait_for(self, wanted, seconds=120.0):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if wanted():
                return
            time.sleep(0.02)
        log = self.root / "driver.log"
        said = log.read_text() if log.exists() else ""
        raise AssertionError(f"it did not happen within {seconds} s\n{said[-2000:]}")

    def kill_gateway(self):
        record = self.client.record()
        os.kill(record["pid"], signal.SIGKILL)

    def worker_pids(self):
        """Processes that run a worker of this stack."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    words = (entry / "cmdline").read_bytes().split(b"\0")
                except OSError:
                    continue
                mine = any(word.startswith(str(self.root).encode()) for word in words)
                if mine and b"--model" in words:
                    found.append(int(entry.name))
        return sorted(found)

    def stop(self):
        for one in self.drivers:
            one.kill()
            one.wait()
        self.client.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    root = tmp_path_factory.mktemp("stack")
    made = Stack(root, port, write_interpreter(root / "environment"))
    made.deploy_first()
    yield made
    made.stop()


@pytest.fixture
def load(stack):
    with Load(stack.port) as one:
        stack.wait_for(lambda: any(answer.status == 200 for answer in one.answers))
        yield one


@pytest.fixture
def ask(stack):
    """Makes a load that also tells what became known of its requests."""

    @contextlib.contextmanager
    def asking(tell=None):
        with Load(stack.port, tell=tell) as one:
            stack.wait_for(lambda: any(answer.status == 200 for answer in one.answers))
            yield one

    return asking


@pytest.fixture
def write():
    """The functions that write a model, and an interpreter for it."""
    return write_model, write_interpreter
