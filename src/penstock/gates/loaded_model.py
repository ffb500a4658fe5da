"""A model, loaded from its files in whatever form they have; runs in the model's own process.

Reads the `MLmodel` file itself and unpickles through the flavour's own library, since importing
mlflow costs about a second; whatever it does not know is left to `mlflow.pyfunc`. Nothing of
penstock but this room's standard-library code may be imported here: the interpreter is the
model's, and has the model's packages only.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

MLMODEL = "MLmodel"


class LoadedModel:
    """A model ready to answer.

    Attributes:
        raw: the object of the model's own library.
        predict: data frame to answers.
        proba: data frame to class probabilities, shape (n, k); None where the model has none.
        classes: the k classes in the order of `proba`; None where unknown.
        kind: ``classifier``, ``regressor`` or "" where the library does not say.
        inputs: names of the input columns that the model wants; None for "whatever there is".
    """

    def __init__(
        self,
        raw: Any,
        *,
        predict: Callable[[Any], Any] | None = None,
        proba: Callable[[Any], Any] | None = None,
        inputs: list[str] | None = None,
    ) -> None:
        self.raw = raw
        self.predict: Callable[[Any], Any] = predict or raw.predict
        classes = getattr(raw, "classes_", None)
        self.classes = None if classes is None or _is_nested(classes) else classes
        self.proba = proba
        if self.proba is None and self.classes is not None:
            self.proba = getattr(raw, "predict_proba", None)
        self.kind = _kind(raw)
        self.inputs = inputs if inputs is not None else _feature_names(raw)


def load_model(path: str) -> LoadedModel:
    """Load an MLflow model directory, or a file: pickle, joblib, ONNX, XGBoost's or LightGBM's."""
    if Path(path).is_dir():
        return _load_directory(path)
    if path.endswith(".onnx"):
        return _load_onnx(path, None)
    with Path(path).open("rb") as stream:
        head = stream.read(64).lstrip()
    if path.endswith(".ubj") or head.startswith((b"{", b"binf")):
        return _wrap("xgboost", _load_xgboost_file(path), None)
    if head.startswith(b"tree") and b"version=" in head:
        return LoadedModel(importlib.import_module("lightgbm").Booster(model_file=path))
    return LoadedModel(_unpickle(path, joblib=path.endswith((".joblib", ".jl"))))


def signature_inputs(meta: dict[str, Any]) -> list[str] | None:
    """Return the names of the input columns that the signature of an MLmodel file lists."""
    import json

    text = (meta.get("signature") or {}).get("inputs")
    columns = json.loads(text) if isinstance(text, str) else (text or [])
    names = [one.get("name") for one in columns if one.get("type") != "tensor"]
    return [str(one) for one in names] if names and None not in names else None


def _load_directory(path: str) -> LoadedModel:
    import yaml

    meta = yaml.safe_load((Path(path) / MLMODEL).read_text(encoding="utf-8"))
    flavors = meta.get("flavors") or {}
    pyfunc = flavors.get("python_function") or {}
    inputs = signature_inputs(meta)
    if pyfunc.get("code"):
        sys.path.insert(0, str(Path(path, pyfunc["code"])))
    plain = "model_code_path" not in meta and pyfunc.get("predict_fn", "predict") == "predict"
    for name, loader in _FLAVORS.items():
        if name in flavors and plain:
            raw = loader(path, flavors[name], pyfunc)
            return raw if isinstance(raw, LoadedModel) else _wrap(name, raw, inputs)
    return _load_pyfunc(path, inputs)


def _wrap(flavor: str, raw: Any, inputs: list[str] | None) -> LoadedModel:
    if flavor == "xgboost" and type(raw).__name__ == "Booster":
        import xgboost

        return LoadedModel(raw, predict=lambda x: raw.predict(xgboost.DMatrix(x)), inputs=inputs)
    return LoadedModel(raw, inputs=inputs)


def _load_pyfunc(path: str, inputs: list[str] | None) -> LoadedModel:
    import mlflow.pyfunc

    model = mlflow.pyfunc.load_model(path)
    raw = model
    if hasattr(model, "get_raw_model"):
        try:
            raw = model.get_raw_model()
        except Exception:  # a flavour without a raw model raises its own error: pyfunc answers then
            raw = model
    if hasattr(raw, "unwrap_python_model"):
        try:
            raw = raw.unwrap_python_model()
        except Exception:  # as above
            raw = model
    named = raw if hasattr(raw, "classes_") else model
    loaded = LoadedModel(named, predict=model.predict, inputs=inputs)
    if raw is not model and not loaded.kind:
        loaded.kind = _kind(raw)
    return loaded


def _load_sklearn(path: str, conf: dict[str, Any], pyfunc: dict[str, Any]) -> Any:
    name = conf.get("pickled_model") or pyfunc["model_path"]
    return _deserialize(str(Path(path, name)), conf, "pickle")


def _load_xgboost(path: str, conf: dict[str, Any], _pyfunc: dict[str, Any]) -> Any:
    module, _, name = conf.get("model_class", "xgboost.core.Booster").rpartition(".")
    model = getattr(importlib.import_module(module), name)()
    model.load_model(str(Path(path, conf["data"])))
    return model


def _load_xgboost_file(file: str) -> Any:
    """Load XGBoost's own format, as the estimator that wrote it where it says so."""
    import json

    xgboost = importlib.import_module("xgboost")
    model = xgboost.Booster(model_file=file)
    kind = json.loads(model.attr("scikit_learn") or "{}").get("_estimator_type")
    name = {"classifier": "XGBClassifier", "regressor": "XGBRegressor"}.get(kind)
    if name is None:
        return model
    found = getattr(xgboost, name)()
    found.load_model(file)
    return found


def _load_lightgbm(path: str, conf: dict[str, Any], _pyfunc: dict[str, Any]) -> Any:
    file = str(Path(path, conf["data"]))
    if conf.get("model_class", "lightgbm.basic.Booster") == "lightgbm.basic.Booster":
        import lightgbm

        return lightgbm.Booster(model_file=file)
    return _deserialize(file, conf, "cloudpickle")


def _load_onnx_flavor(path: str, conf: dict[str, Any], _pyfunc: dict[str, Any]) -> LoadedModel:
    return _load_onnx(str(Path(path, conf["data"])), None)


_FLAVORS: dict[str, Callable[[str, dict[str, Any], dict[str, Any]], Any]] = {
    "sklearn": _load_sklearn,
    "xgboost": _load_xgboost,
    "lightgbm": _load_lightgbm,
    "onnx": _load_onnx_flavor,
}


def _deserialize(file: str, conf: dict[str, Any], default: str) -> Any:
    how = conf.get("serialization_format", default)
    if how == "skops":
        skops = importlib.import_module("skops.io")
        return skops.load(file, trusted=conf.get("skops_trusted_types"))
    return _unpickle(file)


def _unpickle(file: str, *, joblib: bool = False) -> Any:
    if joblib:
        return importlib.import_module("joblib").load(file)
    with Path(file).open("rb") as stream:
        return pickle.load(stream)  # noqa: S301 - scanned before, and alone in its own process


def _load_onnx(file: str, inputs: list[str] | None) -> LoadedModel:
    import numpy as np

    session = importlib.import_module("onnxruntime").InferenceSession(
        file, providers=["CPUExecutionProvider"]
    )
    wanted = session.get_inputs()
    outputs = [one.name for one in session.get_outputs()]

    def run(frame: Any) -> list[Any]:
        if len(wanted) == 1 and (len(wanted[0].shape) == 2 and wanted[0].shape[1] != 1):
            kind = np.float64 if "double" in wanted[0].type else np.float32
            feed = {wanted[0].name: frame.to_numpy(dtype=kind)}
        else:
            feed = {one.name: _onnx_column(frame, one) for one in wanted}
        return list(session.run(outputs, feed))

    names = None if len(wanted) == 1 else [one.name for one in wanted]
    raw = _OnnxAnswers(run, len(outputs))
    return LoadedModel(raw, predict=raw.predict, proba=raw.proba, inputs=inputs or names)


def _onnx_column(frame: Any, wanted: Any) -> Any:
    import numpy as np

    values = frame[[wanted.name]] if wanted.name in frame else frame.iloc[:, :1]
    kinds = {"tensor(string)": object, "tensor(int64)": np.int64, "tensor(double)": np.float64}
    return values.to_numpy(dtype=kinds.get(wanted.type, np.float32))


class _OnnxAnswers:
    """Labels and probabilities as skl2onnx writes them: a tensor, and a tensor or list of maps."""

    def __init__(self, run: Callable[[Any], list[Any]], outputs: int) -> None:
        self._run = run
        self.proba: Callable[[Any], Any] | None = self._proba if outputs > 1 else None

    def predict(self, frame: Any) -> Any:
        return self._run(frame)[0]

    def _proba(self, frame: Any) -> Any:
        import numpy as np

        scores = self._run(frame)[1]
        if isinstance(scores, list) and scores and isinstance(scores[0], dict):
            return np.asarray([list(one.values()) for one in scores])
        return np.asarray(scores)


def _kind(raw: Any) -> str:
    try:
        tags = raw.__sklearn_tags__()
    except Exception:  # not every object that unpickles is an estimator, and old ones have no tags
        return str(getattr(raw, "_estimator_type", "") or "")
    return str(getattr(tags, "estimator_type", "") or "")


def _feature_names(raw: Any) -> list[str] | None:
    names = getattr(raw, "feature_names_in_", None)
    if names is None and type(raw).__name__ == "Booster":
        xgboost = type(raw).__module__.startswith("xgboost")
        names = raw.feature_names if xgboost else raw.feature_name()
        if names is None or all(one == f"Column_{place}" for place, one in enumerate(names)):
            return None
    return None if names is None else [str(one) for one in names]


def _is_nested(classes: Any) -> bool:
    """Tell whether there are several targets, each with its own classes."""
    return (
        isinstance(classes, list)
        and bool(classes)
        and hasattr(classes[0], "__len__")
        and not (isinstance(classes[0], str))
    )
