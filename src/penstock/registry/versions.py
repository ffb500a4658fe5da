"""Model versions in MLflow.

MLflow's own client, store and words are used, so that any MLflow tool reads what is here. A version
carries the run that made it as a tag that is written in the same call as the version itself: to
register again after a crash finds it and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from penstock import logs
from penstock.domain.run import Candidate, Run
from penstock.domain.verdict import Verdict
from penstock.domain.version import ModelVersion
from penstock.errors import StateError
from penstock.registry import embedded
from penstock.registry.reached import Reached, unavailable
from penstock.registry.runlog import DIGEST_TAG, MODEL_FOLDER, RUN_TAG, VERDICT_TAG, RunLog


class Registry:
    """The model registry of a project.

    Args:
        root: the project; relative places of the embedded store are below it.
        tracking_uri: of an MLflow server or database; None for `MLFLOW_TRACKING_URI`, or else
            ``mlflow.db`` in the project.
        experiment: MLflow experiment that runs are logged to.
    """

    def __init__(
        self, root: Path, *, tracking_uri: str | None = None, experiment: str = "penstock"
    ) -> None:
        self.root = root
        self.tracking_uri = (
            tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{root}/mlflow.db"
        )
        self.experiment = experiment
        self._client: Any = None

    @property
    def embedded(self) -> bool:
        """Whether the store is the project's own file."""
        return self.tracking_uri == f"sqlite:///{self.root}/mlflow.db"

    @property
    def _store(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def client(self) -> Any:
        """MLflow's client, made when it is first needed.

        Raises:
            UnavailableError: ``registry.unavailable`` when the store cannot be opened.
        """
        if self._client is None:
            logs.quiet_mlflow()
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient
            from sqlalchemy.exc import SQLAlchemyError

            try:
                if self.embedded:
                    embedded.make(self._store)
                client = MlflowClient(self.tracking_uri, registry_uri=self.tracking_uri)
                client.search_registered_models(max_results=1)
            except (MlflowException, SQLAlchemyError, OSError) as error:
                said = f"cannot open the MLflow store {self.tracking_uri}"
                raise unavailable(said, error) from error
            self._client = Reached(client, self.tracking_uri)
        return self._client

    def register(
        self, candidate: Candidate, run: Run, verdicts: Sequence[Verdict], *, against: str = ""
    ) -> ModelVersion:
        """Register a candidate that passed; return the version, the same one when called again."""
        known = self.of_run(candidate.model, candidate.run_id, candidate.digest)
        if known is not None:
            return known
        mlflow_run, place = self._runs.keep(candidate, run, verdicts, against=against, model=True)
        self._ensure_model(candidate.model)
        every = {
            RUN_TAG: candidate.run_id,
            DIGEST_TAG: candidate.digest,
            "git.commit": run.revision.commit,
            "dvc.lock_sha256": run.lock_sha256,
            VERDICT_TAG: "passed",
        }
        made = self.client.create_model_version(
            candidate.model,
            source=f"{place}/{MODEL_FOLDER}",
            run_id=mlflow_run,
            tags={name: value for name, value in every.items() if value},
        )
        return _noun(made)

    def keep(
        self, candidate: Candidate, run: Run, verdicts: Sequence[Verdict], against: str = ""
    ) -> str:
        """Keep a judged candidate's run and verdicts, without making a version of it.

        Returns:
            MLflow's id of the run, the same one when called again.

        Raises:
            UnavailableError: ``registry.unavailable``.
        """
        from mlflow.exceptions import MlflowException

        try:
            run_id, _ = self._runs.keep(candidate, run, verdicts, against=against)
        except (MlflowException, OSError) as error:
            said = f"cannot write to the MLflow store {self.tracking_uri}"
            raise unavailable(said, error) from error
        return run_id

    @property
    def _runs(self) -> RunLog:
        return RunLog(self.client, self._experiment_id())

    def versions(self, model: str) -> list[ModelVersion]:
        """Return all versions of a model, newest first; none when the model is unknown."""
        if self.embedded and self._client is None:
            if not self._store.exists():
                return []
            known = embedded.read_versions(self._store, model)
            if known is not None:
                return known
        found = self.client.search_model_versions(f"name='{model}'", max_results=1000)
        return sorted((_noun(one) for one in found), key=lambda one: -one.version)

    def get(self, model: str, version: int | str) -> ModelVersion:
        """Return one version.

        Raises:
            StateError: ``registry.unknown-version``.
        """
        every = self.versions(model)
        for one in every:
            if str(one.version) == str(version).removeprefix("v"):
                return one
        known = ", ".join(str(one.version) for one in reversed(every)) or "none yet"
        raise StateError(
            f"{model} has no version {version}",
            code="registry.unknown-version",
            hint=f"registered versions: {known}",
        )

    def of_run(self, model: str, run_id: str, digest: str) -> ModelVersion | None:
        """Return the version that a run's candidate became, None when it has not."""
        for one in self.versions(model):
            if one.run_id == run_id and one.digest == digest:
                return one
        return None

    def alias(self, model: str, alias: str) -> ModelVersion | None:
        """Return the version that an alias points to, None when it points nowhere."""
        if self.embedded and self._client is None:
            if not self._store.exists():
                return None
            number = embedded.read_alias(self._store, model, alias)
            if number is not None:
                return self.get(model, number) if number else None
        from mlflow.exceptions import MlflowException

        try:
            return _noun(self.client.get_model_version_by_alias(model, alias))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise unavailable(f"cannot read the alias {alias} of {model}", error) from error

    def set_alias(self, model: str, alias: str, version: int | str) -> None:
        """Point an alias to a version; MLflow moves it in one statement, so it is never double."""
        self.client.set_registered_model_alias(model, alias, str(version))

    def delete_alias(self, model: str, alias: str) -> None:
        """Remove an alias, if it is there."""
        self.client.delete_registered_model_alias(model, alias)

    def tag(self, model: str, version: int | str, tags: dict[str, str]) -> None:
        """Set tags of a version."""
        for name, value in tags.items():
            self.client.set_model_version_tag(model, str(version), name, value)

    def _ensure_model(self, model: str) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self.client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _experiment_id(self) -> str:
        found = self.client.get_experiment_by_name(self.experiment)
        if found is not None:
            return str(found.experiment_id)
        place = (self.root / "mlartifacts").as_uri() if self.embedded else None
        return str(self.client.create_experiment(self.experiment, artifact_location=place))


def _noun(found: Any) -> ModelVersion:
    return embedded.noun(
        found.name,
        int(found.version),
        str(found.source),
        found.creation_timestamp,
        dict(found.tags),
    )
