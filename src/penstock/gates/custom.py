"""Metrics of the user's own: ``module:function``, called in a process of its own.

The function takes ``(target, predicted)``, arrays of n rows, and ``scores`` where it has a
parameter of that name; it returns a number, or n numbers whose mean is the metric. With ``low=``
and ``high=`` in the condition the latter has a finite-sample interval; anything else has an
approximate one.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.errors import StateError
from penstock.gates.answers import Answers, Unmeasurable
from penstock.gates.conditions import Term
from penstock.gates.metrics import PerRow
from penstock.gates.process import log_tail, watch, without_secrets
from penstock.gates.scored import Scored

Rows = NDArray[np.int64]

_PROGRAM = """
import importlib, inspect, json, sys, traceback
root = sys.argv[1]
sys.path[:0] = [root, root + "/src"]
import numpy as np
def end(words):
    print(words, flush=True)
    sys.exit(3)
try:
    module = importlib.import_module(sys.argv[2])
except ImportError as error:
    end(f"{sys.argv[2]} cannot be imported from {root} or its src: {error}")
function = getattr(module, sys.argv[3], None)
if not callable(function):
    known = [k for k, v in vars(module).items() if inspect.isfunction(v) and not k.startswith("_")]
    end(f"{module.__file__} has no function {sys.argv[3]}; it has {', '.join(known) or 'none'}")
with np.load(sys.argv[4], allow_pickle=False) as file:
    data = {name: file[name] for name in file.files}
columns, options = [data["target"], data["predicted"]], json.loads(sys.argv[6])
try:
    wanted = inspect.signature(function).parameters
except ValueError:
    wanted = {}
scores = data.get("scores") if "scores" in wanted else None
if "scores" in wanted and scores is None:
    end("it wants scores, and the model gives none")
found = []
for index in range(int(data["sets"])):
    rows = data[f"rows{index}"]
    extra = {} if scores is None else {"scores": scores[rows]}
    try:
        told = function(*(column[rows] for column in columns), **extra, **options)
    except Exception as error:
        traceback.print_exc()
        mine = [one for one in traceback.extract_tb(error.__traceback__) if one.filename[:1] != "<"]
        where = f" ({mine[-1].filename.removeprefix(root + '/')}:{mine[-1].lineno})" if mine else ""
        end(f"{type(error).__name__}: {error}{where}")
    try:
        found.append(np.asarray(told, float))
    except (TypeError, ValueError):
        end(f"it returned {type(told).__name__}, not a number or one number per row")
np.savez(sys.argv[5], **{f"found{index}": one for index, one in enumerate(found)})
"""


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where and within which limits the user's functions run.

    Attributes:
        root: the project; modules are imported from it and from its ``src``.
        python: the interpreter, with numpy and whatever the functions import.
        timeout: seconds for one call.
        memory: bytes that it may hold.
    """

    root: Path
    python: str = sys.executable
    timeout: float = 120.0
    memory: int = 4 * 2**30


def by_function(answers: Answers, term: Term, workshop: Workshop) -> PerRow | Scored:
    """Compute a metric by a function of the user's.

    Args:
        answers: of one model.
        term: its metric is ``module:function``; options other than low and high are passed on.
        workshop: where it runs.

    Raises:
        Unmeasurable: when the function is not there, fails, takes too long or too much memory, or
            returns something else.
    """
    low, high = term.option("low"), term.option("high")
    n = answers.target.size
    (found,) = _call(answers, term, workshop, [np.arange(n)])
    if found.shape == (n,) and n != 1:
        if not np.isfinite(found).all():
            raise Unmeasurable(f"{term.metric} returned NaN or infinity")
        if isinstance(low, float) and isinstance(high, float) and low < high:
            outside = bool((found < low).any() or (found > high).any())
            kept = np.clip(found, low, high)
            return PerRow(kept, low, high, clipped=high if outside else None)
        return PerRow(found, -np.inf, np.inf)
    if found.size != 1:
        message = f"{term.metric} returned {found.size} numbers for {n} rows: 1 or {n} are meant"
        raise Unmeasurable(message)

    def score(sets: Sequence[Rows]) -> list[float]:
        return [float(one.ravel()[0]) for one in _call(answers, term, workshop, sets)]

    return Scored(score, n)


def _call(
    answers: Answers, term: Term, workshop: Workshop, sets: Sequence[Rows]
) -> list[NDArray[np.float64]]:
    module, _, function = term.metric.partition(":")
    options = {key: value for key, value in term.options if key not in {"low", "high"}}
    with tempfile.TemporaryDirectory(prefix="penstock-metric-") as folder:
        given, told, log = (Path(folder) / one for one in ("given.npz", "told.npz", "log"))
        arrays: dict[str, Any] = {"target": _plain(answers.known)}
        arrays["predicted"] = _plain(answers.labels)
        if answers.predictions.scores is not None:
            arrays["scores"] = answers.predictions.scores
        arrays |= {f"rows{index}": rows for index, rows in enumerate(sets)}
        np.savez(given, sets=np.asarray(len(sets)), **arrays)
        root = str(workshop.root.absolute())
        names = [root, module, function, str(given), str(told), json.dumps(options)]
        try:
            trouble = watch(
                [workshop.python, "-P", "-c", _PROGRAM, *names],
                log,
                cwd=workshop.root,
                environment=without_secrets(),
                timeout=workshop.timeout,
                memory=workshop.memory,
            )
        except StateError:
            message = f"{term.metric} cannot be called: there is no interpreter {workshop.python}"
            raise Unmeasurable(f"{message} (gates.python)") from None
        if trouble is not None or not told.exists():
            raise Unmeasurable(f"{term.metric} {_reason(trouble, log_tail(log))}")
        with np.load(told, allow_pickle=False) as file:
            return [file[f"found{index}"] for index in range(len(sets))]


def _reason(trouble: str | None, tail: Sequence[str]) -> str:
    """Say why there is no number: what the program said, else how it ended."""
    if trouble is not None and trouble.startswith("took"):
        return trouble
    return f"failed: {tail[-1]}" if tail else trouble or "ended without an answer"


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(str) if values.dtype.kind == "O" else values
