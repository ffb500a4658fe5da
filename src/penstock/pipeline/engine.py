"""One run: a loop in the calling thread, one thread for each stage at work."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from queue import Empty, SimpleQueue

from penstock.artifacts.dvclock import Interrupted
from penstock.domain.pipeline import Pipeline, Stage
from penstock.domain.revision import Revision
from penstock.domain.run import Run, RunOutcome, StageOutcome, StageRun
from penstock.errors import PenstockError
from penstock.journal import Journal
from penstock.pipeline import history, imports, interrupts, machine, schedule, sparse, work
from penstock.pipeline.decide import Action, Decision, Facts, decide
from penstock.pipeline.failure import words
from penstock.pipeline.gitignore import Ignores
from penstock.pipeline.hands import Hands
from penstock.pipeline.lockfile import LockFiles
from penstock.pipeline.observe import Observer
from penstock.pipeline.output import LogFollower
from penstock.pipeline.progress import Listener, Progress
from penstock.pipeline.work import Done, Workshop
from penstock.pipeline.written import Written

_OUTLOOK_SECONDS = 0.3
_SHOW_SECONDS = 0.1
_OUTCOMES = {
    Action.RUN: StageOutcome.RAN,
    Action.RESTORE: StageOutcome.RESTORED,
    Action.RECORD: StageOutcome.RAN,
    Action.UNCHANGED: StageOutcome.UNCHANGED,
    Action.FROZEN: StageOutcome.FROZEN,
    Action.MAYBE: StageOutcome.UNCHANGED,
}
_IDLE = {StageOutcome.UNCHANGED, StageOutcome.FROZEN}


class Engine:
    """One run. Everything here happens in the calling thread, but `work.perform`."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        wanted: list[str],
        jobs: int,
        force: frozenset[str],
        keep_going: bool,
        locks: LockFiles,
        observer: Observer,
        tell: Listener,
        stream: bool,
        journal: Journal | None,
        shop: Workshop,
        needed: Sequence[str] | None,
        recovered: set[tuple[str, str]],
    ) -> None:
        self._pipeline = pipeline
        self._force = force
        self._keep_going = keep_going
        self._locks = locks
        self._observer = observer
        self._tell = tell
        self._journal = journal
        self._shop = shop
        self._needed = needed
        self._untouched: set[str] = set()
        chosen = set(wanted)
        self._left = {address: len(self._sources(address, chosen)) for address in wanted}
        self._below = {
            address: [one for one in below if one in self._left]
            for address, below in pipeline.downstream().items()
        }
        self._ready = [address for address, count in self._left.items() if count == 0]
        self._running: dict[str, tuple[Facts, Decision, list[str], float]] = {}
        self._ended: dict[str, StageRun] = {}
        self._moved: set[str] = set()
        self._seconds = history.durations(journal)
        self._fresh: dict[str, float] = {}
        self._written = Written(pipeline)
        self._capacity = schedule.Capacity(float(jobs), machine.memory(), machine.gpus())
        self._jobs = jobs
        self._events: SimpleQueue[tuple[str, Done] | None] = SimpleQueue()
        self._hands = Hands()
        self._follower = LogFollower() if stream else None
        self._interrupted = False
        self._halted = False
        self._recovered = [
            one for one in pipeline.stages.values() if (one.lock, one.name) in recovered
        ]
        outs = [out.full for one in pipeline.stages.values() for out in one.outs if out.cache]
        self._ignores = Ignores(shop.root, outs)
        self._weights: dict[str, float] = {}
        self._wake = threading.Event()
        self._notices: SimpleQueue[str] = SimpleQueue()
        shop.lock.listen(self._notices.put, self._wake.is_set)
        self._outlook_at = 0.0
        self._shown_at = 0.0

    def _sources(self, address: str, wanted: set[str]) -> list[str]:
        if self._pipeline.stages[address].frozen:
            return []
        return [one for one in self._pipeline.upstream[address] if one in wanted]

    def go(self, revision: Revision, environment: Callable[[], str]) -> Run:
        """Run until nothing is left to do."""
        started = time.time()
        for stage in self._recovered:
            self._ignores.add(out.full for out in stage.outs if out.cache)
        self._observer.snapshot([self._pipeline.stages[address] for address in self._left])
        if self._needed is not None:
            self._leave_alone(self._needed)
        self._tell(Progress("plan", data={"run_id": self._shop.run_id, "stages": list(self._left)}))
        try:
            with interrupts.caught(lambda patience: self._interrupt(patience=patience)):
                while self._left or self._running:
                    self._start_ready()
                    if self._running:
                        self._wait()
                    elif not self._ready or self._halted:
                        break
            self._check_outputs()
        finally:
            self._stop_all()
            self._hands.close()
            self._finish_files()
        self._cancel_rest()
        run = self._run(revision, started, environment)
        self._tell(Progress("run-finished", data={"outcome": run.outcome.value}))
        return run

    def _leave_alone(self, needed: Sequence[str]) -> None:
        """Find the stages whose missing data nobody needs."""
        stages = [self._pipeline.stages[address] for address in self._left]
        for stage in stages:
            self._observer.assumed.update(sparse.recorded(self._observer.facts(stage)))
        facts = {stage.address: self._observer.facts(stage) for stage in stages}
        self._untouched = sparse.untouched(self._pipeline, facts, needed, self._force)

    def _check_outputs(self) -> None:
        """See that what the stages wrote is still what they wrote."""
        if not self._fresh:
            return
        self._observer.look(self._written.paths())
        for owner, error in self._written.altered(self._observer.digests):
            before = self._ended[owner]
            self._ended[owner] = replace(before, outcome=StageOutcome.FAILED, error=words(error))

    def _finish_files(self) -> None:
        if self._moved:
            # The disk takes the index and the lock files side by side.
            threading.Thread(target=self._shop.store.index.checkpoint).start()
            with contextlib.suppress(Interrupted), self._shop.lock.held():
                self._locks.fold()
        self._locks.fold()
        self._observer.close()
        history.keep(self._journal, self._seconds, self._fresh)

    def _run(self, revision: Revision, started: float, environment: Callable[[], str]) -> Run:
        outcomes = {one.outcome for one in self._ended.values()}
        outcome = RunOutcome.SUCCEEDED
        if StageOutcome.FAILED in outcomes:
            outcome = RunOutcome.FAILED
        elif self._interrupted:
            outcome = RunOutcome.CANCELLED
        errors = [one.error for one in self._ended.values() if one.error]
        return Run(
            self._shop.run_id,
            revision,
            started,
            outcome,
            time.time(),
            tuple(self._ended.values()),
            self._locks.digest(),
            "" if outcomes <= _IDLE else environment(),
            errors[0] if errors else None,
        )

    # Starting

    def _start_ready(self) -> None:
        progressed = True
        while progressed and not self._halted:
            progressed = False
            if self._running and len(self._ready) > 1 and not self._weights:
                self._weights = schedule.priorities(self._pipeline, self._seconds)
            waiting = [self._pipeline.stages[address] for address in self._ready]
            for stage in schedule.startable(waiting, self._capacity, self._weights):
                if not self._capacity.fits(stage.resources):
                    continue
                self._ready.remove(stage.address)
                progressed = True
                self._consider(stage)
                if self._stopping():
                    return

    def _stopping(self) -> bool:
        return self._halted

    def _consider(self, stage: Stage) -> None:
        try:
            if any(source in self._moved for source in self._pipeline.upstream[stage.address]):
                self._observer.look(dep.full for dep in stage.deps)
                self._written.check(stage, self._observer.digests)
            facts = self._observer.facts(stage)
        except PenstockError as error:
            failed = StageRun(stage.address, StageOutcome.FAILED, error=words(error))
            self._end(stage, failed)
            return
        if stage.address in self._untouched:
            done = Done(Action.UNCHANGED, outs=dict(sparse.recorded(facts)))
            self._end(stage, self._stage_run(facts, Decision(Action.UNCHANGED), done))
            return
        decision = decide(facts, force=stage.address in self._force)
        needs_nothing = decision.action in (Action.UNCHANGED, Action.FROZEN)
        if needs_nothing and self._shop.hooks is None and self._cached(facts):
            done = Done(decision.action)
            done.deps = {name: one for name, one in facts.deps.items() if one is not None}
            done.outs = {name: one for name, one in facts.outs.items() if one is not None}
            self._written.note(stage, done.outs, executed=False)
            self._end(stage, self._stage_run(facts, decision, done))
            return
        gpus = self._capacity.take(stage.resources)
        self._running[stage.address] = (facts, decision, gpus, time.time())
        if not needs_nothing:
            self._tell_started(stage, decision)
        self._hands.do(lambda: self._perform(facts, decision, gpus))

    def _cached(self, facts: Facts) -> bool:
        store = self._shop.store
        return all(
            not out.cache or (one := facts.outs.get(out.path)) is None or store.has(one, quick=True)
            for out in facts.stage.outs
        )

    def _perform(self, facts: Facts, decision: Decision, gpus: list[str]) -> None:
        # Between two attempts one sleeps, but not through an interruption.
        done = work.perform(self._shop, facts, decision, gpus, self._wake.wait)
        self._events.put((facts.stage.address, done))

    def _tell_started(self, stage: Stage, decision: Decision) -> None:
        if self._follower is not None and decision.action is Action.RUN:
            self._follower.add(stage.address, self._shop.log(stage.address))
        waiting, eta = self._outlook()
        self._tell(
            Progress(
                "stage-started",
                stage.address,
                "; ".join(decision.reasons),
                waiting_for=waiting,
                eta=eta,
                data={"action": decision.action.value},
            )
        )

    def _outlook(self) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], float | None]:
        """Return what waits for what, and the seconds left; now and then, for it takes a while."""
        now = time.monotonic()
        if self._follower is None or now < self._outlook_at:
            return (), None
        self._outlook_at = now + _OUTLOOK_SECONDS
        waiting = tuple(
            (address, tuple(one for one in self._pipeline.upstream[address] if one in self._left))
            for address in self._left
            if address not in self._running and address not in self._ready
        )
        eta = schedule.remaining(self._pipeline, self._left, self._seconds, self._jobs)
        return waiting, eta

    # Ending

    def _wait(self) -> None:
        event = None
        with contextlib.suppress(Empty):
            event = self._events.get(timeout=_SHOW_SECONDS if self._follower is not None else None)
        if (now := time.monotonic()) >= self._shown_at + _SHOW_SECONDS:
            self._shown_at = now
            self._show_output()
        if event is None:
            return
        address, done = event
        facts, decision, gpus, _ = self._running.pop(address)
        self._capacity.give(facts.stage.resources, gpus)
        if done.bug is not None:
            raise done.bug
        self._finish(facts, decision, done)

    def _finish(self, facts: Facts, decision: Decision, done: Done) -> None:
        stage = facts.stage
        changed = decision.action not in (Action.UNCHANGED, Action.FROZEN)
        if done.entry is not None:
            self._locks.record(stage.lock, stage.name, done.entry)
        if done.action is Action.RECORD and done.error is None:
            imports.record(self._shop.root, stage, done.outs, done.deps)
        if changed and (done.error is None or done.entry is not None):
            self._moved.add(stage.address)
            self._ignores.add(out.full for out in stage.outs if out.cache)
            for out in stage.outs:
                self._observer.digests[out.full] = done.outs.get(out.path)
        self._written.note(stage, done.outs, executed=done.ended is not None)
        if done.ended is not None and done.ended.exit_code == 0:
            self._fresh[stage.address] = done.ended.seconds
        self._end(stage, self._stage_run(facts, decision, done))

    def _stage_run(self, facts: Facts, decision: Decision, done: Done) -> StageRun:
        outcome = _OUTCOMES[done.action]
        if done.error is not None:
            stopped = done.error.code == "stage.stopped"
            outcome = StageOutcome.CANCELLED if stopped else StageOutcome.FAILED
        ended = done.ended
        return StageRun(
            facts.stage.address,
            outcome,
            decision.reasons,
            ended.seconds if ended else 0.0,
            ended.exit_code if ended else None,
            ended.peak_memory if ended else None,
            done.log,
            done.attempts,
            tuple(done.deps.values()),
            tuple(done.outs.values()),
            done.verdicts,
            words(done.error) if done.error else None,
        )

    def _end(self, stage: Stage, stage_run: StageRun) -> None:
        self._ended[stage.address] = stage_run
        del self._left[stage.address]
        self._show_output(stage.address)
        self._tell(
            Progress(
                "stage-finished",
                stage.address,
                stage_run=stage_run,
                eta=self._outlook()[1] if self._moved else None,
            )
        )
        if stage_run.outcome in (StageOutcome.FAILED, StageOutcome.CANCELLED):
            self._block(stage.address)
            if not self._keep_going:
                self._halted = True
            return
        for address in self._below[stage.address]:
            if address in self._left and stage.address in self._sources(address, {stage.address}):
                self._left[address] -= 1
                if self._left[address] == 0:
                    self._ready.append(address)

    def _block(self, failed: str) -> None:
        todo = [failed]
        while todo:
            source = todo.pop()
            for address in self._below[source]:
                if address in self._left and address not in self._running:
                    del self._left[address]
                    if address in self._ready:
                        self._ready.remove(address)
                    error = f"needs {source}, which did not succeed"
                    blocked = StageRun(address, StageOutcome.BLOCKED, error=error)
                    self._ended[address] = blocked
                    self._tell(Progress("stage-finished", address, stage_run=blocked))
                    todo.append(address)

    def _cancel_rest(self) -> None:
        for address in list(self._left):
            del self._left[address]
            self._ended[address] = StageRun(address, StageOutcome.CANCELLED)

    def _show_output(self, ended: str | None = None) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._tell(Progress("waiting", text=self._notices.get_nowait()))
        if self._follower is not None:
            for address, line in self._follower.read(ended):
                self._tell(Progress("stage-output", address, line))

    # Stopping

    def _interrupt(self, *, patience: bool) -> None:
        """Start nothing more and end what runs: kindly, or at once when nobody has patience."""
        self._interrupted = self._halted = True
        self._wake.set()
        for address in list(self._running):
            self._shop.executor.stop(address, now=not patience)

    def _stop_all(self) -> None:
        """End what still runs after an error of our own."""
        for address in list(self._running):
            self._shop.executor.stop(address, now=True)
        while self._running:
            event = self._events.get()
            if event is not None:
                self._running.pop(event[0], None)
