"""A model that answers each row of a table by itself, with MLflow behind it for what is odd."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from penstock.inference.description import Description
from penstock.serving.answers import Reply
from penstock.serving.rows import RowReader
from penstock.serving.runtimes import mlmodel as files
from penstock.serving.runtimes.pyfunc import Look, Pyfunc
from penstock.serving.runtimes.tabular import Table


class TabularModel:
    """A model with a fast way for plain rows.

    MLflow, which answers everything else, takes seconds to import. It is imported in the
    background once the worker is ready, or at once when something needs it earlier.

    Args:
        path: directory of the model.
        mlmodel: its MLmodel file.
        name: of the runtime.
        predict: from a table to an array with one prediction per row.
        table: how to build that table from rows.
        whole: makes the model behind MLflow.
    """

    def __init__(
        self,
        path: str,
        mlmodel: dict[str, Any],
        name: str,
        predict: Callable[[Any], Any],
        table: Table,
        whole: Callable[[], Pyfunc],
    ) -> None:
        self._description = replace(files.describe(path, mlmodel, runtime=name), batches=True)
        self._predict = predict
        self._build = table.build
        self._make = whole
        self._made: Pyfunc | None = None
        self._making = threading.Lock()
        self.look: Look | None = None
        self.rows = RowReader(table.columns, table.width).read

    def describe(self) -> Description:
        """Return what the model is."""
        return self._description

    def predict(self, rows: list[Any]) -> list[Any]:
        """Return one prediction per row."""
        values = self._predict(self._build(rows)).tolist()
        if len(values) != len(rows):
            raise ValueError(f"{len(values)} predictions for {len(rows)} rows")
        return list(values)

    def whole(self, kind: int, body: bytes) -> Reply:
        """Answer one request as MLflow's scoring server would."""
        whole = self._through_mlflow()
        whole.look = self.look
        return whole.whole(kind, body)

    def settle(self) -> None:
        """Import MLflow in the background."""

        def prepare() -> None:
            # Requests come first: the interpreter changes threads more often than by default.
            interval = sys.getswitchinterval()
            sys.setswitchinterval(0.0005)
            try:
                self._through_mlflow()
            except Exception as error:  # the next odd request meets it again, and is told
                sys.stderr.write(f"MLflow cannot take this model: {error}\n")
            finally:
                gc.freeze()  # all that MLflow made stays, and need not be looked through
                sys.setswitchinterval(interval)

        threading.Thread(target=prepare, name="mlflow", daemon=True).start()

    def _through_mlflow(self) -> Pyfunc:
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made
