"""The built-in tests of a project's data and training, as penstock.yaml asks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from penstock.config.settings import DataGateSettings, ModelSettings
from penstock.domain.artifact import Artifact
from penstock.domain.run import Run
from penstock.domain.verdict import Verdict
from penstock.errors import PenstockError
from penstock.gates.data_gates import data_tests
from penstock.gates.rehearsal import rehearse
from penstock.gates.subjects import champion_record, home_of
from penstock.journal import Journal


def data_verdicts(
    settings: DataGateSettings, model: ModelSettings, base: Path, *, reference: Path | None = None
) -> tuple[Verdict, ...]:
    """Ask the tests of the data that `gates: data:` does not switch off.

    Args:
        settings: of penstock.yaml.
        model: names the data, the target and the columns that are no features.
        base: directory that the paths are relative to.
        reference: rows that the champion learnt from, for drift; None asks nothing about drift.

    Raises:
        ConfigError: a file is missing or cannot be read; the schema is wrong, with places.
        PluginError: a schema is given and pandera is not installed.
    """
    names = ("overlap", "leakage", "balance", "drift")
    policies = {name: getattr(settings, name) for name in names}
    if settings.schema is None and set(policies.values()) == {"off"}:
        return ()
    return data_tests(
        base / model.test_data,
        model.target,
        train=base / model.train_data if model.train_data else None,
        reference=reference,
        schema=base / settings.schema if settings.schema else None,
        time_column=model.time_column,
        id_columns=model.id_columns,
        policies=policies,
    )


def champion_rows(base: Path, model: ModelSettings) -> Path | None:
    """Return the training data of the champion, brought back from the cache by its digest.

    Args:
        base: the project, or a worktree of it.
        model: names the training data.

    Returns:
        None before the first deployment, without `train_data`, and when the cache has lost it.
    """
    from penstock.artifacts import Store

    home = home_of(base.absolute())
    record = champion_record(home, model.name)
    artifact = _learnt_from(home, record, model.train_data) if record and model.train_data else None
    if artifact is None:
        return None
    suffix = Path(artifact.path).suffix
    place = home / ".penstock" / "reference" / f"{artifact.md5}{suffix}"
    if place.exists():
        return place
    store = Store.open(home)
    try:
        store.checkout(artifact, place)
    except PenstockError:  # what is lost cannot be compared; the other tests go on
        return None
    finally:
        store.close()
    return place


def _learnt_from(home: Path, version: dict[str, Any], train_data: str) -> Artifact | None:
    """Find the training data among what the stages of the champion's run read and made."""
    with Journal(home / ".penstock" / "journal.db") as journal:
        record = journal.get("run", str(version.get("run_id")))
    if record is None:
        return None
    for stage in Run.from_dict(record.value).stages:
        for artifact in (*stage.outs, *stage.deps):
            if artifact.path == train_data and not artifact.is_dir:
                return artifact
    return None


def training_verdicts(
    policy: str, model: ModelSettings, base: Path, python: Callable[[], str], *, timeout: float
) -> tuple[Verdict, ...]:
    """Rehearse the stage that makes the model, unless the policy is ``off``.

    Args:
        policy: ``block``, ``warn`` or ``off``.
        model: names the model and the target.
        base: the project.
        python: gives the interpreter that loads the model.
        timeout: seconds for one training on the sample.
    """
    if policy == "off":
        return ()
    found = rehearse(
        base, model.path, model.target, python=python(), task=model.task, timeout=timeout
    )
    if policy == "block":
        return found
    return tuple(replace(one, blocking=False) for one in found)
