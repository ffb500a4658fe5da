"""Replay: a recorded run once more, from its commit and data, and how far it comes out the same."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Pipeline
from penstock.domain.run import Run, StageOutcome, StageRun
from penstock.errors import ConfigError, StateError
from penstock.pipeline import worktree
from penstock.pipeline.graph import order
from penstock.pipeline.loading import load
from penstock.pipeline.locked import environment_of
from penstock.pipeline.modelfolder import same_but_for_stamp
from penstock.pipeline.progress import Listener
from penstock.pipeline.runner import execute

IDENTICAL, CLOSE, DIFFERENT, FAILED = "identical", "same-within-tolerance", "different", "failed"

Rebuild = Callable[[Path, str], tuple[Path | None, bool | None]]
"""Takes a work tree and the digest of a run's environment; returns an interpreter (None: the
present one) and whether its environment is that one (None: nobody knows)."""


@dataclass(frozen=True, slots=True)
class ArtifactReplay:
    """One output, then and now.

    Attributes:
        outcome: ``identical``, ``same-within-tolerance`` (numbers of a metrics file; an MLflow
            model but for its time stamp and id) or ``different``.
        recorded, replayed: digests; None where there is none.
        details: numbers that differ: name -> (then, now).
    """

    stage: str
    path: str
    outcome: str
    recorded: str | None
    replayed: str | None
    details: dict[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """How far a replay came out the same.

    Attributes:
        run_id: the recorded run.
        commit: that both ran.
        artifacts: every output that the recorded run knows, in the order of the pipeline.
        inputs: dependencies that no stage makes and that differ from the recorded run's.
        first_difference: the first stage that came out differently, None for none.
        reason: what about that stage: an input, the environment, its failure.
        environment_same: whether it ran in the recorded environment; None if that is unknown.
        replayed: the new run.
        base: where it ran.
    """

    run_id: str
    commit: str
    artifacts: tuple[ArtifactReplay, ...]
    inputs: tuple[str, ...]
    first_difference: str | None
    reason: str
    environment_same: bool | None
    replayed: Run
    base: Path

    @property
    def same(self) -> bool:
        """Whether everything came out identical or within the tolerance."""
        return self.first_difference is None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "run_id": self.run_id,
            "commit": self.commit,
            "same": self.same,
            "first_difference": self.first_difference,
            "reason": self.reason,
            "environment_same": self.environment_same,
            "inputs_changed": list(self.inputs),
            "artifacts": [
                {
                    "stage": one.stage,
                    "path": one.path,
                    "outcome": one.outcome,
                    "recorded": one.recorded,
                    "replayed": one.replayed,
                    "details": {name: list(pair) for name, pair in one.details.items()},
                }
                for one in self.artifacts
            ],
            "replayed": self.replayed.to_dict(),
        }


def replay(
    root: Path,
    run: Run,
    *,
    tolerance: float = 1e-6,
    jobs: int | None = None,
    rebuild: Rebuild | None = None,
    pull: bool = False,
    allow_dirty: bool = False,
    listener: Listener | None = None,
) -> ReplayReport:
    """Run a recorded run again in a clean worktree, taking nothing from the cache but its data.

    Args:
        root: of the project.
        run: as the journal has it.
        tolerance: relative difference up to which two numbers of a metrics file are the same.
        jobs: as of `execute`.
        rebuild: finds or makes the environment that the run had; the present interpreter is
            taken when None.
        pull: fetch data that the cache does not have.
        allow_dirty: replay the commit of a run whose work tree differed from it.
        listener: as of `execute`.

    Raises:
        StateError: ``replay.dirty``, ``replay.no-commit``.
        UsageError: Git does not have the commit.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - links stay as they are
    commit = run.revision.commit
    if not commit:
        raise StateError(
            f"run {run.id} had no Git commit",
            code="replay.no-commit",
            hint="only what was committed can be run again",
        )
    if run.revision.dirty and not allow_dirty:
        raise StateError(
            f"run {run.id} was of a work tree that differed from its commit {commit[:10]}",
            code="replay.dirty",
            hint="--allow-dirty replays the commit itself",
        )
    worktree.resolve(root, commit)
    top = root / ".penstock" / "worktrees" / f"replay-{run.id}"
    worktree.remove(root, top)
    base = worktree.prepare(root, commit, top.name)
    for lock in base.rglob("dvc.lock"):
        lock.unlink()
    store = worktree.shared_store(root, base)
    python, same = (rebuild or _present)(base, run.environment)
    path = os.environ.get("PATH", os.defpath)
    try:
        again = execute(
            base,
            jobs=jobs,
            force=True,
            keep_going=True,
            pull=pull,
            listener=listener,
            revision=run.revision,
            store=store,
            use_run_cache=False,
            base=root,
            path=f"{python.parent}{os.pathsep}{path}" if python else None,
        )
        pipeline = load(base)
        artifacts = _compare(pipeline, run, again, base, store, tolerance)
    finally:
        store.close()
    inputs = _inputs(pipeline, run, again)
    first, reason = _first(pipeline, artifacts, again, inputs, same)
    return ReplayReport(run.id, commit, artifacts, inputs, first, reason, same, again, base)


def _compare(
    pipeline: Pipeline, run: Run, again: Run, base: Path, store: Store, tolerance: float
) -> tuple[ArtifactReplay, ...]:
    then = {stage.stage: stage for stage in run.stages}
    now = {stage.stage: stage for stage in again.stages}
    found = []
    for address in order(pipeline.upstream):
        stage = pipeline.stages[address]
        if stage.is_data or address not in then:
            continue
        old = {out.path: out for out in then[address].outs}
        new = {out.path: out for out in now[address].outs} if address in now else {}
        for out in stage.outs:
            if out.path not in old:
                continue
            before, after = old[out.path], new.get(out.path)
            details: dict[str, tuple[Any, Any]] = {}
            outcome = DIFFERENT if after is not None else FAILED
            if after is not None and after.md5 == before.md5:
                outcome = IDENTICAL
            elif after is not None and before.is_dir and after.is_dir:
                if same_but_for_stamp(store, before, after, base / out.full):
                    outcome = CLOSE
            elif after is not None and not before.is_dir:
                details = _numbers(store, before, base / out.full, out.full)
                close = details and all(near(a, b, tolerance) for a, b in details.values())
                outcome = CLOSE if close else DIFFERENT
                details = {
                    name: pair for name, pair in details.items() if not near(*pair, tolerance)
                }
            found.append(
                ArtifactReplay(
                    address, out.path, outcome, before.md5, after.md5 if after else None, details
                )
            )
    return tuple(found)


def _numbers(store: Store, before: Artifact, path: Path, file: str) -> dict[str, tuple[Any, Any]]:
    """Return all values of two JSON, YAML or TOML files; empty when they are something else."""
    from penstock.pipeline import parameters

    if path.suffix not in (".json", ".yaml", ".yml", ".toml") or path.stat().st_size > 1_000_000:
        return {}
    if not store.has(before):
        return {}
    old_path = Path(store.objects.path(before.md5))
    try:
        new = parameters.flatten(parameters.load(path, file))
        text = old_path.read_text(encoding="utf-8")
        old = parameters.flatten(parameters.parse(text, path.suffix, file))
    except (ConfigError, OSError, UnicodeDecodeError):
        return {}
    return {name: (old.get(name), new.get(name)) for name in {**old, **new}}


def near(then: Any, now: Any, tolerance: float) -> bool:
    """Whether two values of a metrics file are the same up to a relative difference."""
    numbers = [isinstance(one, int | float) and not isinstance(one, bool) for one in (then, now)]
    if all(numbers):
        return math.isclose(then, now, rel_tol=tolerance, abs_tol=tolerance) or (
            math.isnan(then) and math.isnan(now)
        )
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return all(near(a, b, tolerance) for a, b in zip(then, now, strict=True))
    return bool(then == now)


def _inputs(pipeline: Pipeline, run: Run, again: Run) -> tuple[str, ...]:
    """Return dependencies that no stage makes and whose content is not what was recorded."""
    made = {out.full for stage in pipeline.stages.values() for out in stage.outs if stage.cmd}
    then: Mapping[str, StageRun] = {stage.stage: stage for stage in run.stages}
    found: dict[str, None] = {}
    for stage_run in again.stages:
        stage = pipeline.stages.get(stage_run.stage)
        before = then.get(stage_run.stage)
        if stage is None or before is None:
            continue
        old = {dep.path: dep.md5 for dep in before.deps}
        full = {dep.path: dep.full for dep in stage.deps}
        for dep in stage_run.deps:
            if full.get(dep.path) not in made and old.get(dep.path, dep.md5) != dep.md5:
                found[dep.path] = None
    return tuple(found)


def _present(base: Path, recorded: str) -> tuple[Path | None, bool | None]:
    return None, (environment_of(base)[0] == recorded if recorded else None)


def _first(
    pipeline: Pipeline,
    artifacts: tuple[ArtifactReplay, ...],
    again: Run,
    inputs: tuple[str, ...],
    environment_same: bool | None,
) -> tuple[str | None, str]:
    now = {stage.stage: stage for stage in again.stages}
    bad = {one.stage for one in artifacts if one.outcome not in (IDENTICAL, CLOSE)}
    bad |= {one.stage for one in again.stages if one.outcome is StageOutcome.FAILED}
    for address in order(pipeline.upstream):
        if address not in bad:
            continue
        stage_run = now.get(address)
        if stage_run is not None and stage_run.error:
            return address, stage_run.error
        used = {dep.path for dep in pipeline.stages[address].deps}
        changed = [path for path in inputs if path in used]
        if changed:
            return address, f"its input {changed[0]} is not what it was"
        if environment_same is False:
            return address, "its inputs are the same, its output is not, nor is its environment"
        return address, "its inputs are the same, its output is not: it depends on something else"
    return None, ""
