"""The ONNX form of a model version, made once per content and only kept where it agrees.

A scikit-learn model pays some 200 us for each call, whatever the number of rows; the same trees in
ONNX take ten. But ONNX reckons in 32 bits, and not every estimator is converted faithfully. So the
form is tried on the held-out rows, and refused with the row that differs most.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import penstock
from penstock.domain.verdict import Evidence, Outcome, Verdict
from penstock.packaging.apart import run_apart
from penstock.packaging.environment import resolve

FORM_GATE = "the ONNX form predicts the same"
TOOLS = ("onnx", "onnxruntime>=1.20", "skl2onnx>=1.18")
LONGEST = 240
"""Characters of a converter's complaint that are told; some of them repeat all trees."""
_AGREED = "agreement.json"
_HINT = "leave `model.serve_as` out of penstock.yaml to serve the model as it is"


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a conversion.

    Attributes:
        path: of the form that can be served, None when it does not agree or cannot be made.
        verdict: on its predictions.
    """

    path: Path | None
    verdict: Verdict


def as_onnx(
    model: Path,
    digest: str,
    root: Path,
    *,
    data: Path,
    target: str,
    tolerance: float,
    timeout: float,
    environment: Mapping[str, str],
) -> Conversion:
    """Return the ONNX form of a model, made and tried when it is not there yet.

    Args:
        model: directory of an MLflow model of scikit-learn.
        digest: of its content.
        root: the project, whose ``.penstock/models`` keeps the forms.
        data: held-out rows that it is tried on.
        target: the column that the model does not see.
        tolerance: greatest difference of two numbers, relative to the greater of 1 and the number.
        timeout: seconds that it may take.
        environment: variables of the process.

    Raises:
        UnavailableError: ``packaging.environment``: no interpreter for it can be made.
    """
    place = root / ".penstock" / "models" / f"{digest}-onnx"
    if (place / _AGREED).is_file():
        found = json.loads((place / _AGREED).read_bytes())
        if found["tolerance"] <= tolerance:
            return Conversion(place, _verdict(found, tolerance))
        shutil.rmtree(place)
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f"{place.name}.{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        found = _made(model, fresh, data, target, tolerance, timeout, environment)
        if isinstance(found, str):
            words = f"the model has no ONNX form that can be served: {found}"
            verdict = Verdict(FORM_GATE, Outcome.FAILED, words, kind="packaging", hint=_HINT)
            return Conversion(None, verdict)
        if found["differ"] or not found["rows"]:
            return Conversion(None, _verdict(found, tolerance))
        (fresh / _AGREED).write_text(json.dumps(found), encoding="utf-8")
        if not place.is_dir():
            fresh.replace(place)
        return Conversion(place, _verdict(found, tolerance))
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _made(
    model: Path,
    out: Path,
    data: Path,
    target: str,
    tolerance: float,
    timeout: float,
    environment: Mapping[str, str],
) -> dict[str, Any] | str:
    """Convert in a process of its own; return what it found, or in words why it could not."""
    python = resolve(model, also=TOOLS).python
    names = {"model": model, "out": out, "data": data}
    request = {name: str(path.absolute()) for name, path in names.items()}
    request |= {"target": target, "tolerance": str(tolerance)}
    with TemporaryDirectory(prefix="penstock-onnx-") as lent:
        (Path(lent) / "penstock").symlink_to(Path(penstock.__file__).parent)
        words = [python, "-P", "-m", "penstock.serving.runtimes.converting", json.dumps(request)]
        env = {**environment, "PYTHONPATH": lent}
        ended = run_apart(words, cwd=lent, env=env, timeout=timeout)
    if ended.why is not None:
        return ended.why if len(ended.why) <= LONGEST else f"{ended.why[:LONGEST]} ..."
    found: dict[str, Any] = json.loads(ended.output.strip().splitlines()[-1])
    return {**found, "tolerance": tolerance}


def _verdict(found: dict[str, Any], tolerance: float) -> Verdict:
    rows, differ, gap = found["rows"], found["differ"], found["gap"]
    worst = found["worst"]
    evidence = Evidence(
        "greatest difference of a prediction",
        gap if math.isfinite(gap) else None,
        threshold=tolerance,
        comparison="<",
        n=rows,
        details={"differ": differ, "worst": worst},
    )
    if not rows:
        words, outcome = "there are no held-out rows to try it on", Outcome.INCONCLUSIVE
    elif differ:
        outcome = Outcome.FAILED
        by = f"differs by {gap:.3g}" if math.isfinite(gap) else "is another class"
        words = (
            f"{differ} of {rows} rows are predicted otherwise in ONNX; worst is row {worst['row']}:"
            f" {_shown(worst['onnx'])} instead of {_shown(worst['model'])}, which {by}"
            f" (allowed {tolerance:g})"
        )
    else:
        outcome = Outcome.PASSED
        words = (
            f"all {rows} held-out rows are predicted the same in ONNX, to {gap:.2g}"
            f" (allowed {tolerance:g}); with 95 % confidence fewer than {min(3 / rows, 1):.2%}"
            " of such rows differ"
        )
    hint = _HINT if outcome is not Outcome.PASSED else None
    return Verdict(FORM_GATE, outcome, words, kind="packaging", evidence=(evidence,), hint=hint)


def _shown(values: list[Any]) -> str:
    return " and ".join(
        f"[{', '.join(f'{one:.6g}' for one in value)}]" if isinstance(value, list) else repr(value)
        for value in values
    )
