"""What the worker asks of whatever loads and runs a model."""

from __future__ import annotations

from typing import Any, Protocol

from penstock.inference.description import Description
from penstock.serving.answers import Reply


class Runtime(Protocol):
    """One loaded model version.

    A runtime is made by a loader, a callable that takes the model's directory and its MLmodel as
    plain values and returns a runtime; loaders are found by the name of the model's flavour in the
    entry-point group ``penstock.runtimes``. Called by one thread only. A loader raises whatever
    the model raises; the worker turns it into words.
    """

    def describe(self) -> Description:
        """Return what the model is, for the gateway."""
        ...

    def rows(self, item: dict[str, Any]) -> list[Any] | None:
        """Return the rows of a parsed JSON request, in the order that `predict` wants.

        None means that this runtime has no fast way for it; then `whole` is asked.
        """
        ...

    def predict(self, rows: list[Any]) -> list[Any]:
        """Return one plain value per row, for rows of any number of requests.

        Raises:
            Exception: whatever the model raises, or a `ValueError` for rows that do not fit; the
                worker then asks `whole` for each request by itself.
        """
        ...

    def settle(self) -> None:
        """Take note that the worker is ready; what the first answers did not need may follow."""
        ...

    def whole(self, kind: int, body: bytes) -> Reply:
        """Answer one request by itself, exactly as MLflow's scoring server would."""
        ...
