"""A model directory that brings its own runtime: the flavour ``penstock``, which needs no MLflow.

The MLmodel file says where the loader stands:

    flavors:
      penstock: {loader: "module:function", code: code}

`code` is a directory of the model that is put on the path. The loader takes the model's directory
and its MLmodel, and returns a `penstock.serving.interface.Runtime`, or simply a callable from rows
(a list of lists) to a list with one prediction per row.
"""

from __future__ import annotations

import importlib
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from penstock.inference import frames
from penstock.inference.description import Description
from penstock.serving import answers
from penstock.serving.answers import Reply
from penstock.serving.interface import Runtime
from penstock.serving.rows import RowReader
from penstock.serving.runtimes import mlmodel as files


class Function:
    """A function from rows to predictions as a runtime; JSON requests only.

    Args:
        path: of the model.
        mlmodel: its MLmodel file.
        function: from a list of rows to a list with one prediction per row.
    """

    def __init__(
        self, path: str, mlmodel: dict[str, Any], function: Callable[[list[Any]], Any]
    ) -> None:
        inputs = files.fields(mlmodel, "inputs")
        names = tuple(one.name for one in inputs if one.shape is None and one.name)
        self._function = function
        self._reader = RowReader(names or None, None)
        self._description = Description(
            inputs=inputs,
            outputs=files.fields(mlmodel, "outputs"),
            signed=bool(inputs),
            example=files.example(path, mlmodel),
            runtime="own",
            batches=True,
        )

    def describe(self) -> Description:
        """Return what the model is."""
        return self._description

    def rows(self, item: dict[str, Any]) -> list[Any] | None:
        """Return the rows of a request."""
        return self._reader.read(item)

    def predict(self, rows: list[Any]) -> list[Any]:
        """Return one prediction per row."""
        values = list(self._function(rows))
        if len(values) != len(rows):
            raise ValueError(f"{len(values)} predictions for {len(rows)} rows")
        return values

    def settle(self) -> None:
        """Do nothing: everything is loaded."""

    def whole(self, kind: int, body: bytes) -> Reply:
        """Answer one request by itself: here only to say what is wrong with it."""
        if kind != frames.INVOCATIONS_JSON:
            return Reply(415, b"This model takes application/json only.", plain=True)
        try:
            item = json.loads(body)
        except (ValueError, RecursionError) as error:
            return answers.mistake(
                f"Invalid input. Ensure that input is a valid JSON formatted string."
                f" Error: '{type(error).__name__}'"
            )
        rows = self._reader.read(item) if isinstance(item, dict) else None
        if rows is None:
            return answers.mistake(self._reader.complaint(item))
        try:
            return answers.predictions(self.predict(rows))
        except Exception:  # the model's own code may raise anything
            return answers.mistake(
                "Encountered an unexpected error while evaluating the model.",
                500,
                code="INTERNAL_ERROR",
                trace=traceback.format_exc(),
            )


def load(path: str, mlmodel: dict[str, Any]) -> Runtime:
    """Load a model by the loader that it names.

    Raises:
        ValueError: it names none.
        Exception: whatever its code raises.
    """
    flavour = mlmodel["flavors"]["penstock"]
    module, _, name = str(flavour.get("loader", "")).partition(":")
    if not module or not name:
        raise ValueError("the flavour `penstock` needs `loader: module:function`")
    sys.path.insert(0, str(Path(path) / str(flavour.get("code", "code"))))
    made = getattr(importlib.import_module(module), name)(path, mlmodel)
    return made if hasattr(made, "whole") else Function(path, mlmodel, made)
