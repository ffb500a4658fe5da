"""The process that makes the ONNX form of a scikit-learn model, and tries it on held-out rows.

    python -m penstock.serving.runtimes.converting REQUEST

It runs in an environment with the model's own packages and skl2onnx. `REQUEST` is JSON with
``model`` and ``out`` (directories), ``data`` (held-out rows), ``target`` and ``tolerance``; the
last line of its output is JSON with what was found. Both forms are asked through the code that
will serve them, so what is compared is what callers get.
"""

from __future__ import annotations

import json
import shutil
import sys
import traceback
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

from penstock.inference.description import Field
from penstock.serving.runtimes import mlmodel as files
from penstock.serving.runtimes.converted import FLAVOUR, Session, table_for

_FILE = "model.onnx"


class NotConvertibleError(Exception):
    """The model has no ONNX form that can be served."""


def main(words: list[str]) -> int:
    """Answer one request; status 1 and the reason as the last line of standard error if not."""
    request = json.loads(words[0])
    warnings.simplefilter("ignore")
    try:
        found = convert(
            request["model"],
            Path(request["out"]),
            _frame(request["data"], request["target"]),
            float(request["tolerance"]),
        )
    except Exception as error:  # whatever the converter or the model's code raises is the answer
        traceback.print_exc()
        reason = " ".join(str(error).split()) or "no reason given"
        sys.stderr.write(f"{type(error).__name__}: {reason}\n")
        return 1
    sys.stdout.write(json.dumps(found, default=str) + "\n")
    return 0


def _frame(path: str, target: str) -> Any:
    import pandas as pd

    if path.endswith((".parquet", ".pq")):
        frame = pd.read_parquet(path)
    else:
        frame = pd.read_csv(path, sep="\t" if ".tsv" in Path(path).name else ",")
    return frame.drop(columns=[target], errors="ignore")


def convert(path: str, out: Path, frame: Any, tolerance: float) -> dict[str, Any]:
    """Write a model's directory with its ONNX form; return how far the two differ.

    Args:
        path: directory of the MLflow model.
        out: directory to make.
        frame: held-out rows, without the target.
        tolerance: greatest difference of two numbers, relative to the greater of 1 and the number.

    Returns:
        ``rows`` compared, how many ``differ``, the greatest ``gap``, and the ``worst`` row.

    Raises:
        NotConvertibleError: the model is not scikit-learn's, or takes no plain table.
        Exception: whatever skl2onnx says of it.
    """
    import mlflow.sklearn
    from skl2onnx import to_onnx

    mlmodel = files.read_mlmodel(path)
    if "sklearn" not in mlmodel["flavors"]:
        raise NotConvertibleError("only models of scikit-learn have an ONNX form")
    inputs = files.fields(mlmodel, "inputs")
    if not inputs or any(one.shape is not None for one in inputs[1:]):
        raise NotConvertibleError("the model has no signature of one table")
    estimator = mlflow.sklearn.load_model(path)
    given = _as_trained(frame, inputs, estimator)
    options = {"zipmap": False} if hasattr(estimator, "classes_") else None
    made = to_onnx(estimator, _narrow(given), options=options)
    shutil.copytree(path, out)
    (out / _FILE).write_bytes(made.SerializeToString())
    name = mlmodel["flavors"].get("python_function", {}).get("predict_fn") or "predict"
    if name not in ("predict", "predict_proba"):
        raise NotConvertibleError(f"the ONNX form has no {name}")
    _describe(out, mlmodel, output=int(name == "predict_proba"))
    return _compared(out, mlmodel, estimator, given, name, tolerance)


def _as_trained(frame: Any, inputs: tuple[Field, ...], estimator: Any) -> Any:
    """Return rows as the estimator takes them: a DataFrame or an array."""
    if inputs[0].shape is not None:
        return frame.to_numpy(dtype=inputs[0].type)
    table = frame[[one.name for one in inputs]]
    kinds = {"double": "float64", "float": "float32"}
    table = table.astype({one.name: kinds[one.type] for one in inputs if one.type in kinds})
    return table if hasattr(estimator, "feature_names_in_") else table.to_numpy()


def _narrow(given: Any) -> Any:
    """Return one row with floats of 32 bits, from which the converter learns the types."""
    import numpy as np

    row = given[:1]
    if not hasattr(row, "columns"):
        return row.astype(np.float32)
    numbers = row.select_dtypes("number")
    if len(numbers.columns) == len(row.columns):
        return row.to_numpy(dtype=np.float32)
    return row.astype(dict.fromkeys(numbers.columns, np.float32))


def _describe(out: Path, mlmodel: dict[str, Any], *, output: int) -> None:
    import yaml

    (mlmodel["flavors"])[FLAVOUR] = {"file": _FILE, "output": output, "flat": output == 0}
    (out / "MLmodel").write_text(yaml.safe_dump(mlmodel), encoding="utf-8")
    listed = out / "requirements.txt"
    lines = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
    if not any(line.startswith("onnxruntime") for line in lines):
        lines.append(f"onnxruntime=={version('onnxruntime')}")
        listed.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _compared(
    out: Path, mlmodel: dict[str, Any], estimator: Any, given: Any, name: str, tolerance: float
) -> dict[str, Any]:
    import numpy as np

    flavour = mlmodel["flavors"][FLAVOUR]
    session = Session(str(out / _FILE), flavour["output"], flat=flavour["flat"])
    table = table_for(mlmodel, session)
    if table is None:
        raise NotConvertibleError("the model takes no plain table")
    rows = json.loads(given.to_json(orient="values")) if hasattr(given, "columns") else given
    fed = table.build([list(row) for row in rows])
    pairs = [(getattr(estimator, name)(given), session.predict(fed))]
    if name == "predict" and hasattr(estimator, "predict_proba"):
        # Equal classes may hide probabilities that are not.
        chances = Session(str(out / _FILE), 1, flat=False)
        pairs.append((estimator.predict_proba(given), chances.predict(fed)))
    if not len(rows):
        return {"rows": 0, "differ": 0, "gap": 0.0, "worst": {}}
    gaps = _gaps(pairs)
    worst = int(gaps.argmax())
    shown = [[np.asarray(one[worst]).tolist() for one in pair] for pair in pairs]
    return {
        "rows": len(gaps),
        "differ": int((gaps > tolerance).sum()),
        "gap": float(gaps.max(initial=0.0)),
        "worst": {
            "row": worst,
            "model": [one for one, _ in shown],
            "onnx": [one for _, one in shown],
            "values": list(rows[worst]),
        },
    }


def _gaps(pairs: list[tuple[Any, Any]]) -> Any:
    """Return the greatest relative difference of each row; of unequal classes it is infinite."""
    import numpy as np

    gaps: Any = np.zeros(len(pairs[0][0]))
    for one, other in pairs:
        a, b = np.asarray(one), np.asarray(other)
        if a.shape != b.shape:
            raise NotConvertibleError(f"it answers in shape {b.shape} instead of {a.shape}")
        if a.dtype.kind == "f":
            unequal = np.abs(a - b) / np.maximum(1.0, np.abs(a))
            unequal = np.where(np.isnan(a) & np.isnan(b), 0.0, unequal)
            unequal = np.nan_to_num(unequal, nan=np.inf)
        else:
            unequal = np.where(a == b, 0.0, np.inf)
        gaps = np.maximum(gaps, unequal.reshape(len(a), -1).max(axis=1))
    return gaps


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
