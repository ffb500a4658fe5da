"""Runs a pipeline: everything that stands around the loop of `engine`."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.artifacts.dvclock import DvcLock
from penstock.domain.pipeline import Pipeline
from penstock.domain.revision import Revision
from penstock.domain.run import Run, RunOutcome
from penstock.errors import StateError
from penstock.journal import Journal
from penstock.pipeline import guard, locked, machine
from penstock.pipeline import targets as chosen
from penstock.pipeline.engine import Engine
from penstock.pipeline.executors import Executor, LocalExecutor
from penstock.pipeline.loading import load
from penstock.pipeline.lockfile import LockFiles
from penstock.pipeline.observe import Observer
from penstock.pipeline.progress import Listener, Progress
from penstock.pipeline.promised import refuse_unmade
from penstock.pipeline.work import StageHooks, Workshop


def new_run_id(now: float | None = None) -> str:
    """Return an id that sorts by time, such as ``20261124-215501-k3f9``."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    letters = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 of them: any byte picks one, evenly
    return f"{stamp}-{''.join(letters[byte % len(letters)] for byte in os.urandom(4))}"


def execute(
    root: Path,
    *,
    targets: Sequence[str] = (),
    jobs: int | None = None,
    force: bool = False,
    keep_going: bool = False,
    pull: bool = False,
    push: bool = False,
    needed: Sequence[str] | None = None,
    promised: Mapping[str, str] | None = None,
    hooks: StageHooks | None = None,
    listener: Listener | None = None,
    journal: Journal | None = None,
    revision: Revision | None = None,
    run_id: str | None = None,
    executor: Executor | str | None = None,
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
        needed: outputs that must be in the work tree afterwards. What else is missing is left
            so, unless a stage that must run reads it. None means that everything is needed.
        promised: files that penstock.yaml expects of the pipeline, by the name of the setting.
        hooks: tests around stages.
        listener: told what happens.
        journal: durations of stages are read from it and kept in it.
        revision: of the code; asked of Git when None.
        run_id: made up when None.
        executor: where commands run, also by the name of an extension; local processes when None.
        store: of artifacts; the project's when None.
        use_run_cache: whether outputs may come from the cache of earlier executions.
        environment: digest of the environment, worked out when None.
        base: the project that logs belong to, when `root` is a worktree of it.
        path: the PATH of the stages; the present one, with the interpreter that runs penstock
            first, when None.

    Returns:
        The run, also when stages failed or it was interrupted.

    Raises:
        ConfigError, StateError, UnavailableError: for what prevents running at all.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - links stay as they are
    _refuse_nesting(root)
    tell = listener or _silent
    run_id = run_id or new_run_id()
    with contextlib.ExitStack() as stack:
        descriptor, lock = _alone(root, tell, stack)
        pipeline = load(root)
        refuse_unmade(pipeline, root, promised or {})
        wanted = chosen.resolve(pipeline, targets)
        opened = store or stack.enter_context(contextlib.closing(Store.open(root)))
        locks = stack.enter_context(contextlib.closing(LockFiles(root)))
        locks.load({stage.lock for stage in pipeline.stages.values() if stage.name})
        env = _environment(root, run_id, path)
        runs = _executor(executor, descriptor)
        logs = (base or root) / ".penstock" / "logs"
        engine = Engine(
            pipeline=pipeline,
            wanted=wanted,
            jobs=jobs or machine.cores(),
            force=frozenset(chosen.resolve(pipeline, targets, alone=True) if force else ()),
            keep_going=keep_going,
            locks=locks,
            recovered=set(locks.recover()),
            observer=Observer(root, opened, locks),
            tell=tell,
            stream=listener is not None,
            journal=journal,
            needed=needed,
            shop=Workshop(root, opened, runs, hooks, logs, run_id, env, lock, pull, use_run_cache),
        )
        run = engine.go(
            revision or _revision(root),
            lambda: locked.record(root, base or root) if environment is None else environment,
        )
        if push and run.outcome is RunOutcome.SUCCEEDED:
            _push(opened, pipeline, wanted, run)
        return run


def _alone(root: Path, tell: Listener, stack: contextlib.ExitStack) -> tuple[int, DvcLock]:
    """Wait until neither penstock nor DVC works in the project; return what keeps it so."""

    def waiting(text: str) -> None:
        tell(Progress("waiting", text=text))

    descriptor = stack.enter_context(guard.held(root, waiting))
    lock = DvcLock(root, waiting)
    lock.wait_until_idle()
    return descriptor, lock


def _environment(root: Path, run_id: str, path: str | None) -> dict[str, str]:
    return machine.environment(root, {guard.MARK: str(root), "PENSTOCK_RUN": run_id}, path)


def _executor(wanted: Executor | str | None, descriptor: int) -> Executor:
    if wanted is None or wanted == "local":
        return LocalExecutor((descriptor,))
    if not isinstance(wanted, str):
        return wanted
    from penstock import plugins

    made: Executor = plugins.load("penstock.executors", wanted)()
    return made


def _refuse_nesting(root: Path) -> None:
    if os.environ.get(guard.MARK) == str(root):
        raise StateError(
            "this is called from within a stage of the same project",
            code="pipeline.nested",
            hint="a stage cannot run the pipeline that it belongs to",
        )


def _silent(progress: Progress) -> None:
    """Listen to nothing."""


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
                named = replace(artifact, path=out.full)
                by_remote.setdefault(out.remote, []).append(named)
    for name, artifacts in by_remote.items():
        store.remote(name).push(artifacts, store)
