"""Runs a pipeline: one loop in the calling thread, one thread for each stage at work."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from penstock.artifacts import Store
from penstock.domain.pipeline import Pipeline, Stage
from penstock.domain.revision import Revision
from penstock.domain.run import Run, RunOutcome, StageOutcome, StageRun
from penstock.errors import PenstockError, StateError
from penstock.journal import Journal
from penstock.pipeline import gitignore, guard, schedule, work
from penstock.pipeline import targets as chosen
from penstock.pipeline.decide import Action, Decision, Facts, decide
from penstock.pipeline.executors import Executor, LocalExecutor
from penstock.pipeline.graph import order
from penstock.pipeline.loading import load
from penstock.pipeline.lockfile import LockFiles
from penstock.pipeline.observe import Observer
from penstock.pipeline.output import LogFollower
from penstock.pipeline.progress import Listener, Progress
from penstock.pipeline.work import Done, StageHooks, Workshop

_OUTCOMES = {
    Action.RUN: StageOutcome.RAN,
    Action.RESTORE: StageOutcome.RESTORED,
    Action.RECORD: StageOutcome.RAN,
    Action.UNCHANGED: StageOutcome.UNCHANGED,
    Action.FROZEN: StageOutcome.FROZEN,
    Action.MAYBE: StageOutcome.UNCHANGED,
}


def new_run_id(now: float | None = None) -> str:
    """Return an id that sorts by time, such as ``20261124-215501-k3f9``."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    letters = "abcdefghijkmnpqrstuvwxyz23456789"
    return f"{stamp}-{''.join(secrets.choice(letters) for _ in range(4))}"


def execute(
    root: Path,
    *,
    targets: Sequence[str] = (),
    jobs: int | None = None,
    force: bool = False,
    keep_going: bool = False,
    pull: bool = False,
    push: bool = False,
    hooks: StageHooks | None = None,
    listener: Listener | None = None,
    journal: Journal | None = None,
    revision: Revision | None = None,
    run_id: str | None = None,
    executor: Executor | None = None,
    store: Store | None = None,
    use_run_cache: bool = True,
    environment: str | None = None,
    base: Path | None = None,
    path: str | None = None,
) -> Run:
    """Bring a project's pipeline up to date.

    Args:
        root: of the project.
        targets: stages (names, groups, ``file:name``, outputs); none means all.
        jobs: cores' worth of stages that run at once; the number of cores when None.
        force: run stages even if nothing changed.
        keep_going: after a failure, finish what does not depend on it.
        pull: fetch from the remote what is missing.
        push: send the outputs to the remote afterwards.
        hooks: tests around stages.
        listener: told what happens.
        journal: durations of stages are read from it and kept in it.
        revision: of the code; asked of Git when None.
        run_id: made up when None.
        executor: where commands run; local processes when None.
        store: of artifacts; the project's when None.
        use_run_cache: whether outputs may come from the cache of earlier executions.
        environment: digest of the locked environment, worked out when None.
        base: the project that logs belong to, when `root` is a worktree of it.
        path: the PATH of the stages; the present one, with the interpreter that runs penstock
            first, when None.

    Returns:
        The run, also when stages failed or it was interrupted.

    Raises:
        ConfigError, StateError, UnavailableError: for what prevents running at all.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - links stay as they are
    if os.environ.get(guard.MARK) == str(root):
        raise StateError(
            "this is called from within a stage of the same project",
            code="pipeline.nested",
            hint="a stage cannot run the pipeline that it belongs to",
        )
    tell = listener or _silent
    with guard.held(root, lambda text: tell(Progress("waiting", text=text))) as descriptor:
        pipeline = load(root)
        wanted = chosen.resolve(pipeline, targets)
        opened = store or Store.open(root)
        locks = LockFiles(root)
        recovered = locks.recover()
        try:
            engine = _Engine(
                root=root,
                pipeline=pipeline,
                wanted=wanted,
                jobs=jobs or _cores(),
                force=frozenset(chosen.resolve(pipeline, targets, alone=True))
                if force
                else frozenset(),
                keep_going=keep_going,
                locks=locks,
                observer=Observer(root, opened, locks),
                tell=tell,
                stream=listener is not None,
                journal=journal,
                run_id=run_id or new_run_id(),
                shop=Workshop(
                    root,
                    opened,
                    executor or LocalExecutor((descriptor,)),
                    hooks,
                    (base or root) / ".penstock" / "logs",
                    "",
                    work.environment(root, {guard.MARK: str(root)}, path),
                    pull,
                    use_run_cache,
                ),
                recovered=recovered,
            )
            run = engine.go(revision or _revision(root), environment)
            if push and run.outcome is RunOutcome.SUCCEEDED:
                _push(opened, pipeline, wanted, run)
            return run
        finally:
            locks.close()
            if store is None:
                opened.close()


def _silent(progress: Progress) -> None:
    """Listen to nothing."""


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _revision(root: Path) -> Revision:
    from penstock.pipeline.git import revision

    try:
        return revision(root)
    except StateError:
        return Revision("", dirty=True)


def _push(store: Store, pipeline: Pipeline, wanted: list[str], run: Run) -> None:
    made = {stage.stage: {out.path: out for out in stage.outs} for stage in run.stages}
    by_remote: dict[str | None, list[Any]] = {}
    for address in wanted:
        for out in pipeline.stages[address].outs:
            artifact = made.get(address, {}).get(out.path)
            if artifact is not None and out.cache and out.push:
                by_remote.setdefault(out.remote, []).append(artifact)
    for name, artifacts in by_remote.items():
        store.remote(name).push(artifacts, store)


class _Engine:
    """One run. Everything here happens in the calling thread, but `work.perform`."""

    def __init__(
        self,
        *,
        root: Path,
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
        run_id: str,
        shop: Workshop,
        recovered: list[tuple[str, str]],
    ) -> None:
        self._root = root
        self._pipeline = pipeline
        self._force = force
        self._keep_going = keep_going
        self._locks = locks
        self._observer = observer
        self._tell = tell
        self._journal = journal
        self._id = run_id
        self._shop = Workshop(
            shop.root, shop.store, shop.executor, shop.hooks, shop.logs, run_id,
            {**shop.env, "PENSTOCK_RUN": run_id}, shop.pull, shop.use_run_cache,
        )  # fmt: skip
        self._left = {address: len(self._sources(address, set(wanted))) for address in wanted}
        self._below = {
            address: [one for one in below if one in self._left]
            for address, below in pipeline.downstream().items()
        }
        self._ready = [address for address, count in self._left.items() if count == 0]
        self._running: dict[str, tuple[Facts, Decision, list[str], float]] = {}
        self._ended: dict[str, StageRun] = {}
        self._moved: set[str] = set()
        self._seconds = _durations(journal)
        self._fresh: dict[str, float] = {}
        self._capacity = schedule.Capacity(float(jobs), _memory(), _gpus())
        self._jobs = jobs
        self._events: SimpleQueue[tuple[str, Done] | None] = SimpleQueue()
        self._follower = LogFollower() if stream else None
        self._interrupts = 0
        self._halted = False
        self._touched = [
            pipeline.stages[address]
            for address in pipeline.stages
            if (pipeline.stages[address].lock, pipeline.stages[address].name) in recovered
        ]
        self._weights: dict[str, float] = {}
        self._wake = threading.Event()

    def _sources(self, address: str, wanted: set[str]) -> list[str]:
        if self._pipeline.stages[address].frozen:
            return []
        return [one for one in self._pipeline.upstream[address] if one in wanted]

    def go(self, revision: Revision, environment: str | None) -> Run:
        """Run until nothing is left to do."""
        started = time.time()
        self._weights = schedule.priorities(self._pipeline, self._seconds)
        self._observer.snapshot([self._pipeline.stages[address] for address in self._left])
        self._tell(Progress("plan", data={"run_id": self._id, "stages": list(self._left)}))
        try:
            with self._signals():
                while self._left or self._running:
                    self._start_ready()
                    if self._running:
                        self._wait()
                    elif not self._ready or self._halted:
                        break
        finally:
            self._stop_all()
            self._finish_files()
        self._cancel_rest()
        run = self._run(revision, started, environment)
        self._tell(Progress("run-finished", data={"outcome": run.outcome.value}))
        return run

    def _finish_files(self) -> None:
        self._locks.fold()
        outs = [out.full for stage in self._touched for out in stage.outs if out.cache]
        if outs:
            rank = {address: at for at, address in enumerate(order(self._pipeline.upstream))}
            self._touched.sort(key=lambda stage: rank[stage.address])
            gitignore.ensure(
                self._root,
                [out.full for stage in self._touched for out in stage.outs if out.cache],
            )
        self._observer.close()
        self._keep_durations()

    def _run(self, revision: Revision, started: float, environment: str | None) -> Run:
        outcomes = {one.outcome for one in self._ended.values()}
        outcome = RunOutcome.SUCCEEDED
        if StageOutcome.FAILED in outcomes:
            outcome = RunOutcome.FAILED
        elif self._interrupts:
            outcome = RunOutcome.CANCELLED
        errors = [one.error for one in self._ended.values() if one.error]
        return Run(
            self._id,
            revision,
            started,
            outcome,
            time.time(),
            tuple(self._ended.values()),
            self._locks.digest(),
            locked_environment(self._root) if environment is None else environment,
            errors[0] if errors else None,
        )

    # Starting

    def _start_ready(self) -> None:
        progressed = True
        while progressed and not self._halted:
            progressed = False
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
            facts = self._observer.facts(stage)
        except PenstockError as error:
            self._end(stage, StageRun(stage.address, StageOutcome.FAILED, error=error.message))
            return
        decision = decide(facts, force=stage.address in self._force)
        needs_nothing = decision.action in (Action.UNCHANGED, Action.FROZEN)
        if needs_nothing and self._shop.hooks is None and self._cached(facts):
            done = Done(decision.action)
            done.deps = {name: one for name, one in facts.deps.items() if one is not None}
            done.outs = {name: one for name, one in facts.outs.items() if one is not None}
            self._end(stage, self._stage_run(facts, decision, done))
            return
        gpus = self._capacity.take(stage.resources)
        self._running[stage.address] = (facts, decision, gpus, time.time())
        if not needs_nothing:
            self._tell_started(stage, decision)
        thread = threading.Thread(
            target=self._thread, args=(facts, decision, gpus), daemon=True, name=stage.address
        )
        thread.start()

    def _cached(self, facts: Facts) -> bool:
        store = self._shop.store
        return all(
            not out.cache or (one := facts.outs.get(out.path)) is None or store.has(one)
            for out in facts.stage.outs
        )

    def _thread(self, facts: Facts, decision: Decision, gpus: list[str]) -> None:
        done = work.perform(self._shop, facts, decision, gpus, self._rest)
        self._events.put((facts.stage.address, done))

    def _rest(self, seconds: float) -> None:
        """Sleep between two attempts, but not through an interruption."""
        self._wake.wait(seconds)

    def _tell_started(self, stage: Stage, decision: Decision) -> None:
        if self._follower is not None and decision.action is Action.RUN:
            self._follower.add(stage.address, self._shop.log(stage.address))
        waiting = tuple(
            (address, tuple(one for one in self._pipeline.upstream[address] if one in self._left))
            for address in self._left
            if address not in self._running and address not in self._ready
        )
        self._tell(
            Progress(
                "stage-started",
                stage.address,
                "; ".join(decision.reasons),
                waiting_for=waiting,
                eta=schedule.remaining(self._pipeline, self._left, self._seconds, self._jobs),
                data={"action": decision.action.value},
            )
        )

    # Ending

    def _wait(self) -> None:
        event = None
        with contextlib.suppress(Empty):
            event = self._events.get(timeout=0.1 if self._follower is not None else None)
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
            _record_data(self._root, stage, done)
        if changed and (done.error is None or done.entry is not None):
            self._moved.add(stage.address)
            self._touched.append(stage)
            for out in stage.outs:
                self._observer.digests[out.full] = done.outs.get(out.path)
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
            _words(done.error) if done.error else None,
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
                eta=schedule.remaining(self._pipeline, self._left, self._seconds, self._jobs)
                if self._running or self._moved
                else None,
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
        if self._follower is not None:
            for address, line in self._follower.read(ended):
                self._tell(Progress("stage-output", address, line))

    # Stopping

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn Ctrl-C and SIGTERM into an orderly end; the second one is less patient."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def interrupt(_number: int, _frame: object) -> None:
            self._interrupts += 1
            self._halted = True
            self._wake.set()
            for address in list(self._running):
                self._shop.executor.stop(address, now=self._interrupts > 1)
            if self._interrupts == 1:
                timer = threading.Timer(5.0, self._kill)
                timer.daemon = True
                timer.start()

        before = {
            number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _kill(self) -> None:
        for address in list(self._running):
            self._shop.executor.stop(address, now=True)

    def _stop_all(self) -> None:
        """End what still runs after an error of our own."""
        for address in list(self._running):
            self._shop.executor.stop(address, now=True)
        while self._running:
            event = self._events.get()
            if event is not None:
                self._running.pop(event[0], None)

    def _keep_durations(self) -> None:
        if self._journal is None or not self._fresh:
            return
        with self._journal.transaction() as tx:
            for address, seconds in self._fresh.items():
                known = self._seconds.get(address)
                # An older run still counts a little, so that one odd run does not mislead.
                value = seconds if known is None else 0.3 * known + 0.7 * seconds
                tx.put("duration", address, {"seconds": value, "last": seconds})


def _durations(journal: Journal | None) -> dict[str, float]:
    if journal is None:
        return {}
    found = {}
    for record in journal.records("duration"):
        value = record.value.get("seconds")
        if isinstance(value, int | float):
            found[record.id] = float(value)
    return found


def _words(error: PenstockError) -> str:
    place = f"{error.span}: " if error.span else ""
    return f"{place}{error.message}" + (f"; {error.hint}" if error.hint else "")


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 1 << 62


def _gpus() -> list[str]:
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is not None:
        return [name.strip() for name in wanted.split(",") if name.strip()]
    return [str(number) for number in range(16) if Path(f"/dev/nvidia{number}").exists()]


def locked_environment(root: Path) -> str:
    """Return the digest of the project's locked environment, "" when it has none."""
    import hashlib

    for name in ("uv.lock", "requirements.lock", "poetry.lock", "pdm.lock", "requirements.txt"):
        with contextlib.suppress(OSError):
            return hashlib.sha256((root / name).read_bytes()).hexdigest()
    return ""


def _record_data(root: Path, stage: Stage, done: Done) -> None:
    """Write the new digest of data into its ``.dvc`` file, as `dvc repro` does."""
    from penstock.artifacts import dump_dvc_file

    for artifact in done.outs.values():
        dump_dvc_file(root / stage.file, artifact)
