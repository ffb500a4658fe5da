"""A search for parameters over a project's own pipeline, blind for the gates' test data.

Trials run the stages that make the validation metrics, each slot in a worktree of its own with the
shared cache. The test data is taken away from these worktrees before a trial trains, metrics of
stages that read it are never looked at, and the ledger must say afterwards that no use was made.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock import pipeline
from penstock.assembly import STATE, Project
from penstock.domain.event import EventType
from penstock.domain.pipeline import Pipeline
from penstock.errors import ConfigError, StateError
from penstock.pipeline import worktree
from penstock.retraining import branch
from penstock.tuning import Budget, Found, Job, Measured, Objective, objectives, space
from penstock.tuning import search as tune

_LOOK = 0.1
_PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class Sight:
    """What a search may see.

    Attributes:
        files: metrics files of stages that do not read the test data.
        stages: that write them.
        makers: stages that write the test data.
        hidden: path of the test data.
    """

    files: tuple[str, ...]
    stages: tuple[str, ...]
    makers: tuple[str, ...]
    hidden: str


def sight(made: Pipeline, test_data: str, wanted: Sequence[Objective]) -> Sight:
    """Work out which metrics may be read.

    Raises:
        ConfigError: ``tuning.test-data`` when what is searched by comes from the test data, or
            nothing else is measured; ``tuning.unknown-file``.
    """
    blind: dict[str, str] = {}
    seen: dict[str, str] = {}
    for address, stage in made.stages.items():
        reads = any(_overlap(dep.full, test_data) for dep in stage.deps)
        for out in stage.outs:
            if out.kind == "metric":
                (seen if reads else blind)[out.full] = address
    named = {one.name.rpartition(":")[0] for one in wanted} - {""}
    bad = sorted(named & set(seen))
    if bad or not blind:
        which = f"{bad[0]} is" if bad else "all metrics are"
        raise ConfigError(
            f"{which} measured on {test_data}, the test data of the gates",
            code="tuning.test-data",
            hint="search by a metrics file of a stage that reads validation data; a test set that "
            "chose the parameters cannot judge them any more",
        )
    unknown = sorted(named - set(blind))
    if unknown:
        raise ConfigError(
            f"no stage writes the metrics file {unknown[0]}",
            code="tuning.unknown-file",
            hint=f"metrics files without the test data are {', '.join(sorted(blind))}",
        )
    files = [name for name in blind if not named or name in named]
    return Sight(
        tuple(files),
        tuple(dict.fromkeys(blind[name] for name in files)),
        tuple(
            address
            for address, stage in made.stages.items()
            if any(_overlap(out.full, test_data) for out in stage.outs) and not stage.is_data
        ),
        test_data,
    )


def _overlap(one: str, other: str) -> bool:
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def search(project: Project, name: str, commit: str, tell: Any) -> Found:
    """Search for parameters at a commit, or carry on with that search.

    Args:
        project: with ``retrain.search``.
        name: of the study.
        commit: whose pipeline and data are searched with.
        tell: is told of each trial.

    Raises:
        ConfigError: ``tuning.test-data``, ``tuning.unknown-file``, ``tuning.no-metric``,
            ``tuning.unmeasured``, ``tuning.parameter``.
        StateError: ``tuning.test-set-used`` when the ledger says that the test data was judged on.
    """
    settings, root = project.settings.retrain.search, project.root
    if settings.metric is None:
        raise ConfigError(
            "`retrain.search` has trials and no metric",
            code="tuning.no-metric",
            hint="`metric:` names a key of a metrics file that is made from validation data",
        )
    goals = objectives(settings.metric, settings.direction)
    wanted = space(settings.params)
    first = _Runner(root, name, commit, 0, goals, None)
    made = pipeline.load(first.prepare())
    seen = sight(made, project.settings.model.test_data, goals)
    present = _present(first.base, list(wanted))
    began = _last_event(project)
    runners = [_Runner(root, name, commit, n, goals, seen) for n in range(settings.jobs)]
    try:
        found = tune(
            root / STATE / "studies",
            name,
            wanted,
            goals,
            Budget(settings.trials, settings.seconds, settings.jobs),
            lambda job: runners[job.slot].run(job),
            present=present,
            tell=tell,
        )
    finally:
        for one in runners:
            one.remove()
    _assert_unseen(project, began)
    return found


def _present(base: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return the values at hand.

    Raises:
        ConfigError: ``tuning.unread-param`` for a parameter that no stage reads.
    """
    from penstock.pipeline import parameters as files
    from penstock.retraining.parameters import split

    read = pipeline.params(base)
    found = {}
    for name in names:
        if name not in read:
            raise ConfigError(
                f"no stage reads the parameter {name}",
                code="tuning.unread-param",
                hint="list it under `params:` of a stage in dvc.yaml; "
                f"known are {', '.join(sorted(read)) or 'none'}",
            )
        file, key = split(name)
        found[name] = files.pick(files.load(base / file, file), key)
    return found


def _last_event(project: Project) -> int:
    return next((one.id for one in project.journal.events(newest_first=True, limit=1)), 0)


def _assert_unseen(project: Project, began: int) -> None:
    """Let the ledger testify: whatever was judged since belongs to a recorded run."""
    for event in project.journal.events(type=EventType.TESTSET_USED, after=began):
        candidate = str(event.data.get("candidate", ""))
        known = (record.id in candidate for record in project.journal.records("run"))
        if not any(known):
            raise StateError(
                f"the test data was judged on during the search ({candidate})",
                code="tuning.test-set-used",
                hint="its parameters are not used: what chose them must not have seen the test "
                "data; `retrain.search` may only run stages that read validation data",
            )


class _Runner:
    """Runs trials in one worktree, each in a process of its own."""

    def __init__(
        self,
        root: Path,
        name: str,
        commit: str,
        slot: int,
        goals: Sequence[Objective],
        seen: Sight | None,
    ) -> None:
        self.root, self.commit, self.goals, self.seen = root, commit, goals, seen
        self.name = f"{name}-{slot}"
        self.top = root / STATE / "worktrees" / self.name
        prefix = branch.ask(root, "rev-parse", "--show-prefix")
        self.base = self.top / prefix if prefix else self.top

    def prepare(self) -> Path:
        """Make the worktree."""
        return worktree.prepare(self.root, self.commit, self.name)

    def remove(self) -> None:
        """Remove the worktree."""
        worktree.remove(self.root, self.top)

    def run(self, job: Job) -> Measured:
        """Run one trial; its process ends with this one, also when this one is killed."""
        assert self.seen is not None
        spec = {
            "root": str(self.root),
            "commit": self.commit,
            "name": self.name,
            "params": job.params,
            "stages": self.seen.stages,
            "files": self.seen.files,
            "makers": self.seen.makers,
            "hidden": self.seen.hidden,
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "penstock.retraining.trial"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(spec) + "\n")
        process.stdin.flush()
        pruned = self._watch(process, job)
        out, err = process.communicate()
        if pruned:
            return Measured(None, pruned=True)
        if job.stopped():
            return Measured(None, "stopped: the time of the search is over")
        return self._read(out, err, process.returncode)

    def _watch(self, process: subprocess.Popen[str], job: Job) -> bool:
        """Wait for a trial; True when it was ended because it was behind."""
        last = None
        while True:
            try:
                process.wait(_LOOK)
                return False
            except subprocess.TimeoutExpired:
                pass
            if job.stopped():
                _end(process)
                return False
            halfway = self._halfway()
            if halfway is not None and halfway != last:
                last = halfway
                if job.report(*halfway):
                    _end(process)
                    return not job.stopped()

    def _halfway(self) -> tuple[int, tuple[float, ...]] | None:
        """Return step and values that a stage has written so far; a file needs the key `step`."""
        from penstock.retraining.trial import measured

        assert self.seen is not None
        found = measured(self.base, self.seen.files)
        step = found.get("step")
        values = [found.get(one.name) for one in self.goals]
        if step is None or any(one is None for one in values):
            return None
        return int(step), tuple(one for one in values if one is not None)

    def _read(self, out: str, err: str, code: int) -> Measured:
        try:
            answer = json.loads(out.strip().splitlines()[-1])
        except (IndexError, ValueError):
            last = err.strip().splitlines()
            return Measured(None, last[-1] if last else f"the trial ended with exit code {code}")
        if answer.get("error"):
            return Measured(None, answer["error"])
        values = [answer["metrics"].get(one.name) for one in self.goals]
        missing = [one.name for one, v in zip(self.goals, values, strict=True) if v is None]
        if missing:
            known = ", ".join(sorted(answer["metrics"])) or "nothing"
            words = f"no metric {missing[0]}; validation measures {known}"
            return Measured(None, words, unmeasured=True)
        return Measured(tuple(one for one in values if one is not None))


def _end(process: subprocess.Popen[str]) -> None:
    """End a trial: its stages first, so that none is left behind."""
    process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + _PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(_LOOK)
    if process.poll() is None:
        process.kill()
