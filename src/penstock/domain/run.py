"""Runs: one execution of a pipeline at a revision, and of each of its stages."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

from penstock.domain.artifact import Artifact
from penstock.domain.revision import Revision
from penstock.domain.verdict import Verdict


class StageOutcome(enum.StrEnum):
    """How a stage run ended."""

    RAN = "ran"
    """Its command was executed and succeeded."""
    UNCHANGED = "unchanged"
    """Nothing it depends on changed: nothing was done."""
    RESTORED = "restored"
    """Its outputs came from the cache of an earlier, equal execution."""
    FAILED = "failed"
    """Its command failed, an output is missing, or a test of it failed."""
    BLOCKED = "blocked"
    """Something it depends on failed."""
    CANCELLED = "cancelled"
    """The run was stopped before it finished."""
    FROZEN = "frozen"
    """Marked `frozen` in dvc.yaml: left as it is."""


class RunOutcome(enum.StrEnum):
    """How a run ended; `running` until it has."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class StageRun:
    """One execution of a stage.

    Attributes:
        stage: the stage's address, ``train`` or ``sub/dvc.yaml:train``.
        outcome: how it ended.
        reasons: what made it run, each as a phrase (``src/train.py changed``).
        seconds: wall time of the command, 0.0 when nothing was executed.
        exit_code: of the command; negative for a signal, None when nothing was executed.
        peak_memory: bytes, of the largest process, None when unknown.
        log: path of the captured output below the project's root, None when there is none.
        attempts: how often the command was tried.
        deps, outs: what it read and made, by content.
        verdicts: of the tests before and after it.
        error: why it failed, in words.
    """

    stage: str
    outcome: StageOutcome
    reasons: tuple[str, ...] = ()
    seconds: float = 0.0
    exit_code: int | None = None
    peak_memory: int | None = None
    log: str | None = None
    attempts: int = 1
    deps: tuple[Artifact, ...] = ()
    outs: tuple[Artifact, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["outcome"] = self.outcome.value
        item["reasons"] = list(self.reasons)
        for name in ("deps", "outs", "verdicts"):
            item[name] = [one.to_dict() for one in item[name]]
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> StageRun:
        """Read what `to_dict` wrote."""
        return cls(
            **{
                **item,
                "outcome": StageOutcome(item["outcome"]),
                "reasons": tuple(item["reasons"]),
                "deps": tuple(Artifact.from_dict(one) for one in item["deps"]),
                "outs": tuple(Artifact.from_dict(one) for one in item["outs"]),
                "verdicts": tuple(Verdict.from_dict(one) for one in item["verdicts"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a pipeline at a revision.

    Attributes:
        id: sortable and unique, such as ``20261124-215501-k3f9``.
        revision: the code.
        started, finished: seconds since the epoch.
        stages: in the order in which they ended.
        lock_sha256: of dvc.lock after the run: the identity of code, data and outputs together.
        environment: digest of the environment that the stages ran in: of the project's lock, or
            of all that its interpreter held; "" when unknown.
    """

    id: str
    revision: Revision
    started: float
    outcome: RunOutcome = RunOutcome.RUNNING
    finished: float | None = None
    stages: tuple[StageRun, ...] = ()
    lock_sha256: str = ""
    environment: str = ""
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        item = {name: getattr(self, name) for name in self.__slots__}
        item["outcome"] = self.outcome.value
        item["revision"] = self.revision.to_dict()
        item["stages"] = [one.to_dict() for one in self.stages]
        return item

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Run:
        """Read what `to_dict` wrote."""
        return cls(
            **{
                **item,
                "outcome": RunOutcome(item["outcome"]),
                "revision": Revision.from_dict(item["revision"]),
                "stages": tuple(StageRun.from_dict(one) for one in item["stages"]),
            }
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that a run made, not yet judged.

    Attributes:
        run_id: the run that made it.
        model: name of the model in penstock.yaml.
        path: directory (an MLflow model) or file, absolute.
        digest: content of `path`, as of `Artifact.md5`.
        metrics, params: flat, as the stages wrote them.
    """

    run_id: str
    model: str
    path: str
    digest: str
    metrics: dict[str, float] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_dict(cls, item: dict[str, Any]) -> Candidate:
        """Read what `to_dict` wrote."""
        return cls(**item)
