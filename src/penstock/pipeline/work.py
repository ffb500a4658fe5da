"""What is done for one stage: run it, or take its outputs from the cache. Called in threads."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from penstock.artifacts import Store
from penstock.domain.artifact import Artifact
from penstock.domain.pipeline import Output, Stage
from penstock.domain.verdict import Verdict
from penstock.errors import PenstockError, Span, StageError
from penstock.pipeline import entry as entries
from penstock.pipeline.decide import Action, Decision, Facts
from penstock.pipeline.executors import Ended, Executor, Job

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
    pull: bool = False
    use_run_cache: bool = True

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
    except PenstockError as error:
        done.error = StageError(
            error.message, code=error.code, hint=error.hint,
            span=error.span or Span(*facts.stage.place),
        )  # fmt: skip
    except BaseException as error:  # the main thread raises it: a bug must not hang the run
        done.bug = error
    return done


def _perform(
    shop: Workshop, facts: Facts, decision: Decision, gpus: Sequence[str], rest: Any, done: Done
) -> None:
    stage = facts.stage
    if shop.hooks is not None:
        done.verdicts = tuple(shop.hooks.before(stage.address))
        _stop_on(stage, done.verdicts, "before")
    match decision.action:
        case Action.RUN:
            _run(shop, facts, gpus, rest, done, restorable="forced" not in decision.reasons)
        case Action.RESTORE:
            _restore(shop, facts, gpus, rest, done)
        case Action.RECORD:
            done.outs = {name: one for name, one in facts.outs.items() if one is not None}
            _save(shop, stage, done.outs)
        case _:
            _keep(shop, facts, done)
    if shop.hooks is not None:
        after = tuple(shop.hooks.after(stage.address))
        done.verdicts += after
        _stop_on(stage, after, "after")


def _stop_on(stage: Stage, verdicts: Sequence[Verdict], when: str) -> None:
    bad = [verdict for verdict in verdicts if verdict.stops]
    if bad:
        more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
        raise StageError(
            f"a test {when} stage {stage.address} {bad[0].outcome.value}: {bad[0].name}{more}",
            code="stage.test-failed",
            span=Span(*stage.place),
            hint=bad[0].hint,
            log_tail=bad[0].words.splitlines()[-TAIL_LINES:],
        )


def _keep(shop: Workshop, facts: Facts, done: Done) -> None:
    """See to it that the cache has what stands in the work tree, so that DVC agrees."""
    done.deps = {name: one for name, one in facts.deps.items() if one is not None}
    done.outs = {name: one for name, one in facts.outs.items() if one is not None}
    for out in facts.stage.outs:
        artifact = done.outs.get(out.path)
        if out.cache and artifact is not None and not shop.store.has(artifact):
            shop.store.save(shop.root / out.full, artifact)


def _restore(shop: Workshop, facts: Facts, gpus: Sequence[str], rest: Any, done: Done) -> None:
    """Check out what dvc.lock or the .dvc file says; run the stage where that is impossible."""
    stage = facts.stage
    if stage.is_data:
        wanted = {out.path: Artifact.from_dict(out.artifact) for out in stage.outs if out.artifact}
    else:
        wanted = entries.artifacts(facts.entry, "outs")
    known = all(out.path in wanted for out in stage.outs)
    if known and _checkout(shop, stage, wanted):
        done.outs = {out.path: wanted[out.path] for out in stage.outs}
        done.deps = {name: one for name, one in facts.deps.items() if one is not None}
        return
    if stage.is_data or stage.frozen:
        lost = [out for out in stage.outs if facts.outs.get(out.path) is None]
        out = (lost or list(stage.outs))[0]
        raise StageError(
            f"{out.path} is missing, and the cache does not have it",
            code="stage.data-missing",
            span=Span(*out.place),
            hint="fetch it with `penstock run --pull` or `dvc pull`, or put the file back",
        )
    _run(shop, facts, gpus, rest, done, restorable=True)


def _checkout(shop: Workshop, stage: Stage, wanted: dict[str, Artifact]) -> bool:
    """Put outputs in place from the cache (fetched when allowed); False when some are lacking."""
    lacking = [wanted[out.path] for out in stage.outs if not shop.store.has(wanted[out.path])]
    if lacking and shop.pull:
        for name in {out.remote for out in stage.outs}:
            mine = [wanted[out.path] for out in stage.outs if out.remote == name]
            with contextlib.suppress(PenstockError):
                shop.store.remote(name).fetch(mine, shop.store)
        lacking = [artifact for artifact in lacking if not shop.store.has(artifact)]
    if lacking:
        return False
    for out in stage.outs:
        shop.store.checkout(wanted[out.path], shop.root / out.full)
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
    if restorable and shop.use_run_cache and _from_run_cache(shop, stage, done, params):
        done.action = Action.RESTORE
        return
    done.action = Action.RUN
    _prepare(shop, stage)
    _execute(shop, stage, gpus, rest, done)
    done.outs = _outputs(shop, stage)
    _save(shop, stage, done.outs)
    done.entry = entries.make(stage, done.deps, params, done.outs)
    if entries.cacheable(stage):
        from penstock.pipeline.emit import entry_text

        for out in stage.outs:
            if not out.cache:
                _copy_to_cache(shop, out, done.outs[out.path])
        key, value = entries.keys(done.entry)
        shop.store.run_cache_put(key, value, entry_text(done.entry))


def _inputs(shop: Workshop, facts: Facts) -> Facts:
    """Take the digests of the dependencies as they are now, just before the stage reads them."""
    stage = facts.stage
    found = shop.store.hash_many([(dep.path, shop.root / dep.full) for dep in stage.deps])
    for dep, artifact in zip(stage.deps, found, strict=True):
        if artifact is None:
            raise StageError(
                f"stage {stage.address} needs {dep.path}, which does not exist",
                code="stage.dependency-missing",
                span=Span(*dep.place),
                hint="is the path right? data of a remote comes with `penstock run --pull`",
            )
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


def _from_run_cache(shop: Workshop, stage: Stage, done: Done, params: dict[str, Any]) -> bool:
    if not entries.cacheable(stage):
        return False
    nothing = {out.path: Artifact(out.path, "", 0) for out in stage.outs}
    key, _ = entries.keys(entries.make(stage, done.deps, params, nothing))
    from penstock.config import source
    from penstock.errors import ConfigError

    for value, text in shop.store.run_cache_get(key):
        try:
            known = source.read(text, file=f"runs/{key[:2]}/{key}/{value}").value
        except ConfigError:
            continue
        wanted = entries.artifacts(known if isinstance(known, dict) else None, "outs")
        if all(out.path in wanted for out in stage.outs) and _checkout(shop, stage, wanted):
            done.outs = {out.path: wanted[out.path] for out in stage.outs}
            done.entry = entries.make(stage, done.deps, params, done.outs)
            return True
    return False


def _prepare(shop: Workshop, stage: Stage) -> None:
    """Remove outputs (DVC does so too), and make room for new ones."""
    wdir = shop.root / stage.wdir
    if not wdir.is_dir():
        raise StageError(
            f"the working directory {stage.wdir} of stage {stage.address} does not exist",
            code="stage.no-wdir",
            span=Span(*stage.place),
        )
    for out in stage.outs:
        path = shop.root / out.full
        try:
            if out.persist:
                if path.is_symlink() or path.is_file():
                    _unprotect(path)
            elif path.is_symlink() or path.is_file():
                path.unlink()
            elif path.is_dir():
                shutil.rmtree(path)
        except OSError as error:
            raise StageError(
                f"cannot remove the old output {out.path}: {error.strerror}",
                code="stage.output-locked",
                span=Span(*out.place),
                hint="may you write in its directory? remove it by hand otherwise",
            ) from error
        path.parent.mkdir(parents=True, exist_ok=True)


def _unprotect(path: Path) -> None:
    """Make a linked, read-only file one of its own, so that the stage may add to it."""
    if path.exists() and (path.is_symlink() or path.stat().st_nlink > 1):
        temporary = path.with_name(f".{path.name}.penstock")
        shutil.copyfile(path, temporary)
        temporary.replace(path)
    if path.exists():
        path.chmod(path.stat().st_mode | 0o200)


def _execute(shop: Workshop, stage: Stage, gpus: Sequence[str], rest: Any, done: Done) -> None:
    log = shop.log(stage.address)
    log.parent.mkdir(parents=True, exist_ok=True)
    done.log = f".penstock/logs/{shop.run_id}/{log.name}"
    env = {**shop.env, **dict(stage.resources.env), "DVC_STAGE": stage.address}
    if stage.resources.gpus:
        env["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    job = Job(
        stage.address, stage.commands, shop.root / stage.wdir, env, log, stage.resources.timeout
    )
    delay = stage.resources.delay
    for attempt in range(1, stage.resources.retries + 2):
        done.attempts = attempt
        done.ended = shop.executor.run(job)
        if (done.ended.exit_code == 0 and not done.ended.timed_out) or done.ended.stopped:
            break
        if attempt <= stage.resources.retries:
            with log.open("a", encoding="utf-8") as stream:
                stream.write(f"[penstock] attempt {attempt} failed; again in {delay:g} s\n")
            rest(delay)
            delay *= 2
            _prepare(shop, stage)
    if done.ended is not None and (done.ended.exit_code != 0 or done.ended.timed_out):
        raise _failure(shop, stage, done)


def _failure(shop: Workshop, stage: Stage, done: Done) -> StageError:
    ended = done.ended
    assert ended is not None
    if ended.stopped:
        return StageError("stopped", code="stage.stopped", span=Span(*stage.place))
    if ended.error:
        what = ended.error
    elif ended.timed_out:
        what = f"stage {stage.address} took longer than its limit of {stage.resources.timeout:g} s"
    elif ended.exit_code < 0:
        what = f"stage {stage.address} was killed by {_signal_name(-ended.exit_code)}"
    else:
        what = f"stage {stage.address} failed with exit code {ended.exit_code}"
    facts = [f"after {ended.seconds:.1f} s"]
    if ended.peak_memory:
        facts.append(f"peak memory {ended.peak_memory / 1e6:.0f} MB")
    if done.attempts > 1:
        facts.append(f"{done.attempts} attempts")
    hint = f"its whole output is in {done.log}"
    if ended.exit_code == -signal.SIGKILL and not ended.timed_out:
        hint = f"perhaps the machine ran out of memory; {hint}"
    return StageError(
        f"{what} ({', '.join(facts)})",
        code="stage.timed-out" if ended.timed_out else "stage.failed",
        span=Span(*stage.place),
        hint=hint,
        log_tail=tail(shop.log(stage.address)),
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def tail(path: Path, lines: int = TAIL_LINES) -> list[str]:
    """Return the last lines of a log."""
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(stream.tell() - 16_384, 0))
            text = stream.read().decode(errors="replace")
    except OSError:
        return []
    return text.splitlines()[-lines:]


def _outputs(shop: Workshop, stage: Stage) -> dict[str, Artifact]:
    found = shop.store.hash_many([(out.path, shop.root / out.full) for out in stage.outs])
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
        if out.cache:
            shop.store.save(shop.root / out.full, outs[out.path])


def _copy_to_cache(shop: Workshop, out: Output, artifact: Artifact) -> None:
    """Keep an output that Git tracks in the cache too, and leave the file itself alone."""
    shop.store.save(shop.root / out.full, artifact)


def environment(root: Path, marks: dict[str, str], path: str | None = None) -> dict[str, str]:
    """Return the environment that all stages share.

    The interpreter that runs penstock comes first on the PATH, so that `python` in a command is
    the project's even when no environment is active.

    Args:
        root: of the project.
        marks: more variables.
        path: the PATH, instead of that.
    """
    env = dict(os.environ)
    if path is None:
        here = os.path.dirname(sys.executable)  # noqa: PTH120 - not resolved: it may be a link
        path = env.get("PATH", os.defpath)
        if path.split(os.pathsep)[0] != here:
            path = here + os.pathsep + path
    env.update(
        PATH=path,
        DVC_ROOT=str(root),
        MLFLOW_DISABLE_TELEMETRY="true",
        DO_NOT_TRACK="true",
        DVC_NO_ANALYTICS="1",
        **marks,
    )
    return env
