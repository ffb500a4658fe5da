"""The search: one thread asks Optuna and tells it, others run trials.

A study is named after what it is for and lives on disk, so a search that was killed goes on where
it stood: trials that were running are tried again, the budget that was spent stays spent.
"""

from __future__ import annotations

import math
import queue
import threading
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError
from penstock.tuning import warm
from penstock.tuning.choice import better, winner
from penstock.tuning.space import Objective, Parameter
from penstock.tuning.studies import opened, optuna

_LOOK = 0.2
HOPELESS = 5
"""Trials that failed, none having succeeded, after which no more are tried."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What a search may cost.

    Attributes:
        trials: most trials.
        seconds: most time, over all interruptions.
        jobs: trials at a time.
    """

    trials: int
    seconds: float = 3600.0
    jobs: int = 1


@dataclass(frozen=True, slots=True)
class Job:
    """One trial to run.

    Attributes:
        number: of the trial in its study.
        slot: below the number of jobs; no other trial has it at the same time.
        params: to try.
        report: tells an intermediate value at a step; True means that the trial is to be stopped.
        stopped: whether the search is over and the trial is to be stopped.
    """

    number: int
    slot: int
    params: dict[str, Any]
    report: Callable[[int, Sequence[float]], bool]
    stopped: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of a trial.

    Attributes:
        values: of the objectives, in their order; None when it has none.
        error: why, in words.
        pruned: whether it was stopped because it was behind.
        unmeasured: whether it ran to its end without measuring an objective.
    """

    values: tuple[float, ...] | None
    error: str = ""
    pruned: bool = False
    unmeasured: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to.

    Attributes:
        study: its name.
        params: better than those at hand; empty when none were.
        values, before: of the objectives, with `params` and with those at hand.
        trials, pruned, failed, warm: how many trials of each kind.
        seconds: that it took.
        words: all that in one sentence.
    """

    study: str
    params: dict[str, Any] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    before: dict[str, float] = field(default_factory=dict)
    trials: int = 0
    pruned: int = 0
    failed: int = 0
    warm: int = 0
    seconds: float = 0.0
    words: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def search(
    folder: Path,
    name: str,
    space: Mapping[str, Parameter],
    objectives: Sequence[Objective],
    budget: Budget,
    evaluate: Callable[[Job], Measured],
    *,
    present: Mapping[str, Any] | None = None,
    tell: Callable[[str], None] = lambda _words: None,
) -> Found:
    """Search for parameters, or carry on with a search of the same name.

    Args:
        folder: of all studies of a project.
        name: of the study.
        space: what may be tried.
        objectives: what is better; with several, the winner is the trial nearest to the best of
            each, among those that none beats in all.
        budget: trials, seconds, jobs.
        evaluate: runs one trial; called in threads. What it raises ends the search.
        present: the parameters at hand; the first trial.
        tell: is told of each trial, in words.

    Raises:
        ConfigError: ``tuning.unmeasured`` when the first trial did not measure an objective: then
            no other would.
        PluginError: ``tuning.no-optuna``.
        UnavailableError: ``tuning.busy``, ``tuning.disk``.
    """
    optuna()
    with opened(folder) as storage:
        study = _study(storage, name, objectives)
        warm.start(study, storage, space, objectives)
        _recover(study)
        _first(study, space, present, storage, objectives)
        _Conductor(study, space, objectives, budget, evaluate, tell).run()
        return _found(study, objectives, present)


def _study(storage: Any, name: str, objectives: Sequence[Objective]) -> Any:
    library = optuna()
    known = {one.study_name for one in storage.get_all_studies()}
    study = library.create_study(
        storage=storage,
        study_name=name,
        directions=[one.direction for one in objectives],
        load_if_exists=True,
        # The seed depends on how far the study is: a resumed one must not draw the same again.
        sampler=library.samplers.TPESampler(seed=zlib.crc32(name.encode())),
        pruner=library.pruners.MedianPruner(n_startup_trials=4),
    )
    if name not in known or warm.OBJECTIVES not in study.user_attrs:
        study.set_user_attr(warm.OBJECTIVES, [one.name for one in objectives])
    drawn = zlib.crc32(f"{name} {len(study.get_trials(deepcopy=False))}".encode())
    study.sampler = library.samplers.TPESampler(seed=drawn)
    return study


def _recover(study: Any) -> None:
    """Try again what was running when the search was killed."""
    states = optuna().trial.TrialState
    for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        study._storage.set_trial_user_attr(trial._trial_id, warm.LOST, True)
        study.tell(trial.number, state=states.FAIL)
        if trial.params:
            study.enqueue_trial(trial.params)


def _first(
    study: Any,
    space: Mapping[str, Parameter],
    present: Mapping[str, Any] | None,
    storage: Any,
    objectives: Sequence[Objective],
) -> None:
    """Begin with the parameters at hand, then with the best of the study before."""
    if any(warm.WARM not in one.user_attrs for one in study.get_trials(deepcopy=False)):
        return
    wanted = [dict(present)] if present else []
    wanted += warm.best(storage, study.study_name, space, objectives)
    for params in wanted:
        if set(params) == set(space) and all(space[key].holds(one) for key, one in params.items()):
            study.enqueue_trial(params)


class _Conductor:
    """Keeps trials running until the budget is spent."""

    def __init__(
        self,
        study: Any,
        space: Mapping[str, Parameter],
        objectives: Sequence[Objective],
        budget: Budget,
        evaluate: Callable[[Job], Measured],
        tell: Callable[[str], None],
    ) -> None:
        self.study, self.objectives, self.budget = study, objectives, budget
        self.evaluate, self.tell = evaluate, tell
        self.distributions = {key: warm.distribution(one) for key, one in space.items()}
        self.spent = float(study.user_attrs.get(warm.SPENT, 0.0))
        self.began = time.monotonic()
        self.over = threading.Event()
        self.messages: queue.Queue[tuple[Any, int, Sequence[float], queue.Queue[bool]]] = (
            queue.Queue()
        )
        self.running: dict[Future[Measured], tuple[Any, int]] = {}

    def run(self) -> None:
        """Run trials until trials or time are used up."""
        with ThreadPoolExecutor(self.budget.jobs, thread_name_prefix="trial") as pool:
            try:
                while self._fill(pool) or self.running:
                    self._listen()
                    self._collect()
                    if self._elapsed() >= self.budget.seconds:
                        self.over.set()
            finally:
                self.over.set()

    def _elapsed(self) -> float:
        return self.spent + time.monotonic() - self.began

    def _used(self) -> int:
        return len(warm.own(self.study)) + len(self.running)

    def _fill(self, pool: ThreadPoolExecutor) -> bool:
        """Start as many trials as may run."""
        started = False
        while (
            len(self.running) < self.budget.jobs
            and self._used() < self.budget.trials
            and self._elapsed() < self.budget.seconds
            and not self.over.is_set()
            and not self._hopeless()
        ):
            slot = min(set(range(self.budget.jobs)) - {slot for _, slot in self.running.values()})
            trial = self.study.ask(self.distributions)
            job = Job(trial.number, slot, trial.params, self._reporter(trial), self.over.is_set)
            self.running[pool.submit(self.evaluate, job)] = (trial, slot)
            started = True
        return started

    def _succeeded(self) -> bool:
        complete = optuna().trial.TrialState.COMPLETE
        return any(one.state is complete for one in warm.own(self.study))

    def _hopeless(self) -> bool:
        """Whether so many trials failed, and none succeeded, that none will."""
        failed = optuna().trial.TrialState.FAIL
        ended = warm.own(self.study)
        return len(ended) >= HOPELESS and all(one.state is failed for one in ended)

    def _reporter(self, trial: Any) -> Callable[[int, Sequence[float]], bool]:
        """Return a function that asks the thread that speaks to Optuna, and waits for it."""

        def report(step: int, values: Sequence[float]) -> bool:
            answer: queue.Queue[bool] = queue.Queue(1)
            self.messages.put((trial, step, values, answer))
            while not self.over.is_set():
                try:
                    return answer.get(timeout=_LOOK)
                except queue.Empty:
                    continue
            return True

        return report

    def _listen(self) -> None:
        """Take what trials report, for a moment."""
        try:
            trial, step, values, answer = self.messages.get(timeout=_LOOK)
        except queue.Empty:
            return
        if len(self.objectives) > 1:  # Optuna prunes by one objective alone
            answer.put(False)
            return
        trial.report(float(values[0]), step)
        answer.put(bool(trial.should_prune()))

    def _collect(self) -> None:
        states = optuna().trial.TrialState
        for future in [one for one in self.running if one.done()]:
            trial, _ = self.running.pop(future)
            measured = self._finite(future.result())
            if measured.error:
                trial.set_user_attr("error", measured.error[:500])
            if measured.values is not None:
                self.study.tell(trial, list(measured.values))
            elif measured.pruned and len(self.objectives) == 1:
                self.study.tell(trial, state=states.PRUNED)
            else:
                self.study.tell(trial, state=states.FAIL)
            self.study.set_user_attr(warm.SPENT, self._elapsed())
            self.tell(self._words(trial, measured))
            if measured.unmeasured and not self._succeeded():
                raise ConfigError(
                    measured.error,
                    code="tuning.unmeasured",
                    hint="`retrain.search.metric` names keys of the metrics files of dvc.yaml",
                )

    def _finite(self, measured: Measured) -> Measured:
        pairs = zip(self.objectives, measured.values or (), strict=False)
        odd = [f"{one.name} is {value}" for one, value in pairs if not math.isfinite(value)]
        return Measured(None, odd[0]) if odd else measured

    def _words(self, trial: Any, measured: Measured) -> str:
        chosen = ", ".join(f"{key}={value}" for key, value in trial.params.items())
        if measured.values is None:
            said = "stopped, it was behind" if measured.pruned else measured.error
        else:
            pairs = zip(self.objectives, measured.values, strict=True)
            said = ", ".join(f"{one.name} {value:.6g}" for one, value in pairs)
        return f"trial {trial.number}: {chosen}: {said}"


def _found(study: Any, objectives: Sequence[Objective], present: Mapping[str, Any] | None) -> Found:
    states = optuna().trial.TrialState
    own = warm.own(study)
    complete = [one for one in own if one.state is states.COMPLETE]
    names = [one.name for one in objectives]
    here = dict(present or {})
    before = next((one for one in complete if one.params == here), None)
    best = winner([tuple(one.values) for one in complete], objectives)
    chosen = complete[best] if best is not None else None
    if chosen is None:
        errors = [one.user_attrs.get("error", "") for one in own]
        why = next(filter(None, errors), "time was over").strip().partition("\n")[0]
        words = f"no trial succeeded: {why}"
    elif before is not None and not better(chosen.values, before.values, objectives):
        words, chosen = f"the parameters at hand are the best of {len(complete)} trials", None
    else:
        words = f"best of {len(complete)} trials"
    return Found(
        study=study.study_name,
        params=dict(chosen.params) if chosen is not None else {},
        values=dict(zip(names, chosen.values, strict=True)) if chosen is not None else {},
        before=dict(zip(names, before.values, strict=True)) if before is not None else {},
        trials=len(own),
        pruned=sum(one.state is states.PRUNED for one in own),
        failed=sum(one.state is states.FAIL for one in own),
        warm=sum(warm.WARM in one.user_attrs for one in study.get_trials(deepcopy=False)),
        seconds=float(study.user_attrs.get(warm.SPENT, 0.0)),
        words=words,
    )
