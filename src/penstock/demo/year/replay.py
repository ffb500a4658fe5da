"""Goes through the days: flights as requests, labels days later, one look a day, nobody's hand.

The clock jumps from quarter to quarter of a day and stands still (that is, goes as any clock)
while a model is trained and judged, so that a training of half a minute takes half a minute.
Which candidate is trained when, judged how and rolled out or not is decided by the project's
own `penstock.yaml` and the commands that any project has.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from penstock.demo import project as repository
from penstock.demo.clock import Clock
from penstock.demo.project import Project
from penstock.demo.traffic import free_port
from penstock.demo.year import planted
from penstock.demo.year.days import FIRST, LAST, QUARTERS, Calendar, Day, every, moment
from penstock.demo.year.repository import BRANCH, arrive, create
from penstock.demo.year.traffic import Sender, Sent
from penstock.demo.year.watching import Watching
from penstock.domain.rollout import RolloutPhase
from penstock.errors import StageError

DELAY = 5
"""Days until the label of a flight, and its row of data, arrive."""
_PATIENCE = 600.0
"""Seconds that one training, or the start of one challenger, may take before the demo gives up."""
_PACE = 1.2
"""Seconds that a day takes at least while a rollout is under way: whoever drives it reads the
labels of the day meanwhile."""
_NUDGE = 1.0
"""Seconds after which the clock is put forward to where the next look at a rollout is due."""
_LOOK = 0.1
"""Seconds that a look usually takes at most."""
_LOOK_EVERY = 6 * 3600.0
_UNTRACKED = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
Tell = Callable[["Today"], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to replay.

    Attributes:
        days: how many, from the first of March.
        share: part of the flights.
        together: flights in one request.
        planted: bad candidates to offer.
    """

    days: int = (LAST - FIRST).days + 1
    share: float = 1.0
    together: int = 3
    planted: tuple[planted.Planted, ...] = planted.ALL


@dataclass(frozen=True, slots=True)
class Today:
    """Where a replay stands, for whoever shows it.

    Attributes:
        date: the simulated day.
        number, days: of how many.
        standing: what the watching process said last.
        news: what happened since the last time, in words.
        sent: everything that was sent so far.
        loss: log loss of the champion on its newest labels, None before there are enough.
        alarms: names of what the monitors find wrong today.
    """

    date: date
    number: int
    days: int
    standing: dict[str, Any]
    news: tuple[str, ...]
    sent: Sent
    loss: float | None = None
    alarms: tuple[str, ...] = ()


@dataclass(slots=True)
class Offered:
    """What became of a planted candidate.

    Attributes:
        name: of the fault.
        date: when it was offered.
        guard: what is meant to stop it.
        stopped: verdicts that stopped it, in words.
        version: its model version, when it came so far.
    """

    name: str
    date: date
    guard: str
    stopped: list[str] = field(default_factory=list)
    version: str = ""


class Replay:
    """One replay.

    Args:
        root: where to make the repository.
        options: how.
        tell: is told after every day.
    """

    def __init__(self, root: Path, options: Options, tell: Tell) -> None:
        self.root, self.options, self.tell = root, options, tell
        self.calendar = Calendar(options.share)
        self.clock = Clock(root.with_name(f".{root.name}-clock"))
        self.sent = Sent()
        self.offered: list[Offered] = []
        self.seconds: dict[str, float] = {}
        self._waiting: list[tuple[int, planted.Planted]] = [
            (int(options.days * one.at), one) for one in options.planted
        ]
        self._port = free_port()
        self._kept: dict[date, Day] = {}

    def run(self) -> None:
        """Replay all days; the gateway is stopped at the end, whatever happens."""
        began = time.monotonic()
        self.clock.begin(moment(FIRST) - 3600.0)
        project = create(self.root, self.calendar, share=self.options.share, port=self._port)
        self._penstock("run", "--deploy")
        project.commit("What the run made")
        self.seconds["first model"] = time.monotonic() - began
        sender = Sender("127.0.0.1", self._port)
        try:
            with Watching(self.root, self._environment()) as watching:
                days = every(FIRST, self.options.days)
                for number, day in enumerate(days):
                    self._live(day, sender, watching)
                    self._look(number, day, project, watching)
        finally:
            sender.close()
            self._stop()
        self.seconds["all"] = time.monotonic() - began

    def _stop(self) -> None:
        """Stop serving; a rollout under way is ended first, or who drives it would serve again."""
        from penstock.assembly import Project as Opened

        with Opened.open(self.root) as project:
            active = project.controller().active()
        if active is not None:
            on_probation = active.phase is RolloutPhase.PROBATION
            verb = "promote" if on_probation else "abort"
            self._penstock("rollout", verb, "--reason", "the replay has ended", expect=range(256))
        self._penstock("serve", "--stop")

    def _live(self, day: date, sender: Sender, watching: Watching) -> None:
        """Send the flights of a day, quarter by quarter, and the labels of an earlier one."""
        flights = self.calendar.day(day)
        self._kept[day] = flights
        begun = time.monotonic()
        standing = watching.ask("ask")
        for quarter in range(QUARTERS):
            self.clock.set(moment(day, quarter) + 60.0)
            self.sent.add(sender.send(flights.requests(quarter, self.options.together)))
            if standing["rollout"]:
                standing = self._looked(watching)
        known = self._kept.pop(date.fromordinal(day.toordinal() - DELAY), None)
        if known is not None:
            self.sent.add(sender.tell(known.labels(self.options.together)))
        if known is not None:
            arrive(self.root, self.calendar, known.date)
        if standing["rollout"]:
            time.sleep(max(0.0, begun + _PACE - time.monotonic()))
        self.clock.set(moment(day, QUARTERS) - 600.0)

    def _looked(self, watching: Watching) -> dict[str, Any]:
        """Wait until whoever drives the rollout has had its look at this quarter."""
        begun = time.monotonic()
        while True:
            standing = watching.ask("ask")
            rollout = standing["rollout"]
            if not rollout:
                return standing
            recent = self.clock.now() - rollout["updated"] < _LOOK_EVERY
            if recent and rollout["phase"] not in {"starting", "promoting", "rolling-back"}:
                return standing
            if time.monotonic() > begun + _NUDGE:
                # A look that took long was followed by a sleep into the next quarter. However long
                # it took, the clock gets there: what comes later on the day is then a little late.
                self.clock.set(self.clock.now() + 600.0)
                time.sleep(_LOOK)
            if time.monotonic() > begun + _PATIENCE:
                raise StageError(
                    f"rollout {rollout['id']} does not go on: {rollout['words']}",
                    code="demo.unexpected",
                    hint=f"look around in {self.root}: `penstock status`",
                )
            time.sleep(0.02)

    def _look(self, number: int, day: date, project: Project, watching: Watching) -> None:
        """Take the look of the day, and wait for a training that it begins."""
        standing = watching.ask("look")
        seen = standing["seen"]
        news = list(standing["heard"])
        ends = time.monotonic() + _PATIENCE
        while standing["training"] or standing["busy"]:
            time.sleep(0.1)
            standing = watching.ask("ask")
            news += standing["heard"]
            if standing["training"] and not standing["busy"]:
                standing = watching.ask("act")
                news += standing["heard"]
            if time.monotonic() > ends:
                raise StageError(
                    "a training did not come to an end",
                    code="demo.unexpected",
                    hint=f"look around in {self.root}: `penstock retrain --history`",
                )
        idle = not standing["rollout"] and not standing["retraining"]
        if self._waiting and number >= self._waiting[0][0] and idle:
            _, one = self._waiting.pop(0)
            news.append(self._offer(one, day, project))
        self.tell(
            Today(
                day,
                number + 1,
                self.options.days,
                standing,
                tuple(news),
                self.sent,
                seen["loss"],
                tuple(seen["failed"]),
            )
        )

    def _offer(self, one: planted.Planted, day: date, project: Project) -> str:
        """Commit a change on a branch and offer it, as any change is offered."""
        base = BRANCH if project.git("branch", "--list", BRANCH).strip() else "main"
        project.git("switch", "--quiet", "--create", one.branch, base)
        one.apply(project)
        project.commit(one.message)
        project.git("switch", "--quiet", "main")
        offered = Offered(one.name, day, one.guard)
        self.offered.append(offered)
        said = self._penstock("run", "--commit", one.branch, "--json", expect=(0, 1))
        walk = json.loads(said)
        offered.stopped = [
            f"{verdict['name']}: {verdict['words']}"
            for verdict in walk["verdicts"]
            if verdict["blocking"] and verdict["outcome"] != "passed"
        ]
        if walk["version"] is None:
            return f"{one.name} was refused: {offered.stopped[0] if offered.stopped else ''}"
        offered.version = str(walk["version"]["version"])
        self._penstock("deploy", offered.version, "--no-wait", expect=(0, 1))
        return f"{one.name} passed the gates: version {offered.version} is rolled out"

    def _penstock(self, *words: str, expect: Container[int] = (0,)) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "penstock", *words],
            cwd=self.root,
            env=self._environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in expect:
            raise StageError(
                f"`penstock {' '.join(words)}` ended with {done.returncode}",
                code="demo.unexpected",
                hint=f"look around in {self.root}: `penstock status`, `penstock history --all`",
                log_tail=(done.stdout + done.stderr).splitlines()[-30:],
            )
        return done.stdout

    def _environment(self) -> dict[str, str]:
        own = repository.environment()
        own = {name: value for name, value in own.items() if name not in _UNTRACKED}
        return {**own, **self.clock.environment(), "TZ": "UTC"}
