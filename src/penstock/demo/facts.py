"""What is true after a step: read back from the journal, MLflow and Git, not from printed text."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from penstock.domain.event import Event, EventType
from penstock.journal import Journal

MODEL = "flight-delay"


class Facts:
    """Reads the stores of a project; holds nothing open between two questions."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def run(self) -> dict[str, Any]:
        """Return the record of the newest run, with its judgement under ``judgement``."""
        with self._journal() as journal:
            records = journal.records("run")
            # Ids begin with the time; a record that is written again is not a newer run.
            newest = max(records, key=lambda one: one.id)
            judgement = journal.get("judgement", newest.id)
        return {**newest.value, "judgement": judgement.value if judgement else None}

    def outcomes(self) -> dict[str, str]:
        """Return stage -> outcome of the newest run."""
        return {one["stage"]: one["outcome"] for one in self.run()["stages"]}

    def rollout(self) -> dict[str, Any]:
        """Return the record of the rollout that was begun last."""
        with self._journal() as journal:
            records = journal.records("rollout")
        return max(records, key=lambda one: one.value.get("started", 0.0)).value

    def events(self, kind: EventType) -> list[Event]:
        """Return all events of a type, oldest first."""
        with self._journal() as journal:
            return list(journal.events(type=kind))

    def versions(self) -> list[int]:
        """Return the numbers of the versions in MLflow, oldest first."""
        found = self._mlflow().search_model_versions(f"name='{MODEL}'")
        return sorted(int(one.version) for one in found)

    def alias(self, name: str) -> int | None:
        """Return the version that an alias points to in MLflow, None for none."""
        aliases: dict[str, str] = self._mlflow().get_registered_model(MODEL).aliases
        return int(aliases[name]) if name in aliases else None

    def _journal(self) -> Journal:
        return Journal(self._root / ".penstock" / "journal.db")

    def _mlflow(self) -> Any:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        from mlflow.tracking import MlflowClient

        uri = f"sqlite:///{self._root}/mlflow.db"
        return MlflowClient(uri, registry_uri=uri)
