"""Any MLflow model, through MLflow's own functions: what its scoring server would answer."""

from __future__ import annotations

import inspect
import json
import traceback
from collections.abc import Callable
from io import BytesIO, StringIO
from typing import Any

from penstock.inference import frames
from penstock.inference.description import Description
from penstock.inference.labels import label_of
from penstock.serving import answers
from penstock.serving.answers import Reply
from penstock.serving.runtimes import mlmodel as files

Look = Callable[[Any], Reply | None]
MAX_MESSAGE = 4000
"""Longest message of an error in characters; MLflow's repeat the whole input."""


class Pyfunc:
    """A model behind `mlflow.pyfunc`; requests are answered one by one.

    Rows of several requests are not put together, because nothing says that such a model answers
    each row by itself.

    Args:
        path: directory of the model.
        mlmodel: its MLmodel file.
        made: makes the `mlflow.pyfunc.PyFuncModel`; by default it is loaded from `path`.

    Attributes:
        model: of MLflow.
        look: looks at what a request holds before the model does, and may answer for it.
    """

    def __init__(
        self, path: str, mlmodel: dict[str, Any], made: Callable[[], Any] | None = None
    ) -> None:
        import mlflow.pyfunc

        self._path = path
        self._mlmodel = mlmodel
        self.model = mlflow.pyfunc.load_model(path) if made is None else made()
        self._schema = self.model.metadata.get_input_schema()
        self.look: Look | None = None
        self._takes_params = "params" in inspect.signature(self.model.predict).parameters

    def describe(self) -> Description:
        """Return what the model is."""
        return files.describe(self._path, self._mlmodel, runtime="pyfunc")

    def raw(self) -> Any:
        """Return the model itself, as its library knows it."""
        return self.model.get_raw_model()

    def rows(self, _item: dict[str, Any]) -> list[Any] | None:
        """Return None: there is no fast way."""
        return None

    def predict(self, rows: list[Any]) -> list[Any]:
        """Never called, as `rows` offers none."""
        raise ValueError(f"{len(rows)} rows without a request")

    def settle(self) -> None:
        """Do nothing: everything is loaded."""

    def whole(self, kind: int, body: bytes) -> Reply:
        """Answer one request as MLflow's scoring server would.

        An error of the model's own is answered with 500 instead of MLflow's 400: it is not the
        caller's mistake, and an analysis must be able to count it.
        """
        from mlflow.exceptions import MlflowException

        try:
            data, params, unified = self._parse(kind, body)
        except MlflowException as error:
            return _refusal(error)
        except RecursionError:
            return answers.mistake("Invalid input. The JSON is nested too deeply.")
        except Exception as error:  # a body that MLflow's parser trips over is still the caller's
            return answers.mistake(f"Invalid input. {type(error).__name__}: {error}"[:MAX_MESSAGE])
        if self.look is not None and not unified:
            refusal = self.look(data)
            if refusal is not None:
                return refusal
        try:
            raw = self._predict(data, params)
        except MlflowException as error:
            error.message = f"Failed to predict data '{data}'. \nError: {error.message}"
            return _refusal(error)
        except Exception:  # the model's own code may raise anything
            return answers.mistake(
                "Encountered an unexpected error while evaluating the model. Verify that the"
                " serialized input Dataframe is compatible with the model for inference.",
                500,
                code="INTERNAL_ERROR",
                trace=traceback.format_exc(),
            )
        return _written(raw, wrapped=not unified)

    def _parse(self, kind: int, body: bytes) -> tuple[Any, Any, bool]:
        from mlflow.pyfunc import scoring_server

        if kind == frames.INVOCATIONS_CSV:
            text = StringIO(body.decode("utf-8", "strict"))
            return scoring_server.parse_csv_input(text, schema=self._schema), None, False
        if kind == frames.INVOCATIONS_PARQUET:
            return scoring_server.parse_parquet_input(BytesIO(body)), None, False
        parsed = scoring_server._parse_json_data(body, self.model.metadata, self._schema)
        return parsed.data, parsed.params, parsed.is_unified_llm_input

    def _predict(self, data: Any, params: Any) -> Any:
        if self._takes_params:
            return self.model.predict(data, params=params)
        return self.model.predict(data)


def _refusal(error: Any) -> Reply:
    if len(error.message) > MAX_MESSAGE:
        half = MAX_MESSAGE // 2
        error.message = f"{error.message[:half]} ... {error.message[-half:]}"
    status = int(error.get_http_status_code())
    return Reply(status, error.serialize_as_json().encode())


def _written(raw: Any, *, wrapped: bool) -> Reply:
    from mlflow.utils.proto_json_utils import NumpyEncoder, _get_jsonable_obj

    plain = _get_jsonable_obj(raw, pandas_orient="records")
    item = {"predictions": plain} if wrapped else plain
    body = json.dumps(item, cls=NumpyEncoder).encode()
    label = ""
    if isinstance(plain, (list, tuple)) and plain:
        label = label_of(plain[0])
    return Reply(200, body, label)


def load(path: str, mlmodel: dict[str, Any]) -> Pyfunc:
    """Load any model that has the python_function flavour."""
    return Pyfunc(path, mlmodel)
