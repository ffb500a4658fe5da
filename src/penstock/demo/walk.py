"""One walk round the loop: the real commands in a real repository, and what is true afterwards."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.demo import project as repository
from penstock.demo.changes import Change
from penstock.demo.facts import Facts
from penstock.demo.traffic import Replay, Tally, bodies, free_port
from penstock.demo.voice import Voice
from penstock.errors import StageError

_UNTRACKED_URI = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


@dataclass(frozen=True, slots=True)
class Options:
    """How to walk.

    Attributes:
        fast: with a sample of the flights.
        keep_serving: leave the gateway up at the end.
        show: let the commands write to the terminal; else their output is kept for errors only.
    """

    fast: bool = False
    keep_serving: bool = False
    show: bool = True


@dataclass(slots=True)
class Fact:
    """Something that was read back after a step."""

    step: int
    text: str
    holds: bool


@dataclass(slots=True)
class Walk:
    """What the steps work with, and what came of them.

    Attributes:
        root: the repository.
        voice: whom to tell.
        options: how to walk.
        facts: everything that was read back so far.
        tallies: step -> what the replayed traffic met.
        seconds: step -> how long it took.
    """

    root: Path
    voice: Voice
    options: Options
    port: int = field(default_factory=free_port)
    facts: list[Fact] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    report: str = ""
    _step: int = 0
    _began: float = 0.0
    _project: repository.Project | None = None
    _bodies: list[bytes] = field(default_factory=list)

    @property
    def project(self) -> repository.Project:
        """The repository; made when it is first asked for."""
        if self._project is None:
            self._project = repository.create(self.root, fast=self.options.fast, port=self.port)
        return self._project

    @property
    def read(self) -> Facts:
        """The stores, to read back from."""
        return Facts(self.root)

    @property
    def url(self) -> str:
        """Where the project serves."""
        return f"http://127.0.0.1:{self.port}"

    def begin(self, number: int, title: str, why: str) -> None:
        """Begin a step."""
        self.finish()
        self._step, self._began = number, time.monotonic()
        self.voice.step(number, title, why)

    def finish(self) -> None:
        """End the step under way, if any."""
        if self._step:
            self.seconds[self._step] = round(time.monotonic() - self._began, 1)

    def penstock(self, *words: str, expect: int = 0) -> str:
        """Run a penstock command and return what it printed, "" when it went to the terminal.

        Raises:
            StageError: ``demo.unexpected`` when it ends with another exit code.
        """
        line = shlex.join(["penstock", *words])
        self.voice.command(line)
        keep = None if self.options.show else subprocess.PIPE
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words],
            cwd=self.root,
            env=self._environment(),
            stdout=keep,
            stderr=subprocess.STDOUT if keep else None,
            text=True,
            check=False,
        )
        if done.returncode != expect:
            raise StageError(
                f"`{line}` ended with {done.returncode} instead of {expect}",
                code="demo.unexpected",
                hint=f"look around in {self.root}: `penstock status`, `penstock history --all`",
                log_tail=(done.stdout or "").splitlines()[-30:],
            )
        return done.stdout or ""

    def check(self, text: str, *, holds: bool) -> None:
        """State a fact that was read back."""
        self.facts.append(Fact(self._step, text, holds))
        self.voice.fact(text, holds=holds)

    def under_traffic(self, name: str, *words: str, expect: int = 0) -> Tally:
        """Run a penstock command while April's flights are replayed; return what they met."""
        if not self._bodies:
            self._bodies = bodies(repository.NEXT_MONTH)
        with Replay("127.0.0.1", self.port, self._bodies) as replay:
            time.sleep(0.5)
            self.penstock(*words, expect=expect)
            time.sleep(0.5)
        self.tallies[name] = replay.tally
        return replay.tally

    def ask(self) -> tuple[str, Any]:
        """Send one flight to the gateway; return the version that answered, and the answer."""
        if not self._bodies:
            self._bodies = bodies(repository.NEXT_MONTH)
        wanted = urllib.request.Request(
            f"{self.url}/invocations",
            data=self._bodies[0],
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(wanted, timeout=30) as answer:
            return str(answer.headers.get("X-Penstock-Version")), json.load(answer)

    def branch(self, change: Change) -> None:
        """Make a change on a branch of its own, as for a pull request."""
        self.project.git("switch", "--quiet", "--create", change.branch)
        change.apply(self.project)
        self.project.commit(change.message)

    def back_to_main(self) -> None:
        """Leave the branch, and bring back the data and model of main."""
        self.project.git("reset", "--quiet", "--hard")
        self.project.git("switch", "--quiet", "main")
        self.project.dvc("checkout", "--quiet")

    def to_dict(self) -> dict[str, Any]:
        """Return what came of it as plain values."""
        return {
            "directory": str(self.root),
            "holds": all(one.holds for one in self.facts),
            "facts": [
                {"step": one.step, "text": one.text, "holds": one.holds} for one in self.facts
            ],
            "traffic": {name: one.to_dict() for name, one in self.tallies.items()},
            "seconds": {str(number): value for number, value in self.seconds.items()},
            "report": self.report,
            "url": self.url if self.options.keep_serving else None,
        }

    def _environment(self) -> dict[str, str]:
        # The demo's registry is its own, whatever server the person works with.
        own = repository.environment()
        own = {name: value for name, value in own.items() if name not in _UNTRACKED_URI}
        return {**own, "COLUMNS": os.environ.get("COLUMNS", "100")}
