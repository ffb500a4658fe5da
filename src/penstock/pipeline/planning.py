"""The plan: what a run would do, and why."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.artifacts import Store
from penstock.domain.pipeline import Pipeline
from penstock.pipeline import history, schedule
from penstock.pipeline import targets as chosen
from penstock.pipeline.decide import Action, Decision, decide
from penstock.pipeline.loading import load
from penstock.pipeline.lockfile import LockFiles
from penstock.pipeline.observe import Observer


@dataclass(frozen=True, slots=True)
class StagePlan:
    """What a run would do about one stage.

    Attributes:
        stage: its address.
        action: ``run``, ``restore``, ``unchanged``, ``frozen``, ``record`` or ``maybe``.
        reasons: phrases.
        expected_seconds: by the durations of earlier runs; None when it never ran.
    """

    stage: str
    action: str
    reasons: tuple[str, ...] = ()
    expected_seconds: float | None = None

    @property
    def works(self) -> bool:
        """Whether anything is done, or may have to be."""
        return self.action not in (Action.UNCHANGED, Action.FROZEN)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    Attributes:
        stages: in an order in which they could run.
        expected_seconds: until all is done, at most; 0.0 when there is nothing to do, None when
            a stage that runs never ran before.
    """

    stages: tuple[StagePlan, ...]
    expected_seconds: float | None = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "expected_seconds": self.expected_seconds,
            "stages": [
                {
                    "stage": one.stage,
                    "action": str(one.action),
                    "reasons": list(one.reasons),
                    "expected_seconds": one.expected_seconds,
                }
                for one in self.stages
            ],
        }


def combine(
    pipeline: Pipeline, decisions: Mapping[str, Decision], seconds: Mapping[str, float]
) -> tuple[StagePlan, ...]:
    """Return the plan of stages from what each needs on its own. Pure.

    Args:
        pipeline: how they hang together.
        decisions: in an order in which each comes after what it depends on.
        seconds: known durations.
    """
    plans: dict[str, StagePlan] = {}
    for address, decision in decisions.items():
        action, reasons = decision.action, decision.reasons
        busy = [
            source
            for source in pipeline.upstream[address]
            if source in plans and plans[source].action in (Action.RUN, Action.MAYBE)
        ]
        if busy and action in (Action.UNCHANGED, Action.RESTORE):
            action = Action.MAYBE
            verb = "runs" if plans[busy[0]].action == Action.RUN else "may run"
            reasons = (*reasons, f"{busy[0]} {verb}")
        plans[address] = StagePlan(address, action.value, reasons, seconds.get(address))
    return tuple(plans.values())


def plan(root: Path, *, targets: Sequence[str] = (), force: bool = False) -> Plan:
    """Say what `execute` would do; nothing is changed, and nobody is waited for.

    Raises:
        ConfigError: dvc.yaml or dvc.lock is wrong.
        UsageError: no such target.
    """
    root = Path(os.path.abspath(root))  # noqa: PTH100 - links stay as they are
    pipeline = load(root)
    wanted = chosen.resolve(pipeline, targets)
    forced = set(chosen.resolve(pipeline, targets, alone=True)) if force else set()
    store = Store.open(root)
    try:
        locks = LockFiles(root)
        observer = Observer(root, store, locks)
        observer.snapshot([pipeline.stages[address] for address in wanted])
        decisions = {}
        for address in wanted:
            facts = observer.facts(pipeline.stages[address])
            decisions[address] = decide(facts, force=address in forced)
        seconds = known_seconds(root)
        stages = combine(pipeline, decisions, seconds)
        busy = [one.stage for one in stages if one.action in (Action.RUN, Action.MAYBE)]
        jobs = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        expected = None
        if all(one in seconds for one in busy):
            expected = schedule.remaining(pipeline, busy, seconds, jobs) if busy else 0.0
        return Plan(stages, expected)
    finally:
        store.close()


def known_seconds(root: Path) -> dict[str, float]:
    """Return the durations of stages that the project's journal knows."""
    path = root / ".penstock" / "journal.db"
    if not path.exists():
        return {}
    from penstock.journal import Journal

    with Journal(path) as journal:
        return history.durations(journal)
