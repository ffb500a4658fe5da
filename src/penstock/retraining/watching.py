"""`penstock watch`: look with the monitors and the triggers, decide, act, again and again.

Each look is complete in itself and may be killed anywhere: what was seen is in the journal, what
was begun is carried on with. Training is done by a process of its own, so that watching goes on.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock import pipeline
from penstock.assembly import STATE, Project
from penstock.domain.trigger import Choice, Decision, Request
from penstock.errors import PenstockError, UnavailableError
from penstock.retraining import following, gains, pushed, rules, sources
from penstock.retraining.following import Fetch
from penstock.retraining.listener import DEMAND
from penstock.retraining.order import Retrainer
from penstock.triggers import Inbox, commit, data, decide, findings, looks, schedule

Tell = Callable[[str], None]
_SHOWN = 3
"""Reasons in one line."""
_REFRESH = 600.0
"""Seconds between two looks at what retrainings gained in production."""


class Watch:
    """Watches one project.

    Args:
        project: to watch.
        tell: is told what is seen and done, in words.
        monitors: whether to look with the monitors.
    """

    def __init__(self, project: Project, tell: Tell, *, monitors: bool = True) -> None:
        self.project = project
        self.journal = project.journal
        self.inbox = Inbox(project.journal)
        self.tell = tell
        self.monitors = monitors and project.settings.monitor.enabled
        self._watcher: Any = None
        self._child: subprocess.Popen[bytes] | None = None
        self._said = ""
        self._counted: tuple[str, int | None] = ("", None)
        self._fresh: int | None = None
        self._refreshed = 0.0
        self._troubles: list[str] = []
        self._newer: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse what penstock.yaml names and nobody knows, before the first look.

        Raises:
            ConfigError: ``monitor.unknown-feature``, ``retrain.no-data``.
            PluginError: nobody provides a monitor or a notifier.
        """
        if self.monitors:
            from penstock.monitors import unknown

            unknown.refuse(self.project.root, self.project.settings, self.journal)
        if self.project.settings.retrain.triggers:
            sources.refuse_missing(self.project.root, self.project.settings.retrain.data)

    def look(self, now: float) -> dict[str, Any]:
        """Take one look, write down what asks for a retraining, and decide.

        Returns:
            ``verdicts``, ``requests`` (new ones), ``decision``, ``troubles`` (what could not be
            looked at), as plain values.
        """
        troubles: list[str] = []
        verdicts: list[Any] = []
        new: list[Request] = []
        with _forgiven(troubles, "monitors"):
            verdicts = self._monitor(now)
        with _forgiven(troubles, "triggers"):
            new = self._ask(now, troubles)
        with _forgiven(troubles, "rollbacks"):
            self._roll_back()
        policy = rules.policy_of(self.project.settings)
        decision = decide(self._waiting(), self.inbox.history(), policy, now)
        for one in new:
            self.tell(f"asked for: {one.reason}")
        for words in troubles:
            if words not in self._troubles:  # once, until it is over
                self.tell(f"trouble: {words}")
        self._troubles = troubles
        return {
            "verdicts": [one.to_dict() for one in verdicts],
            "requests": [one.to_dict() for one in new],
            "decision": decision.to_dict(),
            "troubles": troubles,
        }

    def act(self, now: float) -> str | None:
        """Do what is to be done; return the id of the retraining that is under way, if any."""
        retrainer = Retrainer(self.project, tell=self.tell)
        policy = rules.policy_of(self.project.settings)
        while True:
            decision = decide(self._waiting(), self.inbox.history(), policy, now)
            if decision.choice is not Choice.DECLINE:
                break
            self.inbox.decline(decision)
            self.tell(f"declined: {decision.reason}")
        if decision.choice is Choice.START:
            name = retrainer.start(decision)
            if name is not None:
                self.tell(f"{name}: {decision.reason}")
        elif decision.keys:
            self._say_once(decision)
        if now - self._refreshed >= _REFRESH:
            self._refreshed = now
            gains.refresh(self.project)
        begun = retrainer.under_way()
        if begun is not None and begun["phase"] == "rolling" and not self.busy():
            with contextlib.suppress(UnavailableError):  # somebody else waits for it
                begun = retrainer.drive(begun["id"], wait=False, queue=False)  # a look, no work
        if begun is None or begun["finished"] is not None or begun["phase"] == "rolling":
            return None if begun is None else str(begun["id"])
        if not retrainer.waits(begun):
            self._drive(begun)
        return str(begun["id"])

    def close(self) -> None:
        """Let a training that is under way end in order; the next watch carries on with it."""
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(30)

    def busy(self) -> bool:
        """Whether the process that trains is running."""
        return self._child is not None and self._child.poll() is None

    def _say_once(self, decision: Decision) -> None:
        asked = dict.fromkeys(one.reason for one in self._waiting() if one.key in decision.keys)
        shown = "; ".join([*asked][:_SHOWN]) + (" and more" if len(asked) > _SHOWN else "")
        words = f"waiting: {decision.reason} (asked for: {shown})"
        if words != self._said:
            self._said = words
            self.tell(words)

    def _monitor(self, now: float) -> list[Any]:
        if not self.monitors:
            return []
        if self._watcher is None:
            from penstock.monitors import Watcher

            self._watcher = Watcher(self.project.root, self.project.settings, self.journal)
        return list(self._watcher.look(now))

    def _ask(self, now: float, troubles: list[str]) -> list[Request]:
        """Let every trigger that the project wants have a look; return what is new."""
        settings = self.project.settings.retrain
        wanted = settings.triggers
        head = pipeline.revision(self.project.root)
        found = self._data(now, head.commit, troubles)
        fresh = None
        if found.items:
            fresh = rules.count(self.project, self._rows(found))
        self._fresh = fresh
        last = rules.last_trained(self.project) or {}
        new: list[Request] = []
        if last.get("data"):
            self.inbox.trained(last["data"])
        if "data" in wanted:
            new += self._submitted(
                data.look(
                    self.journal,
                    found.digest,
                    now,
                    trained=last.get("data"),
                    changed=_written(self.project.root, found),
                    rows=fresh,
                    commit=found.commit,
                )
            )
        if "commit" in wanted:
            new += self._submitted(commit.look(self.journal, head, now))
            commit.done(self.journal, head)
        if "schedule" in wanted and settings.schedule:
            known = (last.get("data"), last.get("head")) == (found.digest, head.commit)
            changed = not known or bool(found.unfetched)
            asked = schedule.look(self.journal, settings.schedule, now, changed=changed)
            new += self._submitted(asked)
            for one in asked:
                schedule.done(self.journal, one.data["slot"])
        asked, newest = findings.look(self.journal, wanted, now, rows=fresh)
        new += self._submitted(asked)
        findings.done(self.journal, newest)
        return new

    def _waiting(self) -> list[Request]:
        return rules.waiting(self.inbox, self._fresh)

    def _submitted(self, requests: list[Request]) -> list[Request]:
        return [one for one in requests if self.inbox.submit(one)]

    def _rows(self, found: sources.Sources) -> int | None:
        """Count rows; a file is read again only when it is another one."""
        if self._counted[0] != found.digest:
            self._counted = (found.digest, sources.rows(self.project.root, found.items))
        return self._counted[1]

    def _data(self, now: float, head: str, troubles: list[str]) -> sources.Sources:
        """Look at the data, here, where it was imported from, and in what others pushed.

        What sources of imports have is fetched when it may be trained on. At the very first look
        nothing is: what the project has is what is known.
        """
        retrain = self.project.settings.retrain
        if not retrain.triggers:
            return sources.find(self.project.root, retrain.data)
        begun = rules.last_trained(self.project) or any(
            looks.seen(self.journal, name) for name in (data.NAME, rules.ROWS)
        )
        ready = begun and rules.may_start(self.project, now)
        found = following.follow(self.project, Fetch.SETTLED if ready else Fetch.NO, now)
        if found.unfetched != self._newer:
            self._newer = found.unfetched
            for words in found.unfetched:
                self.tell(f"{words}, which is fetched when a retraining may start")
        troubles += found.troubles
        if not begun:
            return found
        wanted = "data" in retrain.triggers
        tip = pushed.newest(self.project.root, troubles) if wanted else None
        return pushed.taken(self.project.root, found, tip or head)

    def _drive(self, record: dict[str, Any]) -> None:
        """Let a process of its own move a retraining forward, unless one does."""
        if self.busy():
            return
        name = record["id"]
        if self._child is not None and self._child.returncode not in (0, 1, None):
            self.tell(f"{name}: the process that trained ended with {self._child.returncode}")
        log = self.project.root / STATE / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        words = ["-m", "penstock", "retrain", "--resume", "--no-wait"]
        with log.open("ab") as out:
            self._child = subprocess.Popen(
                [sys.executable, *words, "--project", str(self.project.root)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env=os.environ | {"PENSTOCK_ACTOR": "penstock"},
            )

    def _roll_back(self) -> None:
        """Do what alerts with ``penstock_action: rollback`` asked for, each once."""
        for one in self.journal.records(DEMAND):
            if one.value["state"] != "open":
                continue
            from penstock.loop import Loop
            from penstock.walk import Wishes

            self.tell(f"rolling back: {one.value['reason']}")
            try:
                wishes = Wishes(reason=one.value["reason"], wait=False)
                walk = Loop(self.project).roll_back(None, wishes)
                said = {"state": "done", "rollout": (walk.rollout or {}).get("id")}
            except UnavailableError:
                raise
            except PenstockError as error:
                said = {"state": "impossible", "words": error.message}
                self.tell(f"cannot roll back: {error.message}")
            with self.journal.transaction() as tx:
                tx.put(DEMAND, one.id, {**one.value, **said})


@contextlib.contextmanager
def _forgiven(troubles: list[str], what: str) -> Any:
    """Let one part of a look fail without the others; it is looked at again next time."""
    try:
        yield
    except PenstockError as error:
        troubles.append(f"{what}: {error.message}")


def _written(root: Path, found: sources.Sources) -> float | None:
    """Return when the newest file of the data was written; imports are fetched when settled."""
    mine = [one for one in found.items if one.place and one.kind != sources.IMPORT]
    return max((following.newest(root / one.path) for one in mine), default=0.0) or None


def until(moment: float, woken: Callable[[float], bool]) -> None:
    """Wait until a moment of the monotonic clock, or until somebody wakes us."""
    while (left := moment - time.monotonic()) > 0:
        if woken(min(left, 1.0)):
            return
