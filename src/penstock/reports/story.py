"""What a report tells: one run with all that came of it, gathered from the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.domain.event import Event, EventType
from penstock.domain.rollout import RolloutPhase
from penstock.domain.run import Candidate, Run, RunOutcome, StageRun
from penstock.domain.verdict import Outcome, Verdict
from penstock.domain.version import ModelVersion
from penstock.errors import StateError
from penstock.journal import Journal


@dataclass(frozen=True, slots=True)
class Story:
    """A run and what came of it; whatever has not happened is None or empty.

    Attributes:
        run: the run.
        project: name of the project's directory.
        candidate: the model that it made.
        verdicts: of the gates, in the order in which they were asked.
        refused: whether the candidate was refused; None before it was judged.
        against: version of the champion that it was compared with.
        curves: of the judgement: what is to be drawn.
        version: the model version that it became.
        rollout: record of the version's newest rollout, plain values.
        held: whether the version is the champion now.
        events: of the run, its version and its rollout, oldest first.
    """

    run: Run
    project: str = ""
    candidate: Candidate | None = None
    verdicts: tuple[Verdict, ...] = ()
    refused: bool | None = None
    against: int | None = None
    curves: dict[str, Any] = field(default_factory=dict)
    version: ModelVersion | None = None
    rollout: dict[str, Any] | None = None
    held: bool = False
    events: tuple[Event, ...] = ()

    @property
    def model(self) -> str:
        """Name of the model, or of the project before there is one."""
        return self.candidate.model if self.candidate else self.project

    @property
    def stages(self) -> tuple[StageRun, ...]:
        """Stages that do something: not the files that DVC tracks, which run nothing."""
        return tuple(one for one in self.run.stages if not one.stage.endswith(".dvc"))

    @property
    def tests(self) -> tuple[tuple[str, Verdict], ...]:
        """Stage and verdict of every test that ran around a stage."""
        return tuple((one.stage, verdict) for one in self.run.stages for verdict in one.verdicts)

    @property
    def outcome(self) -> Outcome:
        """The story in one word: good, bad, or undecided."""
        if self.run.outcome in (RunOutcome.FAILED, RunOutcome.CANCELLED) or self.refused:
            return Outcome.FAILED
        phase = (self.rollout or {}).get("phase", "")
        if phase in (RolloutPhase.ROLLED_BACK, RolloutPhase.ABORTED, RolloutPhase.ROLLING_BACK):
            return Outcome.FAILED
        undecided = self.run.outcome is RunOutcome.RUNNING or self.refused is None
        return Outcome.INCONCLUSIVE if undecided else Outcome.PASSED

    @property
    def headline(self) -> str:
        """The story in one sentence."""
        if self.run.outcome is RunOutcome.RUNNING:
            return "The run has not ended yet"
        if self.run.outcome is not RunOutcome.SUCCEEDED:
            failed = [one.stage for one in self.run.stages if one.outcome == "failed"]
            place = f" at {', '.join(failed)}" if failed else ""
            return f"The run {self.run.outcome.value}{place}"
        if self.refused is None:
            return "The run succeeded; its candidate was not judged"
        if self.refused:
            return f"The candidate for {self.model} was refused"
        if self.version is None:
            return f"The candidate for {self.model} passed all gates"
        name = f"Version {self.version.version} of {self.model}"
        return f"{name} {self._fate()}"

    def _fate(self) -> str:
        if self.rollout is None:
            return "passed all gates and is registered"
        match self.rollout.get("phase"):
            case RolloutPhase.PROMOTED | RolloutPhase.PROBATION:
                return "is the champion" if self.held else "was promoted, and replaced later"
            case RolloutPhase.ROLLED_BACK | RolloutPhase.ROLLING_BACK:
                return "was rolled back on live evidence"
            case RolloutPhase.ABORTED:
                return "was taken back during its rollout"
            case _:
                return "is being rolled out"


def gather(journal: Journal, root: Path, run_id: str | None = None) -> Story:
    """Gather the story of a run.

    Args:
        journal: the project's journal.
        root: the project's directory.
        run_id: of the run, or the number of a model version; by default the newest run.

    Raises:
        StateError: ``report.no-run`` when there is no such run.
    """
    run = _run(journal, run_id)
    record = journal.get("judgement", run.id)
    judged: dict[str, Any] = record.value if record else {}
    version = _version(journal, run.id)
    rollout = _rollout(journal, version)
    return Story(
        run=run,
        project=root.name,
        candidate=Candidate.from_dict(judged["candidate"]) if judged.get("candidate") else None,
        verdicts=tuple(Verdict.from_dict(one) for one in judged.get("verdicts", ())),
        refused=judged["outcome"] != "passed" if "outcome" in judged else None,
        against=judged.get("champion"),
        curves=judged.get("curves") or {},
        version=version,
        rollout=rollout,
        held=version is not None and _champion(journal) == str(version.version),
        events=_events(journal, run.id, version, rollout),
    )


def _run(journal: Journal, run_id: str | None) -> Run:
    if run_id is not None and run_id.removeprefix("v").isdecimal():
        number = int(run_id.removeprefix("v"))
        known = [one.value for one in journal.records("version")]
        run_id = next((str(v["run_id"]) for v in known if v.get("version") == number), run_id)
    if run_id is not None:
        record = journal.get("run", run_id)
    else:
        # Ids begin with the time of the run; a record that was written again is not a newer run.
        record = max(journal.records("run"), key=lambda one: one.id, default=None)
    if record is None:
        missing = f"there is no run {run_id}" if run_id else "this project has no run yet"
        raise StateError(
            missing,
            code="report.no-run",
            hint="`penstock history` shows what there is; `penstock run` makes one",
        )
    return Run.from_dict(record.value)


def _version(journal: Journal, run_id: str) -> ModelVersion | None:
    for record in journal.records("version"):
        if record.value.get("run_id") == run_id:
            names = ModelVersion.__slots__
            return ModelVersion(**{k: v for k, v in record.value.items() if k in names})
    return None


def _rollout(journal: Journal, version: ModelVersion | None) -> dict[str, Any] | None:
    if version is None:
        return None
    mine = [
        record.value
        for record in journal.records("rollout")
        if record.value["challenger"]["version"] == str(version.version)
        and record.value.get("operation", "rollout") == "rollout"
    ]
    return max(mine, key=lambda one: float(one.get("started", 0.0)), default=None)


def _champion(journal: Journal) -> str:
    for event in journal.events(type=EventType.CHAMPION_CHANGED, newest_first=True, limit=1):
        return str(event.data.get("version", ""))
    return ""


def _events(
    journal: Journal, run_id: str, version: ModelVersion | None, rollout: dict[str, Any] | None
) -> tuple[Event, ...]:
    subjects = [run_id]
    if version is not None:
        subjects.append(f"{version.model}/{version.version}")
    if rollout is not None:
        subjects.append(str(rollout["id"]))
    found = [event for subject in subjects for event in journal.events(subject=subject)]
    return tuple(sorted(found, key=lambda event: event.id))
