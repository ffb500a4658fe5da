"""Both paths to the champion's answers: the live gateway, and its model file at rest."""

from __future__ import annotations

import json
import secrets
import subprocess
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock.domain.traffic import TrafficTable
from penstock.domain.version import Bundle
from penstock.errors import UnavailableError
from penstock.monitors.traffic import REPLAY

TIMEOUT = 120.0
_SCRIPT = """
import json, sys, warnings
warnings.simplefilter("ignore")
import mlflow.pyfunc, pandas
asked = json.load(sys.stdin)
model = mlflow.pyfunc.load_model(sys.argv[1])
frame = pandas.DataFrame(asked["rows"], columns=asked["columns"])
schema = model.metadata.get_input_schema()
for one in (schema.inputs if schema is not None else ()):
    if getattr(one, "name", None) in frame and hasattr(one.type, "to_pandas"):
        frame[one.name] = frame[one.name].astype(one.type.to_pandas())
answer = model.predict(frame)
answer = answer.to_numpy() if hasattr(answer, "to_numpy") else answer
print(json.dumps(answer.tolist() if hasattr(answer, "tolist") else list(answer)))
"""


class ServedModel:
    """The champion as a gateway on this machine serves it.

    Args:
        folder: of the gateway's state, ``.penstock/serve``.
        timeout: seconds for all answers of one call.
    """

    def __init__(self, folder: Path, *, timeout: float = TIMEOUT) -> None:
        self._folder = folder
        self._timeout = timeout

    def ready(self) -> bool:
        """Tell whether the gateway answers and all traffic is the champion's."""
        try:
            table, url = self._table(), self._url()
            with urllib.request.urlopen(f"{url}/health", timeout=5.0) as answer:  # noqa: S310
                return answer.status == 200 and table.champion is not None and table.weight == 0
        except (OSError, ValueError, UnavailableError):
            return False

    def served(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the live answers.

        Raises:
            UnavailableError: ``monitor.no-answer``.
        """
        body = {"dataframe_split": {"columns": list(columns), "data": [list(r) for r in rows]}}
        request = urllib.request.Request(  # noqa: S310 - our own gateway
            f"{self._url()}/invocations",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "X-Request-Id": f"{REPLAY}{secrets.token_hex(8)}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:  # noqa: S310
                found = json.load(answer)["predictions"]
        except urllib.error.HTTPError as error:
            said = error.read()[:300].decode("utf-8", "replace")
            raise _refused(f"the live endpoint refused training rows: {said}") from error
        except (OSError, ValueError, KeyError) as error:
            raise _refused(f"the live endpoint gave no answer: {error}") from error
        return list(found)

    def offline(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Return the answers of the champion's model file, loaded in its own environment.

        Raises:
            UnavailableError: ``monitor.no-answer``.
        """
        bundle = self._bundle()
        asked = json.dumps({"columns": list(columns), "rows": [list(row) for row in rows]})
        try:
            done = subprocess.run(
                [bundle.python, "-c", _SCRIPT, bundle.path],
                input=asked, capture_output=True, text=True, timeout=self._timeout, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _refused(f"the model at rest gave no answer: {error}") from error
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise _refused(f"the model at rest refused training rows: {last}")
        return list(json.loads(done.stdout.strip().splitlines()[-1]))

    def _url(self) -> str:
        try:
            item = json.loads((self._folder / "gateway.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise _refused("nothing is served here") from error
        return str(item["url"])

    def _table(self) -> TrafficTable:
        return TrafficTable.from_dict(json.loads((self._folder / "table.json").read_text()))

    def _bundle(self) -> Bundle:
        table = self._table()
        found = table.bundle(table.champion) if table.champion else None
        if found is None:
            raise _refused("no version holds the traffic")
        return found


def _refused(message: str) -> UnavailableError:
    return UnavailableError(
        message, code="monitor.no-answer", hint="is it served, and by whom? `penstock status` says"
    )
