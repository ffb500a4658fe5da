"""What is done for one stage: run it, or take its outputs from the cache. Called in threads."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from penstock.artifacts import Store
from penstock.artifacts.dvclock import DvcLock, Interrupted, released
from penstock.artifacts.legacy import ALGORITHM as OLD
from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Output, Stage
from penstock.domain.threads import held
from penstock.domain.verdict import Verdict
from penstock.errors import PenstockError, Span, StageError, StateError
from penstock.pipeline import addresses, imports, places
from penstock.pipeline import entry as entries
from penstock.pipeline.clearing import clear
from penstock.pipeline.decide import Action, Decision, Facts
from penstock.pipeline.executors import Ended, Executor, Job
from penstock.pipeline.failure import failed, stop_on, tail

TAIL_LINES = 20


class StageHooks(Protocol):
    """Tests around stages.

    Both are called for every stage that a run considers, also for an unchanged one, from the
    thread that works on the stage (so from several threads at once, for different stages); they
    answer from their own cache where nothing changed. A verdict that stops fails the stage.
    """

    def before(self, stage: str) -> Sequence[Verdict]:
        """Judge what the stage will read."""

    def after(self, stage: str) -> Sequence[Verdict]:
        """Judge what the stage has written."""


@dataclass(slots=True)
class Done:
    """What became of a stage.

    Attributes:
        action: what was done in the end.
        entry: for dvc.lock, None when nothing is to be recorded.
        error: why it failed, None when it did not.
        ended: how its command ended, None when nothing was executed.
    """

    action: Action
    entry: dict[str, Any] | None = None
    deps: dict[str, Artifact] = field(default_factory=dict)
    outs: dict[str, Artifact] = field(default_factory=dict)
    verdicts: tuple[Verdict, ...] = ()
    error: StageError | None = None
    ended: Ended | None = None
    attempts: int = 1
    log: str | None = None
    bug: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Workshop:
    """What all stages of a run share."""

    root: Path
    store: Store
    executor: Executor
    hooks: StageHooks | None
    logs: Path
    run_id: str
    env: dict[str, str]
    lock: DvcLock
    pull: bool = False
    use_run_cache: bool = True

    @contextmanager
    def at_work(self, stage: Stage) -> Iterator[None]:
        """Keep DVC away from what a stage reads and writes, and from the cache meanwhile."""
        places = [[one.full for one in items] for items in (stage.deps, stage.outs)]
        reads, writes = (
            [full if addresses.is_url(full) else f"{self.root / full}" for full in fulls]
            for fulls in places
        )
        with self.lock.paths(stage.address, reads, writes), self.lock.held():
            yield

    def store_for(self, out: Output) -> Store:
        """Return the store, but one that never links, for what Git tracks."""
        if out.cache or self.store.config.cache_types == ("copy",):
            return self.store
        return Store(replace(self.store.config, cache_types=("copy",)), self.store.index)

    def log(self, stage: str) -> Path:
        """Return the file that takes the output of a stage."""
        return self.logs / self.run_id / (stage.replace("/", "-").replace(":", "-") + ".log")


def perform(
    shop: Workshop, facts: Facts, decision: Decision, gpus: Sequence[str], rest: Any = time.sleep
) -> Done:
    """Do what was decided for a stage, with the tests around it. Never raises."""
    done = Done(decision.action)
    try:
        _perform(shop, facts, decision, gpus, rest, done)
    except StageError as error:
        done.error = error
    except Interrupted:
        stage = facts.stage
        done.error = StageError("stopped", code="stage.stopped", span=Span(*stage.place))
    except PenstockError as error:
        done.error = StageError(
            error.message, code=error.code, hint=error.hint,
            span=error.span or Span(*facts.stage.place),
        )  # fmt: skip
    except OSError as error:
        done.error = StageError(
            f"stage {facts.stage.address}: {error.strerror or error}: {error.filename}",
            code="disk.write",
            hint="is the disk full, or something there read-only or owned by somebody else?",
            span=Span(*facts.stage.place),
        )
    except BaseException as error:  # the main thread raises it: a bug must not hang the run
        done.bug = error
    return done


def _perform(
    shop: Workshop, facts: Facts, decision: Decision, gpus: Sequence[str], rest: Any, done: Done
) -> None:
    stage = facts.stage
    if shop.hooks is not None:
        done.verdicts = tuple(shop.hooks.before(stage.address))
        stop_on(stage, done.verdicts, "before")
    match decision.action:
        case Action.RUN:
            forced = "forced" in decision.reasons
            with shop.at_work(stage):
                _run(shop, facts, gpus, rest, done, restorable=not forced)
        case Action.RESTORE:
            with shop.at_work(stage):
                _restore(shop, facts, gpus, rest, done)
        case Action.RECORD:
            done.outs = {name: one for name, one in facts.outs.items() if one is not None}
            with shop.at_work(stage):
                _save(shop, stage, done.outs)
        case _:
            _keep(shop, facts, done)
    if shop.hooks is not None:
        after = tuple(shop.hooks.after(stage.address))
        done.verdicts += after
        stop_on(stage, after, "after")


def _keep(shop: Workshop, facts: Facts, done: Done) -> None:
    """See to it that the cache has what stands in the work tree, so that DVC agrees."""
    done.deps = {name: one for name, one in facts.deps.items() if one is not None}
    done.outs = {name: one for name, one in facts.outs.items() if one is not None}
    for out in facts.stage.outs:
        artifact = done.outs.get(out.path)
        if out.cache and artifact is not None and not shop.store.has(artifact):
            with shop.lock.held():
                shop.store.save(shop.root / out.full, artifact)


def _restore(shop: Workshop, facts: Facts, gpus: Sequence[str], rest: Any, done: Done) -> None:
    """Check out what dvc.lock or the .dvc file says; run the stage where that is impossible."""
    stage = facts.stage
    if stage.is_data and (renewed := imports.renewed(shop.store, shop.root, facts)):
        done.action = Action.RECORD
        done.outs = {stage.outs[0].path: renewed[0]}
        done.deps = {one.path: one for one in renewed[1:] if one}
        return
    wanted = entries.outputs(stage, facts.entry)
    places.keep_listings(shop.store, stage, facts.entry)
    known = all(out.path in wanted for out in stage.outs)
    troubles: list[str] = []
    if known and _checkout(shop, stage, wanted, facts.outs, troubles):
        done.outs = {out.path: wanted[out.path] for out in stage.outs}
        done.deps = {name: one for name, one in facts.deps.items() if one is not None}
        return
    if (
        known
        and shop.pull
        and imports.bring(shop.store, shop.root, stage, wanted, troubles)
        and _checkout(shop, stage, wanted, {}, troubles)
    ):
        done.outs = dict(wanted)
        return
    if stage.is_data or stage.frozen:
        lost = [out for out in stage.outs if facts.outs.get(out.path) is None]
        out = (lost or list(stage.outs))[0]
        raise StageError(
            f"{out.path} is missing, and the cache does not have it{''.join(troubles)}",
            code="stage.data-missing",
            span=Span(*out.place),
            hint="fetch it with `penstock run --pull` or `dvc pull`, or put the file back",
        )
    _run(shop, facts, gpus, rest, done, restorable=True)


def _checkout(
    shop: Workshop,
    stage: Stage,
    wanted: Mapping[str, Artifact],
    present: Mapping[str, Artifact | None],
    troubles: list[str],
) -> bool:
    """Put outputs in place from the cache, fetched when allowed.

    Args:
        shop: of the run.
        stage: whose outputs they are.
        wanted: what they must be, by path.
        present: what they are; what is right already need not be in the cache.
        troubles: takes why something could not be fetched, in words.

    Returns:
        False when some are lacking, or lost or damaged in the cache.
    """
    wrong = [out for out in stage.outs if _md5(present.get(out.path)) != wanted[out.path].md5]
    if any(addresses.is_outside(out.full) for out in wrong):
        return False
    lacking = [out for out in wrong if not shop.store.has(wanted[out.path])]
    if lacking and shop.pull:
        for name in {out.remote for out in lacking}:
            mine = [
                replace(wanted[out.path], path=out.full) for out in lacking if out.remote == name
            ]
            try:
                shop.store.remote(name).fetch(mine, shop.store)
            except PenstockError as error:
                troubles.append(f"; {error.message}")
        lacking = [out for out in lacking if not shop.store.has(wanted[out.path])]
    if lacking:
        return False
    for out in wrong:
        try:
            shop.store_for(out).checkout(wanted[out.path], shop.root / out.full)
        except StateError as error:
            if error.code not in {"artifacts.missing", "artifacts.corrupt"}:
                raise
            troubles.append(f"; {error.message}")  # lost, or damaged and set aside: made anew
            return False
    return True


def _run(
    shop: Workshop,
    facts: Facts,
    gpus: Sequence[str],
    rest: Any,
    done: Done,
    *,
    restorable: bool,
) -> None:
    stage = facts.stage
    facts = _inputs(shop, facts)
    done.deps = {name: one for name, one in facts.deps.items() if one is not None}
    params = {name: values for name, values in facts.params.items() if values is not None}
    if restorable and shop.use_run_cache and _from_run_cache(shop, facts, done, params):
        done.action = Action.RESTORE
        return
    done.action = Action.RUN
    clear(shop.store, shop.root, stage)
    _execute(shop, stage, gpus, rest, done)
    done.outs = _outputs(shop, stage)
    _save(shop, stage, done.outs)
    done.entry = entries.make(stage, done.deps, params, done.outs)
    if entries.cacheable(stage):
        from penstock.pipeline.emit import entry_text

        for out in stage.outs:
            if not out.cache:
                shop.store_for(out).save(shop.root / out.full, done.outs[out.path])
        key, value = entries.keys(done.entry)
        shop.store.run_cache_put(key, value, entry_text(done.entry))


def _inputs(shop: Workshop, facts: Facts) -> Facts:
    """Take the digests of the dependencies as they are now, just before the stage reads them."""
    stage = facts.stage
    found = places.look(shop.store, shop.root, stage.deps)
    for dep, artifact in zip(stage.deps, found, strict=True):
        if artifact is None:
            raise places.absent(shop.root, stage, dep)
    for file in stage.params:
        if facts.params.get(file.path) is None:
            raise StageError(
                f"stage {stage.address} needs the parameter file {file.path}, which does not exist",
                code="stage.dependency-missing",
                span=Span(*file.place),
            )
        for name in facts.missing_params.get(file.path, ()):
            raise StageError(
                f"stage {stage.address} needs the parameter {name}, which is not in {file.path}",
                code="stage.parameter-missing",
                span=Span(*file.place),
            )
    deps = {dep.path: one for dep, one in zip(stage.deps, found, strict=True)}
    return Facts(stage, facts.entry, deps, facts.params, facts.outs, facts.missing_params)


def _from_run_cache(shop: Workshop, facts: Facts, done: Done, params: dict[str, Any]) -> bool:
    stage = facts.stage
    if not entries.cacheable(stage):
        return False
    nothing = {out.path: Artifact(out.path, "", 0) for out in stage.outs}
    key, _ = entries.keys(entries.make(stage, done.deps, params, nothing))
    from penstock.config import source
    from penstock.errors import ConfigError

    for value, text in shop.store.run_cache_get(key):
        try:
            text_entry = source.read(text, file=f"runs/{key[:2]}/{key}/{value}").value
        except ConfigError:
            continue
        wanted = entries.artifacts(text_entry if isinstance(text_entry, dict) else None, "outs")
        known = all(out.path in wanted for out in stage.outs)
        if known and _checkout(shop, stage, wanted, facts.outs, []):
            done.outs = {out.path: wanted[out.path] for out in stage.outs}
            done.entry = entries.make(stage, done.deps, params, done.outs)
            return True
    return False


def _md5(artifact: Artifact | None) -> str | None:
    return artifact.md5 if artifact else None


def _execute(shop: Workshop, stage: Stage, gpus: Sequence[str], rest: Any, done: Done) -> None:
    log = shop.log(stage.address)
    log.parent.mkdir(parents=True, exist_ok=True)
    done.log = f".penstock/logs/{shop.run_id}/{log.name}"
    env = {**shop.env, **dict(stage.resources.env), "DVC_STAGE": stage.address}
    if stage.resources.threads:
        env |= held(env, stage.resources.threads)
    if stage.resources.gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    job = Job(
        stage.address, stage.commands, shop.root / stage.wdir, env, log, stage.resources.timeout
    )
    delay = stage.resources.delay
    for attempt in range(1, stage.resources.retries + 2):
        done.attempts = attempt
        with released():
            done.ended = shop.executor.run(job)
        if (done.ended.exit_code == 0 and not done.ended.timed_out) or done.ended.stopped:
            break
        if attempt <= stage.resources.retries:
            with log.open("a", encoding="utf-8") as stream:
                stream.write(f"[penstock] attempt {attempt} failed; again in {delay:g} s\n")
            with released():
                rest(delay)
            delay *= 2
            clear(shop.store, shop.root, stage)
    if done.ended is not None and (done.ended.exit_code != 0 or done.ended.timed_out):
        raise failed(stage, done.ended, done.attempts, log, done.log or "")


def _outputs(shop: Workshop, stage: Stage) -> dict[str, Artifact]:
    found = places.look(shop.store, shop.root, stage.outs)
    made: dict[str, Artifact] = {}
    for out, artifact in zip(stage.outs, found, strict=True):
        if artifact is None:
            raise StageError(
                f"stage {stage.address} succeeded, but its output {out.path} does not exist",
                code="stage.output-missing",
                span=Span(*out.place),
                hint="does the command write it there? paths start at the stage's wdir",
                log_tail=tail(shop.log(stage.address)),
            )
        made[out.path] = artifact
    return made


def _save(shop: Workshop, stage: Stage, outs: dict[str, Artifact]) -> None:
    for out in stage.outs:
        if out.cache and outs[out.path].algorithm != OLD:
            shop.store.save(shop.root / out.full, outs[out.path])
