"""A retraining as desired state and steps: each may be killed anywhere and repeated.

    started ──► pinned ──► searched ──► committed ──► trained ──► rolling ──► finished
       data and window      parameters     branch      the loop     rollout

The record ``retraining`` in the journal says which step is next; a step first looks whether its
work is done already. So whoever comes next, after a kill, a reboot or a full disk, carries on, and
one request never starts a second training.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from penstock import pipeline
from penstock.assembly import Project
from penstock.domain.event import Event, EventType
from penstock.domain.rollout import RolloutPhase
from penstock.domain.trigger import Decision
from penstock.errors import PenstockError, StateError, UnavailableError, UsageError
from penstock.loop import Loop
from penstock.retraining import branch, following, gains, onward, parameters, sources, window
from penstock.retraining.lock import held
from penstock.triggers.inbox import RETRAINING, Inbox
from penstock.walk import Wishes

Record = dict[str, Any]
Tell = Callable[[str], None]
PATIENCE = 20
"""Beginnings of one and the same step, without progress, before a retraining is given up."""


class Retrainer:
    """Moves the retrainings of one project forward.

    Args:
        project: to retrain in.
        tell: is told what is done, in words.
        listener: of the pipeline's progress.
        watcher: is told the state of a rollout after every look at it.
    """

    def __init__(
        self,
        project: Project,
        *,
        tell: Tell = lambda _words: None,
        listener: pipeline.Listener | None = None,
        watcher: Callable[[Any], None] | None = None,
    ) -> None:
        self.project = project
        self.journal = project.journal
        self.inbox = Inbox(project.journal)
        self.tell = tell
        self.listener = listener
        self.watcher = watcher

    def start(self, decision: Decision, **wishes: Any) -> str | None:
        """Begin a retraining for the requests of a decision; None when somebody else just did.

        Args:
            decision: to start.
            wishes: ``search`` (False leaves it out) and ``deploy`` (False stops at the registry).
        """
        now = time.time()
        name = f"retraining-{time.strftime('%Y%m%d-%H%M%S', time.gmtime(now))}-{_letters()}"
        plan = {"search": True, "deploy": True, **wishes}
        value = {"phase": "started", "wishes": plan, "attempts": 0}
        return name if self.inbox.take(decision, name, value, now) else None

    def record(self, name: str) -> Record:
        """Return what is known of a retraining.

        Raises:
            StateError: ``retrain.unknown``.
        """
        found = self.journal.get(RETRAINING, name)
        if found is None:
            raise StateError(
                f"there is no retraining {name}",
                code="retrain.unknown",
                hint="`penstock retrain --history` lists them",
            )
        return found.value

    def under_way(self) -> Record | None:
        """Return the retraining that has not ended, None when there is none."""
        found = (one.value for one in self.journal.records(RETRAINING))
        return next((one for one in found if one["finished"] is None), None)

    def drive(self, name: str, *, wait: bool = True, queue: bool = True) -> Record:
        """Move a retraining forward until it has ended, or only a rollout is left to wait for.

        Args:
            name: of the retraining.
            wait: whether to stay with the rollout.
            queue: whether to wait for another process that drives; otherwise ``retrain.busy``.

        Raises:
            UnavailableError: something needed cannot be reached now; drive again later.
            StateError: ``retrain.unknown``.
        """
        with held(self.project, self.tell, wait=queue):
            record = self.record(name)
            while record["finished"] is None:
                step = STEPS[record["phase"]]
                if record["attempts"] >= PATIENCE:
                    words = f"gave up: the step after {record['phase']!r} never came to an end"
                    return self._finish(record, "failed", words)
                record = self._put(record, attempts=record["attempts"] + 1)
                try:
                    following = step(self, record, wait)
                except UnavailableError:
                    raise
                except PenstockError as error:
                    return self._finish(record, "failed", error.message, error=error.to_dict())
                if following is None:
                    return self._put(record, attempts=0)
                record = following
            return record

    def abandon(self, reason: str) -> Record | None:
        """End the retraining that is under way; a rollout that it began goes on by itself."""
        with held(self.project, self.tell):
            record = self.under_way()
            return self._finish(record, "abandoned", reason) if record else None

    def waits(self, record: Record) -> bool:
        """Whether a retraining's version waits for the end of another version's rollout."""
        active = self.project.controller().active() if record["phase"] == "trained" else None
        if active is None or active.phase is RolloutPhase.PROBATION:
            return False
        return bool(active.challenger.version != str(record["version"]))

    def settle(self) -> None:
        """Note the end of a rollout that nobody waited for, and what was gained since."""
        record = self.under_way()
        if record is not None and record["phase"] == "rolling":
            with contextlib.suppress(UnavailableError):  # whoever has it notes it
                self.drive(record["id"], wait=False, queue=False)
        gains.refresh(self.project)

    # The steps. Each returns the record as it is after it, or None: nothing to do but wait.

    def _pin(self, record: Record, wait: bool) -> Record | None:
        """Fix the data, the window and the commit that this retraining is about."""
        project, retrain = self.project, self.project.settings.retrain
        root = project.root
        head = _base(record, root)
        start, parents = branch.foundation(root, head, retrain.branch)
        found = following.pinned(project, head, wait=wait)
        if found.troubles:
            return None
        files = sources.pin(root, found, start)
        frame = window.choose(
            retrain.window, retrain.window_seconds, _changed(record), record["started"]
        )
        known = pipeline.params(root)
        present = _present(root, start)
        wanted = window.changes(frame, known, present)
        files |= edited(root, start, wanted)
        commit = branch.commit(root, start, parents, files, _message(record), record["started"])
        return self._put(
            record,
            "pinned",
            head=head,
            foundation=start,
            parents=list(parents),
            commit=commit,
            data=found.digest,
            rows=sources.rows(root, found.items),
            window={**frame.to_dict(), "params": {key: str(one) for key, one in wanted.items()}},
        )

    def _search(self, record: Record, _wait: bool) -> Record | None:
        """Look for better parameters, on validation data alone."""
        settings = self.project.settings.retrain.search
        if settings.trials <= 0 or not settings.params or not record["wishes"]["search"]:
            return self._put(record, "searched", found=None)
        from penstock.retraining.search import search

        self.tell(f"searching: at most {settings.trials} trials, {settings.seconds:g} s")
        tell = onward.after_trials(self.tell, lambda: self._put(record, attempts=0))
        found = search(self.project, record["id"], record["commit"], tell)
        return self._put(record, "searched", found=found.to_dict())

    def _commit(self, record: Record, _wait: bool) -> Record | None:
        """Commit what was found to the branch."""
        root, start = self.project.root, record["foundation"]
        commit = record["commit"]
        best = (record["found"] or {}).get("params") or {}
        if best:
            files = edited(root, commit, best)
            parents = record["parents"] if commit == start else [commit]
            message = _message(record, "Parameters of the best trial")
            commit = branch.commit(root, commit, parents, files, message, record["started"])
        if commit != start:
            branch.move(root, self.project.settings.retrain.branch, commit)
        return self._put(record, "committed", commit=commit)

    def _train(self, record: Record, _wait: bool) -> Record | None:
        """Walk the loop as any run: pipeline, gates, registry."""
        self.tell(f"training on {record['commit'][:10]}")
        wishes = Wishes(
            commit=record["commit"],
            reason=f"{record['id']}: {record['reason']}",
            cause=record["event"],
        )
        listener = onward.after_stages(self.listener, lambda: self._put(record, attempts=0))
        walk = Loop(self.project).walk(wishes, listener)
        if walk.cancelled:
            raise KeyboardInterrupt
        known: Record = {"run_id": walk.run.id if walk.run else None}
        if walk.failed:
            failed = [one.error for one in walk.run.stages if one.error] if walk.run else []
            return self._finish(record, "failed", [*failed, "the run failed"][0], **known)
        known["locked"] = self._keep_lock(record, walk.base)
        known["predicted"] = gains.predicted(walk.verdicts)
        if walk.refused or walk.version is None:
            why = next((one.words for one in walk.verdicts if one.stops), walk.note)
            return self._finish(record, "refused", why or "no candidate came of it", **known)
        known["version"] = walk.version.version
        if not record["wishes"]["deploy"]:
            words = f"version {walk.version.version} is registered"
            return self._finish(record, "registered", words, **known)
        return self._put(record, "trained", **known)

    def _keep_lock(self, record: Record, base: Any) -> str:
        """Commit what the run wrote for Git: dvc.lock and metrics; return the commit."""
        root, commit = self.project.root, record["commit"]
        made = pipeline.load(base)
        names = {stage.lock for stage in made.stages.values() if stage.name} | {
            out.full for stage in made.stages.values() for out in stage.outs if not out.cache
        }
        files = {
            name: (base / name).read_bytes() for name in sorted(names) if (base / name).is_file()
        }
        parents = [commit] if commit != record["foundation"] else record["parents"]
        message = _message(record, "Record of the run")
        kept = branch.commit(root, commit, parents, files, message, record["started"])
        if kept != record["foundation"]:
            branch.move(root, self.project.settings.retrain.branch, kept)
        return kept

    def _deploy(self, record: Record, wait: bool) -> Record | None:
        """Begin the rollout, unless this version had its turn before."""
        number = record["version"]
        champion = self.project.champion()
        mine = self._rollout(number, since=record["started"])
        if mine is not None:
            return self._put(record, "rolling", rollout=mine["id"])
        if champion is not None and champion.version == number:
            words = f"nothing changed: version {number} is the champion already"
            return self._finish(record, "unchanged", words)
        earlier = self._rollout(number)
        if earlier is not None and RolloutPhase(earlier["phase"]).ended:
            words = f"nothing changed: version {number} was tried before ({earlier['phase']})"
            return self._finish(record, "unchanged", words)
        if not wait and self.waits(record):
            return None
        wishes = Wishes(
            deploy=True,
            wait=wait,
            reason=f"{record['id']}: {record['reason']}",
            listener=self.watcher,
        )
        walk = Loop(self.project).deploy(str(number), wishes)
        began = (walk.rollout or {}).get("id")
        if began is None:
            return self._finish(record, "unchanged", walk.note or "there was nothing to roll out")
        return self._put(record, "rolling", rollout=began)

    def _await(self, record: Record, wait: bool) -> Record | None:
        """Note how the rollout ended."""
        controller = self.project.controller()
        state = controller.state(record["rollout"])
        if not state.phase.ended and wait:
            state = controller.run_until(state.id, "paused", listener=self.watcher)
        if not state.phase.ended:
            if time.time() - state.updated > max(_STALE, _LOOKS * state.strategy.interval):
                self.project.drive_in_background(state.id)
            return None
        promoted = state.phase is RolloutPhase.PROMOTED
        outcome = "promoted" if promoted else "rolled-back"
        return self._finish(record, outcome, state.reason or state.words)

    def _rollout(self, version: int, *, since: float = 0.0) -> Record | None:
        for one in self.journal.records("rollout"):
            value = one.value
            same = value["challenger"]["version"] == str(version)
            if same and value.get("operation") == "rollout" and value["started"] >= since:
                return value
        return None

    def _put(self, record: Record, phase: str | None = None, **known: Any) -> Record:
        value = {**record, **known}
        if phase is not None:
            value |= {"phase": phase, "attempts": 0}
        with self.journal.transaction() as tx:
            tx.put(RETRAINING, record["id"], value)
        return value

    def _finish(self, record: Record, outcome: str, words: str, **known: Any) -> Record:
        now = time.time()
        gained = {"promoted": True, "registered": None, "unchanged": None}.get(outcome, False)
        value = {
            **record,
            **known,
            "phase": "finished",
            "finished": now,
            "outcome": outcome,
            "words": words,
            "gained": gained,
        }
        told = {name: value.get(name) for name in ("outcome", "words", "version", "predicted")}
        with self.journal.transaction() as tx:
            tx.append(
                Event(
                    EventType.RETRAINING_FINISHED,
                    record["id"],
                    told,
                    cause=record["event"],
                    time=now,
                )
            )
            tx.put(RETRAINING, record["id"], value)
        return value


_STALE = 10.0
"""Seconds without a look after which nobody seems to drive a rollout, at least ..."""
_LOOKS = 4.0
"""... and as a multiple of the interval of its looks."""

STEPS: Mapping[str, Callable[[Retrainer, Record, bool], Record | None]] = {
    "started": Retrainer._pin,
    "pinned": Retrainer._search,
    "searched": Retrainer._commit,
    "committed": Retrainer._train,
    "trained": Retrainer._deploy,
    "rolling": Retrainer._await,
}
"""Which step comes after which phase."""


def edited(root: Any, commit: str, changes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the parameter files of a commit with some values changed."""
    files = {}
    for file, values in parameters.grouped(changes).items():
        text = branch.content(root, commit, file)
        if text is None:
            raise StateError(
                f"the commit {commit[:10]} has no {file}",
                code="retrain.no-params-file",
                hint="commit the file whose parameters a retraining sets",
            )
        files[file] = parameters.edit(text.decode(), values, file).encode()
    return files


def _present(root: Any, commit: str) -> dict[str, Any]:
    from penstock.pipeline import parameters as files

    text = branch.content(root, commit, files.DEFAULT)
    values = files.parse(text.decode(), ".yaml", files.DEFAULT) if text else {}
    return files.flatten(values)


def _base(record: Record, root: Any) -> str:
    """Return the commit to start from: the newest that a request names, or HEAD."""
    from penstock.pipeline.worktree import resolve

    wanted = [(request.get("data") or {}).get("commit") for request in record["requests"]]
    for commit in reversed([one for one in wanted if one]):
        try:
            return resolve(root, commit)
        except UsageError:
            with contextlib.suppress(StateError):  # without a server, what follows says so
                branch.ask(root, "fetch", "--quiet")
            return resolve(root, commit)
    return pipeline.revision(root).commit


def _changed(record: Record) -> float | None:
    """Return when the world changed, as the requests say: the earliest."""
    found = [(request.get("data") or {}).get("since") for request in record["requests"]]
    times = [float(one) for one in found if one is not None]
    return min(times) if times else None


def _message(record: Record, title: str = "Retrain") -> str:
    return f"{title}: {record['reason']}\n\nRetraining: {record['id']}\n"


def _letters() -> str:
    return "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(4))
