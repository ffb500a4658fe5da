"""Plain model files (pickle, joblib, ONNX, XGBoost, LightGBM) wrapped as MLflow model directories.

A plain file does not say which columns it wants or which packages it needs, and MLflow cannot
serve it. The wrapping is done once per content, in a process of its own: to load a model is to
run its code. Scan it first.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from penstock.errors import StateError
from penstock.packaging.apart import run_apart

_HINT = (
    "let the stage save an MLflow model directory itself (such as `mlflow.sklearn.save_model(model,"
    ' "models/model")`) and name that in model.path'
)


def as_mlflow(
    file: Path,
    digest: str,
    root: Path,
    *,
    base: Path,
    data: Path,
    target: str,
    timeout: float,
    environment: Mapping[str, str],
) -> Path:
    """Return the MLflow model directory of a plain model file, made when it is not there yet.

    Args:
        file: the model: ``.joblib``, ``.jl``, ``.onnx``, XGBoost's ``.json`` or ``.ubj``,
            LightGBM's ``.txt``, or else a pickle.
        digest: of its content.
        root: the project, whose ``.penstock/models`` keeps the directories.
        base: where the pipeline ran: modules of the project are imported from there (and from
            its ``src``), and go into the model.
        data: held-out rows, of which the model's signature is taken.
        target: the column that the model does not see.
        timeout: seconds that loading, asking and saving may take together.
        environment: variables of the process.

    Raises:
        StateError: ``packaging.not-a-model`` when the file cannot be loaded, or holds nothing
            that predicts.
    """
    place = root / ".penstock" / "models" / digest
    if (place / "MLmodel").is_file():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f"{digest}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    names = {"file": file, "out": fresh, "base": base, "data": data}
    request = {name: str(path.absolute()) for name, path in names.items()} | {"target": target}
    words = [sys.executable, "-P", "-m", "penstock.packaging.wrapping", json.dumps(request)]
    ended = run_apart(words, cwd=base, env=environment, timeout=timeout)
    if ended.why is not None:
        shutil.rmtree(fresh, ignore_errors=True)
        raise StateError(
            f"{file.name} cannot be made a model that is served: {ended.why}",
            code="packaging.not-a-model",
            hint=_HINT,
            log_tail=list(ended.said[-12:-1]),
        )
    try:
        fresh.replace(place)
    except OSError:
        if not (place / "MLmodel").is_file():
            raise
        shutil.rmtree(fresh, ignore_errors=True)  # another process was faster
    return place
