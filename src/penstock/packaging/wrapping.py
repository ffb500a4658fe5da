"""The process that wraps one plain model file: `python -m penstock.packaging.wrapping REQUEST`.

It loads the model, asks it about a few rows to learn its signature and the packages that it uses,
and saves it through MLflow's flavour of its library. See `plain` for the request.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import pickle
import shutil
import sys
import traceback
import warnings
from pathlib import Path
from typing import Any

import yaml

_ROWS = 20
_FLAVORS = ("xgboost", "lightgbm", "catboost")
_ALWAYS = ("pip", "setuptools", "penstock")


def main(words: list[str]) -> int:
    """Answer one request; status 1 and the reason as the last line of standard error if not."""
    request = json.loads(words[0])
    base = Path(request["base"])
    sys.path[:0] = [str(base), str(base / "src")]
    warnings.simplefilter("ignore")
    try:
        _wrap(Path(request["file"]), Path(request["out"]), base, _rows(request))
    except Exception as error:  # anything that a model's code raises is its answer
        traceback.print_exc()
        reason = " ".join(str(error).split()) or "no reason given"
        sys.stderr.write(f"{type(error).__name__}: {reason}\n")
        return 1
    return 0


def _rows(request: dict[str, str]) -> Any:
    """Return some held-out rows without the target; whole numbers as floats, as callers may."""
    import pandas as pd

    path = request["data"]
    if path.endswith((".parquet", ".pq")):
        frame = pd.read_parquet(path)
    else:
        frame = pd.read_csv(path, sep="\t" if ".tsv" in Path(path).name else ",")
    frame = frame.drop(columns=[request["target"]], errors="ignore")
    whole = frame.select_dtypes("integer").columns
    return frame.astype(dict.fromkeys(whole, "float64")).head(_ROWS)


def _wrap(file: Path, out: Path, base: Path, rows: Any) -> None:
    if file.suffix == ".onnx":
        _wrap_onnx(file, out)
        return
    before = set(sys.modules)
    model = _load(file)
    if not callable(getattr(model, "predict", None)):
        raise TypeError(f"it holds a {type(model).__name__}, which has no `predict`")
    wanted = _columns(model)
    if wanted is not None:
        missing = [str(one) for one in wanted if one not in rows]
        if missing:
            raise KeyError(f"the test data lacks columns that it wants: {', '.join(missing)}")
        rows = rows[list(wanted)]
    root = type(model).__module__.partition(".")[0]
    asked = rows
    if type(model).__name__ == "Booster" and root == "xgboost":
        asked = importlib.import_module("xgboost").DMatrix(rows)
    answers = model.predict(asked)
    used = {name.partition(".")[0] for name in set(sys.modules) - before} | {root}
    from mlflow.models import infer_signature

    flavor = importlib.import_module(f"mlflow.{root if root in _FLAVORS else 'sklearn'}")
    more: dict[str, Any] = {} if root in _FLAVORS else {"serialization_format": "cloudpickle"}
    save = flavor.save_model
    save(
        model,
        str(out),
        signature=infer_signature(rows, answers),
        pip_requirements=_pins(used | {"cloudpickle", "numpy", "pandas"}),
        code_paths=_own_code(used, base) or None,
        **more,
    )


def _columns(model: Any) -> Any:
    """Return the names of the columns that a model was trained on; None when it knows none."""
    names = getattr(model, "feature_names_in_", None)
    if names is None and type(model).__name__ == "Booster":
        xgboost = type(model).__module__.startswith("xgboost")
        names = model.feature_names if xgboost else model.feature_name()
        plain = names is None or all(one == f"Column_{place}" for place, one in enumerate(names))
        names = None if plain else names
    return names


def _load(file: Path) -> Any:
    if file.suffix in (".joblib", ".jl"):
        return importlib.import_module("joblib").load(file)
    with file.open("rb") as stream:
        head = stream.read(64).lstrip()
    if file.suffix == ".ubj" or head.startswith((b"{", b"binf")):
        return _load_xgboost(file)
    if head.startswith(b"tree") and b"version=" in head:
        return importlib.import_module("lightgbm").Booster(model_file=str(file))
    with file.open("rb") as stream:
        try:
            return pickle.load(stream)  # noqa: S301 - scanned before, and alone in its own process
        except pickle.UnpicklingError as error:
            known = "pickle, joblib, ONNX, XGBoost (.json, .ubj), LightGBM (.txt)"
            raise TypeError(f"it is in no form that is known ({known}): {error}") from error


def _load_xgboost(file: Path) -> Any:
    """Load XGBoost's own format, as the estimator that wrote it where it says so."""
    xgboost = importlib.import_module("xgboost")
    model = xgboost.Booster(model_file=str(file))
    kind = json.loads(model.attr("scikit_learn") or "{}").get("_estimator_type")
    estimators = {"classifier": "XGBClassifier", "regressor": "XGBRegressor", "ranker": "XGBRanker"}
    if kind not in estimators:
        return model
    found = getattr(xgboost, estimators[kind])()
    found.load_model(str(file))
    return found


def _pins(modules: set[str]) -> list[str]:
    """Return the distributions that modules come from, each with its version."""
    known = importlib.metadata.packages_distributions()
    names = {name for one in modules for name in known.get(one, ())}
    return sorted(
        f"{name}=={importlib.metadata.version(name)}"
        for name in names
        if name.lower() not in _ALWAYS and not name.lower().startswith("mlflow")
    )


def _own_code(modules: set[str], base: Path) -> list[str]:
    """Return the packages and modules of the project that the model is made of."""
    found = []
    for name in sorted(modules):
        file = getattr(sys.modules.get(name), "__file__", None)
        places = list(getattr(sys.modules.get(name), "__path__", ()))
        place = Path(places[0]) if places else Path(file) if file else None
        own = place is not None and place.is_relative_to(base)
        if own and place is not None and "site-packages" not in place.parts:
            found.append(str(place))
    return found


def _wrap_onnx(file: Path, out: Path) -> None:
    """Write the MLmodel file of an ONNX model with one table of numbers as its input."""
    runtime = importlib.import_module("onnxruntime")
    session = runtime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    inputs = session.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 2:
        raise TypeError("only ONNX models with one float table of shape (rows, columns) are served")
    width = inputs[0].shape[1] if isinstance(inputs[0].shape[1], int) else -1
    tensor = {"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, width]}}
    out.mkdir(parents=True)
    shutil.copyfile(file, out / "model.onnx")
    pins = _pins({"onnx", "onnxruntime", "numpy", "pandas"})
    onnx = {"data": "model.onnx", "providers": ["CPUExecutionProvider"], "code": None}
    meta = {
        "flavors": {
            "onnx": {**onnx, "onnx_version": "", "providers": ["CPUExecutionProvider"]},
            "python_function": {"loader_module": "mlflow.onnx", "data": "model.onnx"},
        },
        "signature": {"inputs": json.dumps([{**tensor, "name": inputs[0].name}]), "outputs": None},
    }
    (out / "requirements.txt").write_text("\n".join(["mlflow", *pins]) + "\n", encoding="utf-8")
    (out / "MLmodel").write_text(yaml.safe_dump(meta), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
