"""Metrics of the user's own: ``module:function``, called in a process of its own.

The function takes ``(target, predicted)``, arrays of n rows, and ``scores`` where it has a
parameter of that name; it returns a number, or n numbers whose mean is the metric. With ``low=``
and ``high=`` in the condition the latter has a finite-sample interval; anything else has an
approximate one.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.gates.answers import Answers, Unmeasurable
from penstock.gates.conditions import Term
from penstock.gates.metrics import PerRow
from penstock.gates.scored import Scored

Rows = NDArray[np.int64]

_SECONDS = 120.0
_PROGRAM = """
import importlib, inspect, json, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
try:
    function = getattr(importlib.import_module(sys.argv[2]), sys.argv[3])
except (ImportError, AttributeError) as error:
    sys.exit(f"there is no function {sys.argv[2]}:{sys.argv[3]}: {error}")
with np.load(sys.argv[4], allow_pickle=False) as file:
    data = {name: file[name] for name in file.files}
columns, options = [data["target"], data["predicted"]], json.loads(sys.argv[6])
try:
    wanted = inspect.signature(function).parameters
except ValueError:
    wanted = {}
scores = data.get("scores") if "scores" in wanted else None
found = []
for index in range(int(data["sets"])):
    rows = data[f"rows{index}"]
    extra = {} if scores is None else {"scores": scores[rows]}
    told = function(*(column[rows] for column in columns), **extra, **options)
    found.append(np.asarray(told, float))
np.savez(sys.argv[5], **{f"found{index}": one for index, one in enumerate(found)})
"""


def by_function(answers: Answers, term: Term, root: Path) -> PerRow | Scored:
    """Compute a metric by a function of the user's.

    Args:
        answers: of one model.
        term: its metric is ``module:function``; options other than low and high are passed on.
        root: directory that the module is imported from.

    Raises:
        Unmeasurable: when the function is not there, fails, or returns something else.
    """
    low, high = term.option("low"), term.option("high")
    n = answers.target.size
    (found,) = _call(answers, term, root, [np.arange(n)])
    if found.shape == (n,) and n != 1:
        if not np.isfinite(found).all():
            raise Unmeasurable(f"{term.metric} returned NaN or infinity")
        if isinstance(low, float) and isinstance(high, float) and low < high:
            return PerRow(np.clip(found, low, high), low, high, clipped=high)
        return PerRow(found, -np.inf, np.inf)
    if found.size != 1:
        message = f"{term.metric} returned {found.size} numbers for {n} rows: 1 or {n} are meant"
        raise Unmeasurable(message)

    def score(sets: Sequence[Rows]) -> list[float]:
        return [float(one.ravel()[0]) for one in _call(answers, term, root, sets)]

    return Scored(score, n)


def _call(
    answers: Answers, term: Term, root: Path, sets: Sequence[Rows]
) -> list[NDArray[np.float64]]:
    module, _, function = term.metric.partition(":")
    options = {key: value for key, value in term.options if key not in {"low", "high"}}
    with tempfile.TemporaryDirectory(prefix="penstock-metric-") as folder:
        given, told = Path(folder) / "given.npz", Path(folder) / "told.npz"
        arrays: dict[str, Any] = {"target": _plain(answers.target)}
        arrays["predicted"] = _plain(answers.labels)
        if answers.predictions.scores is not None:
            arrays["scores"] = answers.predictions.scores
        arrays |= {f"rows{index}": rows for index, rows in enumerate(sets)}
        np.savez(given, sets=np.asarray(len(sets)), **arrays)
        names = [str(root), module, function, str(given), str(told), json.dumps(options)]
        try:
            ended = subprocess.run(
                [sys.executable, "-c", _PROGRAM, *names],
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                cwd=root,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Unmeasurable(f"{term.metric} took more than {_SECONDS:g} s") from None
        if ended.returncode != 0 or not told.exists():
            last = (ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"])[-1]
            raise Unmeasurable(f"{term.metric} failed: {last}")
        with np.load(told, allow_pickle=False) as file:
            return [file[f"found{index}"] for index in range(len(sets))]


def _plain(values: NDArray[Any]) -> NDArray[Any]:
    return values.astype(str) if values.dtype.kind == "O" else values
