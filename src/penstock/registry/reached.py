"""MLflow's client, with what keeps a store from answering told in our words.

What a store does answer, such as that a name is taken, stays MLflow's own exception.
"""

from __future__ import annotations

from typing import Any

from penstock.errors import UnavailableError, reason

_SILENT = frozenset(
    {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED", "CANCELLED", "IO_ERROR"}
)
"""Codes of MLflow's exceptions that a request ends with when nobody answers it."""


class Reached:
    """An MLflow client that raises `UnavailableError` when its store does not answer.

    A server may go away at any moment, not only before the first request.

    Args:
        client: MLflow's.
        uri: of the store.
    """

    def __init__(self, client: Any, uri: str) -> None:
        self._client = client
        self._uri = uri

    def __getattr__(self, name: str) -> Any:
        """Return a method of the client."""
        from mlflow.exceptions import MlflowException

        method = getattr(self._client, name)
        if not callable(method):
            return method

        def call(*words: Any, **more: Any) -> Any:
            try:
                return method(*words, **more)
            except MlflowException as error:
                if error.error_code not in _SILENT:
                    raise
                raise unavailable(f"the MLflow store {self._uri} does not answer", error) from error

        return call


def unavailable(what: str, error: BaseException) -> UnavailableError:
    """Return the error of a store that cannot be used now."""
    return UnavailableError(
        f"{what}: {reason(error)}",
        code="registry.unavailable",
        hint="is the server up, the disk full, or registry.tracking_uri wrong?",
    )
