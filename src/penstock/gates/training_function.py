"""The process in which a train function is put to the test; runs in the project's interpreter.

`python -m penstock.gates.training_function REQUEST.json`. REQUEST names `function`
(``module:name`` or ``file.py:name``), `data`, `target`, `seed`, `folder`, `out` and `root`. The
function is called with the rows, and with whichever of `target` and `seed` it has parameters for;
it returns a model with `predict`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import pickle
import random
import sys
import traceback
from pathlib import Path
from typing import Any

SMALL = 32
"""Rows that a model must be able to learn by heart."""


def main(argv: list[str]) -> int:
    """Train a few times; write what was found as JSON: a step that failed has its error there."""
    request = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    out = Path(request["out"])
    found: dict[str, Any] = {}
    try:
        _exam(request, found)
    except Exception as error:  # whatever the project's code raises is the answer
        traceback.print_exc()
        found["error"] = f"{type(error).__name__}: {error}"
    out.write_text(json.dumps(found), encoding="utf-8")
    return 0


def _exam(request: dict[str, Any], found: dict[str, Any]) -> None:
    import numpy as np
    import pandas as pd

    sys.path[:0] = [request["root"], str(Path(request["root"]) / "src")]
    function = _load(request["function"], Path(request["root"]))
    frame = pd.read_parquet(request["data"])
    target = request["target"]
    seed = int(request["seed"])

    def train(rows: Any, seed: int) -> Any:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 - the global state is what user code draws from
        return _call(function, rows, target, seed)

    model = train(frame, seed)
    inputs = frame.drop(columns=[target])
    first = _answers(model, inputs)
    found["trained"] = True
    found["seed_parameter"] = "seed" in inspect.signature(function).parameters
    found["loss"], found["baseline"] = losses(frame[target], first)
    found["curve"] = _curve(model)

    saved = Path(request["folder"]) / "model.pkl"
    saved.write_bytes(pickle.dumps(model))
    found["saved"] = str(saved)
    found["predictions"] = _plain(first)

    chances = _chances(model, inputs)
    again = train(frame, seed)
    if chances is None:
        found["same_seed"] = distance(first, _answers(again, inputs))
    else:
        found["same_seed"] = distance(chances, _chances(again, inputs))

    small = _small(frame, target)
    by_heart = _answers(train(small, seed), small.drop(columns=[target]))
    found["small_loss"], found["small_baseline"] = losses(small[target], by_heart)
    found["small_rows"] = len(small)


def reload(saved: str, data: str, target: str, out: str, root: str) -> None:
    """Load a saved model in a fresh process and write down its predictions."""
    import pandas as pd

    sys.path[:0] = [root, str(Path(root) / "src")]
    frame = pd.read_parquet(data).drop(columns=[target])
    with Path(saved).open("rb") as file:
        model = pickle.load(file)  # noqa: S301 - written by `main` just before
    Path(out).write_text(json.dumps(_plain(_answers(model, frame))), encoding="utf-8")


def _load(name: str, root: Path) -> Any:
    where, _, attribute = name.rpartition(":")
    if where.endswith(".py"):
        file = root / where
        spec = importlib.util.spec_from_file_location(file.stem, file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{where} is not a Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[file.stem] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    found = module
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def _call(function: Any, rows: Any, target: str, seed: int) -> Any:
    known = inspect.signature(function).parameters
    open_ended = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in known.values())
    offered = {"target": target, "seed": seed, "random_state": seed}
    return function(rows, **{k: v for k, v in offered.items() if k in known or open_ended})


def _answers(model: Any, inputs: Any) -> Any:
    import numpy as np

    return np.asarray(model.predict(_wanted(model, inputs)))


def _chances(model: Any, inputs: Any) -> Any:
    """Return probabilities, None without: labels of the rows learnt hide what a seed changes."""
    import numpy as np

    ask = getattr(model, "predict_proba", None)
    return None if ask is None else np.asarray(ask(_wanted(model, inputs)))


def _wanted(model: Any, inputs: Any) -> Any:
    names = getattr(model, "feature_names_in_", None)
    return inputs[list(names)] if names is not None else inputs


def losses(truth: Any, answers: Any) -> tuple[float, float]:
    """Return the loss of the answers and of the best constant answer: errors, or squares."""
    import numpy as np

    actual = np.asarray(truth.to_numpy())
    if answers.ndim == 2:
        answers = answers[:, 0] if answers.shape[1] == 1 else answers.argmax(axis=1)
    if actual.dtype.kind == "f" and len(np.unique(actual)) > 20:
        return float(np.mean((actual - answers) ** 2)), float(np.var(actual))
    if actual.dtype.kind in "iub" and answers.dtype.kind == "f":
        answers = np.round(answers)
    common = truth.mode().iloc[0]
    return float(np.mean(answers != actual)), float(np.mean(actual != common))


def _curve(model: Any) -> list[float] | None:
    """Return the loss after each round, from the libraries that keep it."""
    last = model
    while hasattr(last, "steps"):
        last = last.steps[-1][1]
    for name in ("loss_curve_", "train_score_"):
        values = getattr(last, name, None)
        if values is not None and len(values) > 1:
            curve = [float(one) for one in values]
            grows = name == "train_score_" and type(last).__name__.startswith("Hist")
            return [-one for one in curve] if grows else curve
    results = getattr(last, "evals_result_", None)
    if results:
        metric = next(iter(next(iter(results.values())).values()))
        return [float(one) for one in metric]
    return None


def _small(frame: Any, target: str) -> Any:
    """Return a few rows with all labels among them and no two alike in their features."""
    distinct = frame.drop_duplicates(subset=[one for one in frame if one != target])
    groups = distinct.groupby(target, sort=True, observed=True)
    if groups.ngroups <= SMALL // 4:
        return groups.head(max(1, SMALL // groups.ngroups)).head(SMALL)
    return distinct.head(SMALL)


def distance(one: Any, other: Any) -> float:
    """Return the share of rows whose answers differ; of numbers, beyond rounding."""
    import numpy as np

    if other is None or one.shape != other.shape:
        return 1.0
    if one.dtype.kind == "f":
        rounding = 1e-9 if one.dtype.itemsize >= 8 else 1e-5
        differ = ~np.isclose(one, other, rtol=rounding, atol=rounding / 1000, equal_nan=True)
    else:
        differ = one != other
    return float(np.mean(differ.reshape(len(differ), -1).any(axis=1)))


def _plain(answers: Any) -> list[Any]:
    return [
        one if isinstance(one, str | int | float | bool) else str(one) for one in answers.tolist()
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
