"""Evaluation: a model answers for a test set, in its own interpreter and under limits."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError, PenstockError
from penstock.gates.plain_table import SUFFIX, write_plain
from penstock.gates.predictions import Predictions
from penstock.gates.process import log_tail, watch, without_secrets

TIMEOUT = 600.0
"""Seconds that an evaluation may take by default."""
MEMORY = 4 * 2**30
"""Bytes that an evaluation may hold by default."""
_POLL_SECONDS = 0.05
_TAIL_LINES = 20

# The model's interpreter does not have penstock: the two modules are imported from where they
# stand here, without letting it see the packages that penstock is installed among.
_BOOTSTRAP = """
import sys, types
for name, path in (("penstock", sys.argv[1]), ("penstock.gates", sys.argv[1] + "/gates")):
    module = types.ModuleType(name)
    module.__path__ = [path]
    sys.modules[name] = module
from penstock.gates.predictor import main
sys.exit(main(sys.argv[2:]))
"""

_CANNOT_READ = "CannotReadError: "

Serving = Callable[[Path], tuple[float, float, float]]
"""Measures a model on the real serving path: (p50 in seconds, p99 in seconds, bytes of memory)."""


def evaluate(
    model_path: Path,
    python: str,
    data: Path,
    target: str,
    *,
    timeout: float = TIMEOUT,
    memory: int = MEMORY,
    task: str | None = None,
    batch_rows: int = 65_536,
    latency_requests: int = 1000,
    latency_seconds: float = 3.0,
    serving: Serving | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    scratch: Path | None = None,
) -> Predictions:
    """Let a model predict a test set in a process of its own.

    Args:
        model_path: an MLflow model directory, or a file: pickle, joblib, ONNX, XGBoost's or
            LightGBM's own. Scan it first.
        python: the interpreter of the model's environment.
        data: parquet or csv, with the column `target`.
        target: what is predicted; the model does not see it.
        timeout: seconds for loading, measuring and predicting together.
        memory: bytes for the process and its children together (resident).
        task: ``classification``, ``regression`` or ``ranking``; by default found from the model
            and the target.
        batch_rows: rows predicted at once.
        latency_requests: single rows timed, at most; 0 for none.
        latency_seconds: how long single rows are timed, at most.
        serving: measures latency and memory on the real serving path instead.
        environment: variables added to the process's own; names that look like secrets are
            never passed on from penstock's.
        cwd: where the process stands; by default the directory of `data`.
        scratch: where temporary files are made.

    Returns:
        Answers in the order of the rows. A crash, a time-out, too much memory or a wrong number
        of answers is `Predictions` with `ok` False and the reason in words.

    Raises:
        ConfigError: ``gates.no-test-data`` or ``gates.no-model`` when a path does not exist.
        StateError: ``gates.no-interpreter`` when `python` cannot be started.
    """
    _check_paths(model_path, data)
    with tempfile.TemporaryDirectory(prefix="penstock-evaluate-", dir=scratch) as folder:
        request = {
            "model": str(model_path.absolute()),
            "data": str(data.absolute()),
            "target": target,
            "task": task,
            "batch_rows": batch_rows,
            "latency_requests": 0 if serving else latency_requests,
            "latency_seconds": latency_seconds,
        }
        ask = partial(
            _ask,
            python,
            Path(folder),
            cwd=cwd or data.absolute().parent,
            environment=without_secrets(environment),
            timeout=timeout,
            memory=memory,
        )
        found = ask(request)
        if found.error is not None and _CANNOT_READ in found.error:
            found = ask({**request, "data": _in_plain(data, Path(folder))})
    found = replace(found, size=float(_size(model_path)))
    return _on_serving_path(found, model_path, serving) if serving and found.ok else found


def _ask(
    python: str,
    folder: Path,
    request: dict[str, Any],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    timeout: float,
    memory: int,
) -> Predictions:
    file, out, log = (folder / one for one in ("request.json", "predictions.npz", "log"))
    file.write_text(json.dumps({**request, "out": str(out)}), encoding="utf-8")
    package = str(Path(__file__).parent.parent)
    command = [python, "-c", _BOOTSTRAP, package, str(file)]
    trouble = watch(command, log, cwd=cwd, environment=environment, timeout=timeout, memory=memory)
    return _collect(trouble, out, file, log)


def _in_plain(data: Path, folder: Path) -> str:
    """Read parquet here, where there is a library for it, and hand it over in plain arrays."""
    import pandas as pd

    plain = str(folder / f"rows{SUFFIX}")
    write_plain(pd.read_parquet(data), plain)
    return plain


def _check_paths(model_path: Path, data: Path) -> None:
    if not data.is_file():
        raise ConfigError(
            f"the test data {data} does not exist",
            code="gates.no-test-data",
            hint="run the stage that makes it, or correct model.test_data in penstock.yaml",
        )
    if not model_path.exists():
        raise ConfigError(
            f"the model {model_path} does not exist",
            code="gates.no-model",
            hint="run the stage that makes it, or correct model.path in penstock.yaml",
        )


def _collect(trouble: str | None, out: Path, request: Path, log: Path) -> Predictions:
    tail = log_tail(log)
    if trouble is None and out.exists():
        try:
            return replace(Predictions.load(out), log_tail=tail)
        except PenstockError as error:
            trouble = error.message
    note = Path(f"{request}.error")
    if note.exists():
        try:
            item = json.loads(note.read_text(encoding="utf-8"))
            trouble = f"{item['type']}: {item['message']}".strip().rstrip(":")
        except (ValueError, KeyError):
            pass  # the process died while it wrote the note: its ending is known all the same
    elif tail and trouble:
        trouble = f"{trouble}; its last line was: {tail[-1]}"
    return Predictions(ok=False, error=f"the model {_verb(trouble)}", log_tail=tail)


def _verb(trouble: str | None) -> str:
    if trouble is None:
        return "ended without an answer"
    plain = trouble.startswith(("took", "crashed", "ended"))
    return trouble if plain else f"could not answer: {trouble}"


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


def _on_serving_path(found: Predictions, model_path: Path, serving: Serving) -> Predictions:
    try:
        p50, p99, memory = serving(model_path)
    except (PenstockError, OSError, ValueError) as error:
        return replace(found, ok=False, error=f"the model could not be served: {error}")
    return replace(found, latency_p50=p50, latency_p99=p99, memory=memory, served=True)


DEFAULT_PYTHON = sys.executable
"""The interpreter for models that have no environment of their own."""
