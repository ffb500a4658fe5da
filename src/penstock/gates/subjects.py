"""Subjects: what a model test is about, handed from penstock to pytest through variables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import PenstockError

_WORKTREES = (".penstock", "worktrees")


@dataclass(frozen=True, slots=True)
class Subjects:
    """The models, the data and the run that tests may ask for.

    Attributes:
        root: the project (or the worktree) that the run is in.
        model: name of the model in penstock.yaml.
        candidate: where the pipeline writes the model.
        champion: the version that holds the traffic; None before the first deployment.
        champion_python: the interpreter of its environment, None for the one of the tests.
        test_data: held-out rows.
        target: the column that is predicted.
        task: ``classification``, ``regression`` or ``ranking``, None to be found out.
        positive: the class that counts as positive, None for the greater one.
        run_id: the run in whose course the tests are made, "" for none.
    """

    root: Path
    model: str = ""
    candidate: Path | None = None
    champion: Path | None = None
    champion_python: str | None = None
    test_data: Path | None = None
    target: str = ""
    task: str | None = None
    positive: str | int | float | bool | None = None
    run_id: str = ""

    def paths(self) -> dict[str, tuple[Path, ...]]:
        """Return the files behind each fixture of the pytest plugin."""
        candidate = (self.candidate,) if self.candidate else ()
        champion = (self.champion,) if self.champion else ()
        data = (self.test_data,) if self.test_data else ()
        return {
            "candidate": candidate,
            "champion": champion,
            "test_data": data,
            "predictions": (*candidate, *data),
        }

    def environment(self) -> dict[str, str]:
        """Return the variables that `from_environment` reads in the tests' process."""
        found = {
            "PENSTOCK_ROOT": str(self.root),
            "PENSTOCK_MODEL_NAME": self.model,
            "PENSTOCK_MODEL": _text(self.candidate),
            "PENSTOCK_CHAMPION": _text(self.champion),
            "PENSTOCK_CHAMPION_PYTHON": self.champion_python or "",
            "PENSTOCK_TEST_DATA": _text(self.test_data),
            "PENSTOCK_TARGET": self.target,
            "PENSTOCK_TASK": self.task or "",
            "PENSTOCK_POSITIVE": "" if self.positive is None else json.dumps(self.positive),
            "PENSTOCK_RUN_ID": self.run_id,
        }
        return {name: value for name, value in found.items() if value}

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Subjects | None:
        """Read what `environment` wrote, None when it did not."""
        if "PENSTOCK_ROOT" not in variables:
            return None
        positive = variables.get("PENSTOCK_POSITIVE")
        return cls(
            root=Path(variables["PENSTOCK_ROOT"]),
            model=variables.get("PENSTOCK_MODEL_NAME", ""),
            candidate=_path(variables.get("PENSTOCK_MODEL")),
            champion=_path(variables.get("PENSTOCK_CHAMPION")),
            champion_python=variables.get("PENSTOCK_CHAMPION_PYTHON") or None,
            test_data=_path(variables.get("PENSTOCK_TEST_DATA")),
            target=variables.get("PENSTOCK_TARGET", ""),
            task=variables.get("PENSTOCK_TASK") or None,
            positive=json.loads(positive) if positive else None,
            run_id=variables.get("PENSTOCK_RUN_ID", ""),
        )

    @classmethod
    def find(cls, root: Path) -> Subjects:
        """Find the subjects of a project from penstock.yaml and the journal.

        Raises:
            StateError: there is no project.
            ConfigError: penstock.yaml is wrong.
        """
        from penstock.config import load_settings

        root = root.absolute()
        model = load_settings(root).model
        return cls(
            root=root,
            model=model.name,
            candidate=root / model.path,
            champion=_champion(home_of(root), model.name),
            test_data=root / model.test_data,
            target=model.target,
            task=model.task,
            positive=model.positive,
        )


def home_of(root: Path) -> Path:
    """Return the project that a worktree belongs to, or the project itself."""
    for place in root.parents:
        if (place.parent.name, place.name) == _WORKTREES:
            return place.parent.parent
    return root


def champion_record(home: Path, model: str) -> dict[str, Any] | None:
    """Return the champion's version as the journal has it, None before the first deployment."""
    from penstock.domain.event import EventType
    from penstock.journal import Journal

    file = home / ".penstock" / "journal.db"
    if not file.exists():
        return None
    try:
        with Journal(file) as journal:
            changed = journal.events(type=EventType.CHAMPION_CHANGED, newest_first=True, limit=1)
            for event in changed:
                record = journal.get("version", f"{model}/{event.data.get('version')}")
                return record.value if record else None
    except PenstockError:
        return None  # a locked journal must not keep tests from running: they see no champion
    return None


def _champion(home: Path, model: str) -> Path | None:
    """Return the registered copy of the champion."""
    record = champion_record(home, model)
    source = Path(str(record.get("source"))) if record else None
    return source if source is not None and source.exists() else None


def _text(path: Path | None) -> str:
    return "" if path is None else str(path)


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
