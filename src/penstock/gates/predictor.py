"""The process that answers for one model: `python -m penstock.gates.predictor REQUEST.json`.

It runs in the model's own interpreter, is watched and killed by `evaluation`, and imports nothing
of penstock but `loaded_model` and `plain_table`. REQUEST is JSON: `model`, `data`, `target`, `out`
and the limits of the measurements. The answer is one ``.npz`` file at `out`, in the form of
`Predictions.save`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from penstock.gates.loaded_model import LoadedModel, load_model
from penstock.gates.plain_table import SUFFIX, read_plain

MAX_CLASSES = 20
"""A numeric target with at most so many distinct whole values is taken for classes."""
_WARM_UP = 20
_ROUNDS = 5
_PARQUET = (".parquet", ".pq")


class CannotReadError(Exception):
    """The test data is in a form that this interpreter has no library for."""


def main(argv: list[str]) -> int:
    """Answer one request; a traceback on standard error and status 1 when the model cannot."""
    _die_with_parent()
    request = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    try:
        _answer(request)
    except Exception as error:  # anything that a model's code raises is its answer
        traceback.print_exc()
        sys.stderr.flush()
        note = json.dumps({"type": type(error).__name__, "message": str(error)})
        with contextlib.suppress(OSError):
            Path(argv[0] + ".error").write_text(note, encoding="utf-8")
        return 1
    return 0


def _answer(request: dict[str, Any]) -> None:
    import numpy as np
    import pandas as pd

    _can_read(request["data"])
    _ = pd.DataFrame({"x": [0.0]}).to_numpy()  # pandas is in memory before the model is weighed
    facts: dict[str, Any] = {"ok": True}
    before = time.perf_counter()
    model = load_model(request["model"])
    facts["load_seconds"] = time.perf_counter() - before
    loaded = _resident()
    frame = _read(request["data"])
    target = frame.pop(request["target"]) if request["target"] in frame else None
    frame = _inputs(frame, model)
    facts["n"] = len(frame)
    if len(frame) == 0:
        raise ValueError("the test data has no rows")
    grown = _resident()
    facts.update(_latency(model, frame, request["latency_requests"], request["latency_seconds"]))
    facts["memory"] = float(loaded + max(0, _resident() - grown))
    before = time.perf_counter()
    arrays = answers(model, frame, target, batch=request["batch_rows"], task=request.get("task"))
    facts["predict_seconds"] = time.perf_counter() - before
    facts["nonfinite"] = sum(
        int(np.count_nonzero(~np.isfinite(one)))
        for name, one in arrays.items()
        if name != "classes" and one.dtype.kind == "f" and (name != "scores" or one.ndim == 2)
    )
    facts["memory_peak"] = float(_peak())
    part = Path(request["out"] + ".tmp")
    with part.open("wb") as out:
        np.savez(out, facts=np.asarray(json.dumps(facts)), **arrays)
    part.replace(request["out"])


def _can_read(path: str) -> None:
    """Give up early, before the model is loaded, when nothing here reads parquet.

    Raises:
        CannotReadError: then the rows are handed over in plain arrays.
    """
    from importlib.util import find_spec

    if path.endswith(_PARQUET) and not (find_spec("pyarrow") or find_spec("fastparquet")):
        raise CannotReadError("neither pyarrow nor fastparquet is in the model's environment")


def _read(path: str) -> Any:
    import pandas as pd

    if path.endswith(SUFFIX):
        return read_plain(path)
    if path.endswith(_PARQUET):
        return pd.read_parquet(path)
    return pd.read_csv(path, sep="\t" if ".tsv" in Path(path).name else ",")


def _inputs(frame: Any, model: LoadedModel) -> Any:
    if model.inputs is None:
        return frame
    missing = [one for one in model.inputs if one not in frame]
    if missing:
        raise KeyError(f"the test data lacks columns that the model wants: {', '.join(missing)}")
    return frame[model.inputs]


def _latency(model: LoadedModel, frame: Any, requests: int, seconds: float) -> dict[str, Any]:
    """Time single rows through the model's predict, warm, in a few rounds; the best round counts.

    What else runs on the machine only ever adds to a latency, so the round that it disturbed
    least is the nearest to what the model itself needs.
    """
    import numpy as np

    rows = [frame.iloc[[k % len(frame)]] for k in range(min(requests, 512))]
    for row in rows[:_WARM_UP]:
        model.predict(row)
    rounds: list[list[float]] = []
    end = time.perf_counter() + seconds
    while rows and len(rounds) < _ROUNDS and (not rounds or time.perf_counter() < end):
        taken: list[float] = []
        for k in range(max(1, requests // _ROUNDS)):
            start = time.perf_counter()
            model.predict(rows[k % len(rows)])
            stop = time.perf_counter()
            taken.append(stop - start)
            if stop > end:
                break
        rounds.append(taken)
    full = [one for one in rounds if len(one) == len(rounds[0])]
    if not full:
        return {}
    p50, p99 = min((np.quantile(one, [0.5, 0.99]) for one in full), key=lambda pair: pair[1])
    total = sum(len(one) for one in rounds)
    return {"latency_p50": float(p50), "latency_p99": float(p99), "latency_n": total}


def answers(
    model: LoadedModel, frame: Any, target: Any, *, batch: int, task: str | None = None
) -> dict[str, Any]:
    """Return what a model says about rows, as the arrays of `Predictions`.

    Args:
        model: that answers.
        frame: the rows, without the target.
        target: the true answers, which tell which classes there are; None when not known.
        batch: rows asked at once.
        task: as of `Predictions`; None is found out.

    Raises:
        KeyError: the rows lack a column that the model wants.
        ValueError: the model gives another number of answers than there are rows.
    """
    import numpy as np

    frame = _inputs(frame, model)
    parts, scores = [], []
    for start in range(0, len(frame), batch):
        rows = frame.iloc[start : start + batch]
        parts.append(_plain(model.predict(rows)))
        if len(parts[-1]) != len(rows):
            raise ValueError(f"the model answered {len(parts[-1])} rows for {len(rows)}")
        if model.proba is not None:
            scores.append(np.asarray(model.proba(rows), dtype=np.float64))
    answer = np.concatenate(parts)
    proba = np.concatenate(scores) if scores else None
    return _shape(model, answer, proba, target, task)


def _shape(
    model: LoadedModel, answer: Any, proba: Any, target: Any, task: str | None
) -> dict[str, Any]:
    """Turn what the model said into labels, scores and classes."""
    import numpy as np

    known = _target_classes(target)
    if answer.ndim == 2 and answer.shape[1] == 1:
        answer = answer[:, 0]
    kind = {"classification": "classifier", "regression": "regressor", "ranking": "regressor"}
    wanted = kind.get(task or "", model.kind)
    if wanted == "regressor" or (wanted != "classifier" and known is None and proba is None):
        values = np.asarray(answer, dtype=np.float64)
        return {"labels": values, "scores": values}
    if proba is not None and proba.ndim == 2:
        classes = model.classes if model.classes is not None else known
        if classes is None or len(classes) != proba.shape[1]:
            classes = np.arange(proba.shape[1])
        classes = _text(np.asarray(classes))
        labels = answer if answer.ndim == 1 else classes[proba.argmax(axis=1)]
        return {"labels": labels, "scores": proba, "classes": classes}
    return _from_answer(answer, known, certain=wanted == "classifier")


def _from_answer(answer: Any, known: Any, *, certain: bool) -> dict[str, Any]:
    """Read classes and probabilities out of a single answer per row."""
    import numpy as np

    number = answer.dtype.kind == "f"
    inside = number and bool(np.all((answer >= 0) & (answer <= 1)))
    if answer.ndim == 2 and inside and np.allclose(answer.sum(axis=1), 1, atol=1e-4):
        classes = known if known is not None and len(known) == answer.shape[1] else None
        classes = np.arange(answer.shape[1]) if classes is None else classes
        return {"labels": classes[answer.argmax(axis=1)], "scores": answer, "classes": classes}
    if answer.ndim != 1:
        raise ValueError(f"cannot read answers of shape {answer.shape}: one per row is wanted")
    whole = not number or bool(np.all(answer == np.round(answer)))
    if inside and not whole and known is not None and len(known) == 2:
        scores = np.column_stack([1 - answer, answer])
        labels = known[(answer >= 0.5).astype(int)]
        return {"labels": labels, "scores": scores, "classes": known}
    if number and not whole and not certain:
        return {"labels": answer, "scores": answer}
    labels = answer.astype(np.int64) if number and whole and _is_int(known) else answer
    classes = np.unique(labels) if known is None else known
    return {"labels": labels, "classes": classes}


def _is_int(known: Any) -> bool:
    return known is None or known.dtype.kind in "iu"


def _target_classes(target: Any) -> Any:
    """Return the sorted classes of a target that looks like classes, else None."""
    import numpy as np

    if target is None:
        return None
    distinct = target.dropna().unique()
    values = _text(np.asarray(list(distinct)))
    if values.dtype.kind in "USb":
        return np.sort(values)
    if values.dtype.kind in "iuf" and len(values) <= MAX_CLASSES:
        whole = bool(np.all(values == np.round(values)))
        return np.sort(values.astype(np.int64)) if whole else None
    return None


def _plain(answer: Any) -> Any:
    """Return the answers as an array of text, numbers or truth values."""
    import numpy as np

    if isinstance(answer, dict):
        answer = next(iter(answer.values()))
    if hasattr(answer, "to_numpy"):
        answer = answer.to_numpy()
    return _text(np.asarray(answer))


def _text(values: Any) -> Any:
    import numpy as np

    if values.dtype.kind != "O":
        return values
    plain = np.asarray(values.tolist())
    return plain if plain.dtype.kind != "O" else plain.astype(str)


def _resident() -> int:
    """Return the bytes of memory that this process holds now."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return _peak()
    return pages * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _die_with_parent() -> None:
    """Ask the kernel to end this process when the one that watches it is gone."""
    if sys.platform == "linux":
        import ctypes
        import signal

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
