"""The built-in tests of a project's data and training, as penstock.yaml asks for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from penstock.config.settings import DataGateSettings, ModelSettings
from penstock.domain.verdict import Verdict
from penstock.gates.data_gates import data_tests
from penstock.gates.rehearsal import rehearse


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
