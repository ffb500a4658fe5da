"""A rehearsal: the stage that makes the model, run on a small sample in a copy of the project.

It needs no train function, only dvc.yaml: the stage's command runs as it stands, on a few hundred
rows of each data file it depends on, twice with the same seed and once on a handful of rows. The
models it writes are asked for predictions in processes of their own.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.gates.evaluation import evaluate
from penstock.gates.inputs import making_stage
from penstock.gates.predictions import Predictions
from penstock.gates.process import log_tail, watch, without_secrets
from penstock.gates.training_function import distance, losses
from penstock.gates.training_gate import by_heart, loss_falls, same_seed, small_sample

_KIND = "training-test"
_TABLES = {".parquet", ".pq", ".csv"}
_LEFT_OUT = {".git", ".dvc", ".venv", ".penstock", "mlartifacts", "mlruns", "__pycache__"}
_BIGGEST_COPY = 50 * 2**20
_HANDFUL = 32


@dataclass(frozen=True, slots=True)
class _Stage:
    """What is rehearsed."""

    name: str
    command: list[str]
    place: str
    deps: list[str]


def rehearse(
    root: Path,
    model: str,
    target: str,
    *,
    python: str = sys.executable,
    task: str | None = None,
    rows: int = 500,
    timeout: float = 300.0,
    memory: int = 4 * 2**30,
) -> tuple[Verdict, ...]:
    """Rehearse the training of a project.

    Args:
        root: the project, with the stage's dependencies in place.
        model: path of the model, an output of a stage in dvc.yaml.
        target: the column that is predicted.
        python: the interpreter that loads the model.
        task: as of `Predictions`.
        rows: size of the sample, for each parquet or csv file that has the column `target`.
        timeout: seconds for one training.
        memory: bytes for one training.

    Returns:
        The same questions as `training_test`: whether it trains, the loss falls, a saved model
        answers, the same seed gives the same model, a handful of rows is learnt by heart.
    """
    stage = _stage(root, model)
    if stage is None:
        words = f"no stage of dvc.yaml makes {model}"
        return (Verdict("training works", Outcome.ERROR, words, kind=_KIND),)
    with tempfile.TemporaryDirectory(prefix="penstock-rehearsal-") as folder:
        base = Path(folder)
        runs: list[Predictions] = []
        for number, size in enumerate((rows, rows, _HANDFUL)):
            copy = base / str(number)
            data = _copy(root, copy, stage, target, size)
            if data is None:
                words = f"no parquet or csv file that {stage.name} reads has the column {target}"
                return (Verdict("training works", Outcome.INCONCLUSIVE, words, kind=_KIND),)
            trouble = _train(copy, stage, timeout, memory)
            if trouble is None and not (copy / model).exists():
                trouble = f"it left no {model}"
            if trouble is not None:
                words = f"training on {size} rows failed: {trouble}"
                return (*_first(runs, words),)
            runs.append(
                evaluate(
                    copy / model, python, data, target, task=task, memory=memory, latency_requests=0
                )
            )
            if not runs[-1].ok:
                words = f"a saved model cannot be used again: {runs[-1].error}"
                name = "a saved model answers the same"
                return (_works(rows), Verdict(name, Outcome.FAILED, words, kind=_KIND))
        return _judge(runs, base, target, rows)


def _judge(runs: list[Predictions], base: Path, target: str, rows: int) -> tuple[Verdict, ...]:
    first, _, small = (one.labels for one in runs)
    assert first is not None
    assert small is not None
    truths = [pd.read_parquet(base / str(k) / ".sample.parquet")[target] for k in (0, 2)]
    found = dict(zip(("loss", "baseline"), losses(truths[0], first), strict=True))
    tiny = dict(zip(("small_loss", "small_baseline"), losses(truths[1], small), strict=True))
    tiny["small_rows"] = len(truths[1])
    words = f"a saved model answers all {len(first):,} rows in a fresh process"
    saved = Verdict("a saved model answers the same", Outcome.PASSED, words, kind=_KIND)
    verdicts = (_works(rows), loss_falls(found), saved, same_seed(_differ(*runs[:2])))
    return (*verdicts, by_heart(tiny))


def _works(rows: int) -> Verdict:
    evidence = Evidence("rows in the sample", float(rows), n=rows, method="rehearsal")
    words = f"the stage ran on a sample of {rows} rows"
    return Verdict("training works", Outcome.PASSED, words, kind=_KIND, evidence=(evidence,))


def _first(runs: list[Predictions], words: str) -> tuple[Verdict, ...]:
    """Say that training failed; on a handful of rows only, that is no more than a warning."""
    made = Verdict("training works", Outcome.FAILED, words, kind=_KIND)
    return (replace(made, blocking=len(runs) < 2),)


def _differ(one: Predictions, other: Predictions) -> float:
    """Compare probabilities where there are any: the same labels hide what a seed changes."""
    if one.scores is not None:
        return distance(one.scores, other.scores)
    return distance(one.labels, other.labels)


def _stage(root: Path, model: str) -> _Stage | None:
    found = making_stage(root, model)
    if found is None:
        return None
    name, item = found
    command = item["cmd"] if isinstance(item["cmd"], list) else str(item["cmd"]).splitlines()
    place = str(item.get("wdir") or ".")
    return _Stage(name, [str(one) for one in command], place, item["deps"])


def _copy(root: Path, copy: Path, stage: _Stage, target: str, rows: int) -> Path | None:
    """Copy the project with its data cut down; return the sample that the model learns from."""
    sample: Path | None = None
    place = (root / stage.place).resolve()
    deps = {(place / one).resolve() for one in stage.deps}
    for file in _files(root):
        goal = copy / file.relative_to(root)
        within = any(file.resolve() == one or one in file.resolve().parents for one in deps)
        if not within and file.stat().st_size > _BIGGEST_COPY:
            continue
        goal.parent.mkdir(parents=True, exist_ok=True)
        if not (within and file.suffix in _TABLES):
            shutil.copy(file, goal)
            continue
        frame = _cut(file, goal, target, rows)
        if sample is None and frame is not None:
            sample = copy / ".sample.parquet"
            frame.to_parquet(sample)
    return sample


def _files(root: Path) -> list[Path]:
    return sorted(
        one
        for one in root.rglob("*")
        if one.is_file() and not _LEFT_OUT.intersection(one.relative_to(root).parts)
    )


def _cut(file: Path, goal: Path, target: str, rows: int) -> pd.DataFrame | None:
    """Write a sample of a table; return it if it has the target."""
    parquet = file.suffix != ".csv"
    frame = pd.read_parquet(file) if parquet else pd.read_csv(file)
    labelled = target in frame
    cut = small_sample(frame, target, rows) if labelled else frame
    if parquet:
        cut.to_parquet(goal)
    else:
        cut.to_csv(goal, index=False)
    return cut if labelled else None


def _train(copy: Path, stage: _Stage, timeout: float, memory: int) -> str | None:
    """Run the stage's command in the copy; return what went wrong."""
    environment = without_secrets(
        {
            "DVC_ROOT": str(copy),
            "DVC_STAGE": stage.name,
            "PENSTOCK_REHEARSAL": "1",
            "MLFLOW_TRACKING_URI": f"sqlite:///{copy}/mlflow.db",
            "PYTHONHASHSEED": "0",
            "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        }
    )
    log = copy / ".rehearsal.log"
    for line in stage.command:
        trouble = watch(
            ["/bin/sh", "-c", line],
            log,
            cwd=copy / stage.place,
            environment=environment,
            timeout=timeout,
            memory=memory,
        )
        if trouble is not None:
            tail = log_tail(log)
            return f"it {trouble}" + (f": {tail[-1]}" if tail else "")
    return None
