"""What is normal for a model version: made when it is registered, and kept with it.

Its training data says how features are distributed, its own answers on the held-out test data how
predictions are: on rows that it learnt from, a model is surer than it will ever be again. The
answers are made by the very code that serves, in the model's own environment.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.config import Settings
from penstock.domain.version import ModelVersion
from penstock.errors import PenstockError, UnavailableError
from penstock.journal import Journal
from penstock.monitors.drift import PREDICTION
from penstock.monitors.origin import inputs_at, reference_of, remember
from penstock.monitors.reference import Reference, build_reference, read_rows

ARTIFACT = "penstock/reference.json"
"""Where it is beside the model's files in MLflow."""
ROWS = 20_000
"""Rows of the test data that are answered, at most: contiguous stretches of it."""
_STRETCHES = 40
_SCRIPT = """
import json, sys
from penstock.inference import frames
from penstock.serving.batch import Batcher
from penstock.serving.runtimes import load
batcher = Batcher(load(sys.argv[1]))
for line in sys.stdin.buffer:
    (answer,) = batcher.answer([(0, frames.INVOCATIONS_JSON, line)])
    print(json.dumps(json.loads(answer.body)["predictions"]))
"""
_AT_ONCE = 1000


def keep(
    version: ModelVersion,
    model: Path,
    base: Path,
    root: Path,
    settings: Settings,
    journal: Journal,
    client: Any,
) -> Reference | None:
    """Make the reference of a version and keep it: in the journal, and with the model in MLflow.

    A version without one is a version still: drift is then compared with what can be had later.

    Args:
        version: just registered, and in the journal.
        model: directory of the MLflow model.
        base: directory with the test data of its run.
        root: of the project.
        settings: of the project.
        journal: of the project.
        client: MLflow's.

    Returns:
        The reference; None where the training data is not to be had.
    """
    if not settings.monitor.enabled:
        return None
    name, inputs = str(version.version), inputs_at(model)
    try:
        made = reference_of(root, settings, journal, name, inputs=inputs)
    except PenstockError:
        return None  # the watcher says so, with what to do
    try:
        answers = predictions(model, base / settings.model.test_data, settings)
    except (PenstockError, OSError, ValueError):
        answers = []
    known = [one for one in answers if one is not None]
    if known:
        found = build_reference({PREDICTION: known}, window=settings.monitor.window)
        made = replace(made, features={**made.features, **found.features})
        remember(journal, settings, name, made, inputs)
    _attach(version, made, client)
    return made


def predictions(model: Path, data: Path, settings: Settings) -> list[Any]:
    """Return a model's answers on held-out rows, as the prediction log would have them.

    Raises:
        UnavailableError: ``monitor.no-answer``: the model gave none.
        StateError: ``monitor.no-reference``: the rows cannot be read.
    """
    from penstock import packaging
    from penstock.gateway.worker import worker_environment
    from penstock.observations.table import scalar

    frame = read_rows(data)
    frame = frame.drop(columns=[settings.model.target], errors="ignore")
    parts = (frame.iloc[one] for one in _stretches(len(frame)))
    lines = [_body(part) for whole in parts for part in _cut(whole)]
    done = subprocess.run(
        [packaging.resolve(model).python, "-c", _SCRIPT, str(model.absolute())],
        input=b"".join(lines),
        capture_output=True,
        timeout=settings.gates.timeout,
        check=False,
        env=worker_environment(settings.root / ".penstock" / "serve", 1),
    )
    if done.returncode:
        last = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no reason"])[-1]
        raise UnavailableError(f"the model gave no answers: {last}", code="monitor.no-answer")
    return [scalar(one) for line in done.stdout.splitlines() for one in json.loads(line)]


def _stretches(rows: int) -> list[slice]:
    """Return what is taken of so many rows: all, or stretches evenly spaced over them."""
    if rows <= ROWS:
        return [slice(0, rows)]
    length, step = ROWS // _STRETCHES, rows // _STRETCHES
    return [slice(k * step, k * step + length) for k in range(_STRETCHES)]


def _cut(frame: Any) -> list[Any]:
    return [frame.iloc[start : start + _AT_ONCE] for start in range(0, len(frame), _AT_ONCE)]


def _body(frame: Any) -> bytes:
    text: str = frame.to_json(orient="split", index=False, date_format="iso")
    return f'{{"dataframe_split": {text}}}\n'.encode()


def _attach(version: ModelVersion, reference: Reference, client: Any) -> None:
    """Put the reference beside the model in MLflow; a store that refuses it keeps the version."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_model_version(version.model, str(version.version)).run_id
        if run:
            client.log_text(run, json.dumps(reference.to_dict()), ARTIFACT)
    except (MlflowException, PenstockError, OSError):
        return  # the journal has it
