"""At which of Google's MLOps levels a project stands, and what the next one takes.

0: models are made by hand. 1: the pipeline is automated: data and models are validated, what was
made is recorded, and something other than a person starts it. 2: the pipeline itself is built,
tested and delivered automatically.

Source: https://cloud.google.com/architecture/mlops-continuous-delivery-and-automation-pipelines-in-machine-learning
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from penstock.config.settings import Settings
from penstock.domain.pipeline import Pipeline

CI_FILES = (
    ".github/workflows",
    ".gitlab-ci.yml",
    ".circleci/config.yml",
    ".ci/run",
    "Jenkinsfile",
    "azure-pipelines.yml",
    "bitbucket-pipelines.yml",
    ".woodpecker.yml",
)
_WORDS = ("not yet automated", "the pipeline is automated", "the pipeline is delivered, too")


@dataclass(frozen=True, slots=True)
class Maturity:
    """A level and the way to the next.

    Attributes:
        level: 0, 1 or 2.
        words: what that means.
        missing: what the next level takes.
    """

    level: int
    words: str
    missing: tuple[str, ...]


def level_of(root: Path, pipeline: Pipeline | None, settings: Settings | None) -> Maturity:
    """Return the level of a project; None stands for a file that is missing or broken."""
    first = {
        "a dvc.yaml that can be read": pipeline is not None,
        "a valid penstock.yaml": settings is not None,
        "gates (`gates:`)": settings is not None and bool(settings.gates.conditions),
        "something that starts retraining (`retrain: {triggers: [...]}`)": settings is not None
        and bool(settings.retrain.triggers),
        "monitoring (`monitor:`)": settings is not None and settings.monitor.enabled,
    }
    second = {
        "tests of stages (`tests:`)": settings is not None and bool(settings.tests),
        "a CI system that runs penstock": any((root / name).exists() for name in CI_FILES),
        "a Git repository": any((one / ".git").exists() for one in (root, *root.parents)),
    }
    missing = tuple(what for what, there in first.items() if not there)
    if missing:
        return Maturity(0, _WORDS[0], missing)
    missing = tuple(what for what, there in second.items() if not there)
    if missing:
        return Maturity(1, _WORDS[1], missing)
    return Maturity(2, _WORDS[2], ())
